"""A net that is invariant under the exchange of like jets: permuted by chance in training, averaged over all after.

Jets are ordered by tag and momentum, both of which the inputs say anyway: whichever of the first two, mostly b jets,
and of the two after them is called the first, the event is the same. Each event has four such permutations, its
labellings.
"""

import keras
import numpy as np
from keras import ops

from higgs_lib.models.kinematic_layer import OBJECTS, feature_names

EXCHANGES = ({}, {"b1": "b2", "b2": "b1"}, {"j1": "j2", "j2": "j1"}, {"b1": "b2", "b2": "b1", "j1": "j2", "j2": "j1"})
"""Which object stands for which."""


def permutation_orders(columns: tuple[str, ...]) -> np.ndarray:
    """(4, k): where each of the inputs that `Kinematics(columns)` gives stands after each exchange."""
    known = {name: place for place, name in enumerate(feature_names(columns))}
    return np.array([[known[_exchanged(name, exchange)] for name in known] for exchange in EXCHANGES])


def _exchanged(name: str, exchange: dict[str, str]) -> str:
    """m(b1 l) -> m(b2 l)"""
    what, _, inside = name.partition("(")
    objects = inside.removesuffix(")").split()
    if not objects or not set(objects) <= set(OBJECTS):
        return name
    return f"{what}({' '.join(sorted((exchange.get(o, o) for o in objects), key=OBJECTS.index))})"


@keras.saving.register_keras_serializable("higgs_lib", "Relabelled")
class RandomJetPermutation(keras.layers.Layer):
    """Inputs (n, k) of `Kinematics(columns)` to the same of relabelled events.

    In training every event has one of the four labellings, by chance (n, k); else it has all, the events of each
    labelling after those of the one before (4 n, k).
    """

    def __init__(self, columns: tuple[str, ...], seed: int, **settings):
        super().__init__(**settings)
        self.columns, self.seed = tuple(columns), seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._orders = permutation_orders(self.columns)

    def get_config(self):
        return super().get_config() | {"columns": self.columns, "seed": self.seed}

    def compute_output_shape(self, shape):
        return (None, *shape[1:])

    def call(self, inputs, training=False):
        if not training:
            return ops.concatenate([ops.take(inputs, order, axis=-1) for order in self._orders], 0)
        n_labellings = len(self._orders)
        chosen = keras.random.randint(ops.shape(inputs)[:1], 0, n_labellings, seed=self.seed_generator)
        return ops.take_along_axis(inputs, ops.take(self._orders, chosen, axis=0), axis=-1)


@keras.saving.register_keras_serializable("higgs_lib", "Averaged")
class PermutationAverage(keras.layers.Layer):
    """Scores of all labellings (4 n, 1) to their mean (n, 1); in training, where there is one, as they are."""

    def compute_output_shape(self, shape):
        return (None, *shape[1:])

    def call(self, scores, training=False):
        return scores if training else ops.mean(ops.reshape(scores, (len(EXCHANGES), -1, 1)), 0)

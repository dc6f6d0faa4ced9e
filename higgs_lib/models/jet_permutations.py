"""Layers that make a network invariant under the exchange of jets of the same kind.

The inputs order jets by tag and momentum, both of which they contain anyway: whichever of the first two jets, mostly b
jets, and whichever of the two after them is called the first, the event is the same. So each event has four equivalent
permutations. In training each event takes one of them at random; a score is the mean over all four.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from higgs_lib.models.kinematic_layer import OBJECTS, feature_names

EXCHANGES = ({}, {"b1": "b2", "b2": "b1"}, {"j1": "j2", "j2": "j1"}, {"b1": "b2", "b2": "b1", "j1": "j2", "j2": "j1"})
"""The object that takes the place of each, in every permutation."""


def permutation_orders(columns: tuple[str, ...]) -> np.ndarray:
    """Returns where each of the k features of `Kinematics(columns)` stands after each exchange, (4, k)."""
    places = {name: place for place, name in enumerate(feature_names(columns))}
    return np.array([[places[_exchange_objects(name, exchange)] for name in places] for exchange in EXCHANGES])


def _exchange_objects(feature: str, exchange: dict[str, str]) -> str:
    """Returns the feature's name with its objects exchanged: m(b1 l) becomes m(b2 l)."""
    quantity, _, inside = feature.partition("(")
    objects = inside.removesuffix(")").split()
    if not objects or not set(objects) <= set(OBJECTS):
        return feature
    return f"{quantity}({' '.join(sorted((exchange.get(o, o) for o in objects), key=OBJECTS.index))})"


@keras.saving.register_keras_serializable("higgs_lib", "Relabelled")
class RandomJetPermutation(keras.layers.Layer):
    """Permutes the jets in the features (n, k) of `Kinematics(columns)`.

    In training it gives every event one of the four permutations at random, (n, k). Otherwise it returns all four,
    (4 n, k), one block of n events per permutation.
    """

    def __init__(self, columns: tuple[str, ...], seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.columns, self.seed = tuple(columns), seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._orders = permutation_orders(self.columns)

    def get_config(self) -> dict[str, Any]:
        """Returns what a saved model stores of this layer."""
        return super().get_config() | {"columns": self.columns, "seed": self.seed}

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape (None, k): the number of events depends on the mode."""
        return (None, *shape[1:])

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Returns the features of permuted events."""
        if not training:
            return ops.concatenate([ops.take(inputs, order, axis=-1) for order in self._orders], 0)
        n_permutations = len(self._orders)
        permutation = keras.random.randint(ops.shape(inputs)[:1], 0, n_permutations, seed=self.seed_generator)
        return ops.take_along_axis(inputs, ops.take(self._orders, permutation, axis=0), axis=-1)


@keras.saving.register_keras_serializable("higgs_lib", "Averaged")
class PermutationAverage(keras.layers.Layer):
    """Averages the scores (4 n, 1) of all permutations to (n, 1); in training it leaves the one score per event."""

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape (None, 1): the number of events depends on the mode."""
        return (None, *shape[1:])

    def call(self, scores: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Returns one score per event."""
        return scores if training else ops.mean(ops.reshape(scores, (len(EXCHANGES), -1, 1)), 0)

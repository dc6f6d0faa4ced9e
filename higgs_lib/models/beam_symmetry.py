"""A layer that augments training events by the symmetries of the beam line.

Protons of equal energy collide head on, so neither the azimuth of a whole event nor a reflection of it in azimuth or
along the beam says anything about its class. Such copies of an event have the same momenta, masses and distances.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from higgs_lib.data.kinematics import SCALES


@keras.saving.register_keras_serializable("higgs_lib")
class RandomBeamSymmetry(keras.layers.Layer):
    """Rotates and reflects events (n, k) at random, each about the beam line as a whole; in training alone.

    `columns` names the k features, in normalised units. In training every azimuth of an event grows by the same random
    angle, all its azimuths change sign in half of the events, and all its pseudorapidities in half of them. Other
    columns stay as they are, and so do all events outside training.
    """

    def __init__(self, columns: tuple[str, ...], seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.columns, self.seed = tuple(columns), seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._is_phi = np.array([name.endswith("_phi") for name in self.columns])
        self._is_eta = np.array([name.endswith("_eta") for name in self.columns])
        turns = [2 * np.pi / SCALES[name] if name.endswith("_phi") else 1.0 for name in self.columns]
        self._turn = np.array(turns, np.float32)  # of the beam line, in normalised units

    def get_config(self) -> dict[str, Any]:
        """Returns what a saved model stores of this layer."""
        return super().get_config() | {"columns": self.columns, "seed": self.seed}

    def call(self, events: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Returns the events (n, k), rotated and reflected in training."""
        if not training:
            return events
        numbers = keras.random.uniform((ops.shape(events)[0], 3), seed=self.seed_generator)
        angle, in_phi, in_eta = numbers[:, :1], numbers[:, 1:2] < 0.5, numbers[:, 2:] < 0.5
        reflected = ops.where((self._is_phi & in_phi) | (self._is_eta & in_eta), -events, events)
        turns = reflected / self._turn + angle
        return ops.where(self._is_phi, (turns - ops.round(turns)) * self._turn, reflected)

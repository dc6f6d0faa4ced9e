"""A layer that gives a network sines and cosines of its features, at frequencies that it learns."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("higgs_lib")
class PeriodicEmbedding(keras.layers.Layer):
    """Returns features (n, k) with sin(2 pi f x) and cos(2 pi f x) of each, at m frequencies f of its own.

    The output is (n, k (1 + 2 m)). The frequencies are weights: they start from a normal distribution of standard
    deviation `scale` and are trained (Gorishniy, Rubachev and Babenko 2022, arXiv:2203.05556).
    """

    def __init__(self, n_frequencies: int, scale: float, seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.n_frequencies, self.scale, self.seed = n_frequencies, scale, seed

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Creates the frequencies (k, m)."""
        initializer = keras.initializers.RandomNormal(stddev=self.scale, seed=self.seed)
        self.frequencies = self.add_weight(
            shape=(shape[-1], self.n_frequencies), initializer=initializer, name="frequencies"
        )

    def get_config(self) -> dict[str, Any]:
        """Returns what a saved model stores of this layer."""
        settings = {"n_frequencies": self.n_frequencies, "scale": self.scale, "seed": self.seed}
        return super().get_config() | settings

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape (n, k (1 + 2 m))."""
        return (*shape[:-1], shape[-1] * (1 + 2 * self.n_frequencies))

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the features, then the sines and cosines of each."""
        phases = 2 * np.pi * ops.expand_dims(features, -1) * self.frequencies
        waves = ops.concatenate([ops.sin(phases), ops.cos(phases)], -1)
        return ops.concatenate([features, ops.reshape(waves, (-1, 2 * self.n_frequencies * features.shape[-1]))], -1)

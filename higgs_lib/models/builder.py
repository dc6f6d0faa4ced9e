"""Builds the Keras model of a `ModelSpec`, and loads saved ones.

Only `keras` is used, so that the models train on any of its backends.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from higgs_lib import device
from higgs_lib.data import LOW, EventStream, Sample
from higgs_lib.models import archive, optimizers  # noqa: F401 - registers what saved models are compiled with
from higgs_lib.models.beam_symmetry import RandomBeamSymmetry
from higgs_lib.models.jet_permutations import PermutationAverage, RandomJetPermutation, permutation_orders
from higgs_lib.models.kinematic_layer import Kinematics, kinematic_features
from higgs_lib.models.periodic_embedding import PeriodicEmbedding
from higgs_lib.models.spec import ModelSpec


class Standardisation(NamedTuple):
    """The shift and scale that give a network inputs of mean 0 and standard deviation 1."""

    mean: np.ndarray
    """The means over the training events, (n,)."""
    variance: np.ndarray
    """The variances over the training events, (n,)."""
    columns: tuple[str, ...] = ()
    """The names of the raw features, for kinematic features; () for raw features."""

    def over_permutations(self) -> "Standardisation":
        """Returns the standardisation of the same events in all jet permutations."""
        orders = permutation_orders(self.columns)
        mean = self.mean[orders].mean(0)
        return self._replace(mean=mean, variance=(self.variance + self.mean**2)[orders].mean(0) - mean**2)


def standardisation(events: Sample | EventStream, columns: tuple[str, ...] = ()) -> Standardisation:
    """Returns the mean and variance of each feature, in float64 and block by block.

    With `columns`, the names of the features, it returns those of the kinematic features computed from them.
    """

    def blocks() -> Iterator[np.ndarray]:
        for block in events.blocks():
            yield kinematic_features(block.features, columns) if columns else block.features

    mean = sum(block.sum(0, dtype=np.float64) for block in blocks()) / events.n_events
    squares = sum(((block - mean) ** 2).sum(0) for block in blocks())
    return Standardisation(mean, squares / events.n_events, columns)


def build(spec: ModelSpec, standard: Standardisation, seed: int, columns: tuple[str, ...] = ()) -> keras.Model:
    """Returns the model of a `ModelSpec`: raw features (n, n_features) in, scores (n, 1) out.

    Args:
        spec: the architecture.
        standard: the standardisation of the features.
        seed: of the initial weights, dropout, augmentation and jet permutations.
        columns: the names of the raw features, which augmentation needs.

    Returns:
        The model.

    Raises:
        ValueError: `spec` asks for augmentation, and `columns` does not name the features.
        DeviceError: Keras is set to another precision.
    """
    device.check_precision(keras.config.dtype_policy().name)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(2 * len(spec.layers) + 1)]
    regularizer = keras.regularizers.L2(spec.l2) if spec.l2 else None
    hidden_policy = "mixed_bfloat16" if spec.precision == "bfloat16" else "float32"
    inputs = x = keras.Input((len(standard.columns or standard.mean),), name="features")
    if spec.augmented and len(columns) != len(standard.mean):
        raise ValueError(f"build: augmentation needs the names of all {len(standard.mean)} features as `columns`")
    if spec.augmented and set(columns) & set(LOW):  # masses alone do not change
        x = RandomBeamSymmetry(columns, seeds[-2], name="augmentation")(x)
    if standard.columns:
        x = Kinematics(standard.columns, name="kinematics")(x)
    if spec.symmetric:
        standard = standard.over_permutations()
        x = RandomJetPermutation(standard.columns, seeds[-2], name="relabelled")(x)
    x = keras.layers.Normalization(mean=standard.mean, variance=standard.variance, name="standardisation")(x)
    if spec.frequencies:
        x = PeriodicEmbedding(spec.frequencies, spec.frequency_scale, seeds[-1], name="frequencies")(x)
    for layer, units in enumerate(spec.layers):
        output = layer == len(spec.hidden)
        x = keras.layers.Dense(
            units,
            activation="sigmoid" if output else spec.activation,
            kernel_initializer=_initializer(spec, layer, seeds[2 * layer]),
            kernel_regularizer=regularizer,
            dtype="float32" if output else hidden_policy,
            name="score" if output else f"hidden_{layer + 1}",
        )(x)
        if spec.dropout and not output:
            x = keras.layers.Dropout(spec.dropout, seed=seeds[2 * layer + 1], dtype=hidden_policy)(x)
    return keras.Model(inputs, PermutationAverage(name="averaged")(x) if spec.symmetric else x)


def _initializer(spec: ModelSpec, layer: int, seed: int) -> keras.initializers.Initializer:
    """Returns the initializer of a layer's weights."""
    scale = spec.weight_scale[layer] if isinstance(spec.weight_scale, tuple) else spec.weight_scale
    return {
        "constant": lambda: keras.initializers.Constant(scale),
        "normal": lambda: keras.initializers.RandomNormal(stddev=scale, seed=seed),
        "uniform": lambda: keras.initializers.RandomUniform(-scale, scale, seed=seed),
        "glorot": lambda: keras.initializers.GlorotUniform(seed=seed),
        "he": lambda: keras.initializers.HeNormal(seed=seed),
    }[spec.initial_weights]()


def load(path: str | Path) -> keras.Model:
    """Returns the model of a `.keras` file; the layers of this package are known to Keras then.

    No code from the file runs: Lambda layers, and classes that were not registered with Keras before, are refused.
    Raises ModelFileError for these and for all that is no model.
    """
    path = Path(path)
    archive.read_keras(path)
    with archive.refusing(path, "layers of others must be registered with Keras before, and code in a file never runs"):
        return keras.models.load_model(path, safe_mode=True)

"""From a `ModelSpec` to a Keras model and its optimizer; the presets of the study.

Only `keras` is used, so that the models train on any of its backends.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import keras
import numpy as np

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adadelta": keras.optimizers.Adadelta,
    "adagrad": keras.optimizers.Adagrad,
}

SCHEDULES = ("constant", "cosine", "exponential")

INITIAL_WEIGHTS = ("constant", "normal", "uniform", "glorot")


@dataclass(frozen=True)
class ModelSpec:
    """A fully connected net for two classes, and how its weights are stepped.

    The output is one sigmoid. Values that cannot be are refused with a ValueError that names them.
    """

    hidden: tuple[int, ...]
    """Units of each hidden layer, from the input on."""
    activation: str = "tanh"
    initial_weights: str = "glorot"
    """"constant", "normal", "uniform" (about zero) or "glorot" (uniform); biases begin at zero."""
    weight_scale: float | tuple[float, ...] = 0.05
    """The constant, the deviation or the half-width; one for all layers or one for each, the output's last."""
    dropout: float = 0.0
    """The share of each hidden layer's outputs that is dropped in training."""
    l2: float = 0.0
    """Factor of the sum of squared weights in the loss."""
    optimizer: str = "adam"
    learning_rate: float = 0.0
    """0 stands for Keras' default of the optimizer."""
    momentum: float = 0.0
    """Of SGD alone."""
    schedule: str = "constant"
    """"cosine": down to 0 at the last step; "exponential": divided by `decay` at every step, down to 1e-6."""
    decay: float = 1.0

    def __post_init__(self):
        for name, value, choices in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
            ("initial_weights", self.initial_weights, INITIAL_WEIGHTS),
        ):
            if value not in choices:
                raise ValueError(f"ModelSpec: unknown {name} {value!r}: choose one of {', '.join(choices)}")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"ModelSpec: hidden must be one or more layers of at least one unit, not {self.hidden}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"ModelSpec: dropout must lie in [0, 1), not {self.dropout}")
        if isinstance(self.weight_scale, tuple) and len(self.weight_scale) != len(self.hidden) + 1:
            raise ValueError(f"ModelSpec: weight_scale needs {len(self.hidden) + 1} values, one a layer")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"ModelSpec: momentum is SGD's; {self.optimizer} has its own")

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of each layer, the output included."""
        return (*self.hidden, 1)

    def n_parameters(self, n_features: int) -> int:
        """Trainable parameters, weights and biases, on `n_features` inputs."""
        return sum((before + 1) * after for before, after in pairwise((n_features, *self.layers)))


_BALDI = {
    "initial_weights": "normal",
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "schedule": "exponential",
    "decay": 1.0000002,
    "l2": 1e-5,
}

PRESETS = {
    # S. Mancone, BSc thesis, Padova 2017/18: 1 x 300 and 3 x 300 tanh, normal weights, default learning rates.
    "shallow": ModelSpec(hidden=(300,), initial_weights="normal"),
    "deep": ModelSpec(hidden=(300,) * 3, initial_weights="normal"),
    # P. Baldi, P. Sadowski, D. Whiteson, Nature Communications 5:4308 (2014). Their momentum rises from 0.9 to 0.99
    # over 200 epochs; here it stays at 0.9. The decay counts their batches of 100 and is not rescaled to others.
    "baldi_shallow": ModelSpec(hidden=(300,), weight_scale=(0.1, 0.001), **_BALDI),
    "baldi_deep": ModelSpec(hidden=(300,) * 4, weight_scale=(0.1, 0.05, 0.05, 0.05, 0.001), **_BALDI),
}


class Standardisation(NamedTuple):
    """What turns raw features into features of mean 0 and deviation 1."""

    mean: np.ndarray
    """(n_features,), of the training events."""
    variance: np.ndarray
    """(n_features,), of the training events."""


def standardisation(features: np.ndarray, block: int = 100_000) -> Standardisation:
    """Mean and variance of each column of `features` (n, n_features), in float64 and block by block."""
    blocks = range(0, len(features), block)
    mean = sum(features[i : i + block].sum(0, dtype=np.float64) for i in blocks) / len(features)
    squares = sum(((features[i : i + block] - mean) ** 2).sum(0) for i in blocks)
    return Standardisation(mean, squares / len(features))


def _initializer(spec: ModelSpec, layer: int, seed: int):
    scale = spec.weight_scale[layer] if isinstance(spec.weight_scale, tuple) else spec.weight_scale
    return {
        "constant": lambda: keras.initializers.Constant(scale),
        "normal": lambda: keras.initializers.RandomNormal(stddev=scale, seed=seed),
        "uniform": lambda: keras.initializers.RandomUniform(-scale, scale, seed=seed),
        "glorot": lambda: keras.initializers.GlorotUniform(seed=seed),
    }[spec.initial_weights]()


def build(spec: ModelSpec, standard: Standardisation, seed: int) -> keras.Model:
    """The model of `spec`: raw features (n, n_features) in, score (n, 1) out; first weights and dropout by `seed`."""
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(2 * len(spec.layers))]
    regularizer = keras.regularizers.L2(spec.l2) if spec.l2 else None
    inputs = keras.Input((len(standard.mean),), name="features")
    x = keras.layers.Normalization(mean=standard.mean, variance=standard.variance, name="standardisation")(inputs)
    for layer, units in enumerate(spec.layers):
        output = layer == len(spec.hidden)
        x = keras.layers.Dense(
            units,
            activation="sigmoid" if output else spec.activation,
            kernel_initializer=_initializer(spec, layer, seeds[2 * layer]),
            kernel_regularizer=regularizer,
            name="score" if output else f"hidden_{layer + 1}",
        )(x)
        if spec.dropout and not output:
            x = keras.layers.Dropout(spec.dropout, seed=seeds[2 * layer + 1])(x)
    return keras.Model(inputs, x)


def _schedule(spec: ModelSpec, learning_rate: float, n_steps: int):
    if spec.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(learning_rate, n_steps)
    if spec.schedule == "exponential":
        return ExponentialDecay(learning_rate, spec.decay)
    return learning_rate


@keras.saving.register_keras_serializable("higgs_lib")
class ExponentialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """initial / decay^step, not below `minimum` (the schedule of Baldi et al. 2014, from their scripts)."""

    def __init__(self, initial: float, decay: float, minimum: float = 1e-6):
        self.initial, self.decay, self.minimum = initial, decay, minimum

    def __call__(self, step):
        # exp of a product, since decay itself is 1 to float32 precision
        rate = self.initial * keras.ops.exp(-np.log(self.decay) * keras.ops.cast(step, "float32"))
        return keras.ops.maximum(rate, self.minimum)

    def get_config(self):
        return {"initial": self.initial, "decay": self.decay, "minimum": self.minimum}


def optimizer(spec: ModelSpec, n_steps: int) -> keras.optimizers.Optimizer:
    """A new optimizer of `spec`; `n_steps` is the length of the whole training in batches."""
    kind = OPTIMIZERS[spec.optimizer]
    arguments = {"momentum": spec.momentum} if spec.momentum else {}
    default = kind().get_config()["learning_rate"]
    return kind(learning_rate=_schedule(spec, spec.learning_rate or default, n_steps), **arguments)

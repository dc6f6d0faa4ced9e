"""What a network is: its layers, inputs, optimizer and precision; the presets of the study."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

INPUTS = ("columns", "kinematics")
INITIAL_WEIGHTS = ("constant", "normal", "uniform", "glorot", "he")
OPTIMIZERS = ("sgd", "adam", "adamax", "adadelta", "adagrad", "muon")
SCHEDULES = ("constant", "cosine", "exponential")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class ModelSpec:
    """Describes a fully connected network for two classes with one sigmoid output, and how it is optimized.

    Raises ValueError, naming the field, for invalid values.
    """

    hidden: tuple[int, ...]
    """The units of each hidden layer, from the input on."""
    inputs: str = "columns"
    """The inputs: "columns", the features as they are, or "kinematics", what the layer `Kinematics` computes."""
    symmetric: bool = False
    """The invariance under exchange of jets of the same kind: these are exchanged at random in training, and scores are
    averaged over all permutations. It needs kinematic features."""
    augmented: bool = False
    """The augmentation of training events by the symmetries of the beam line (`RandomBeamSymmetry`). It needs columns
    as inputs; without low-level columns there is nothing to augment."""
    frequencies: int = 0
    """The number of learned frequencies per column, whose sines and cosines are inputs too (`PeriodicEmbedding`)."""
    frequency_scale: float = 0.2
    """The standard deviation of the initial frequencies, in periods per standard deviation of the column."""
    activation: str = "tanh"
    """The activation of the hidden layers, by its name in Keras."""
    initial_weights: str = "glorot"
    """The initial weights: "constant", "normal", "uniform" (about zero), "glorot" (uniform) or "he" (normal). Biases
    start at zero."""
    weight_scale: float | tuple[float, ...] = 0.05
    """The constant, standard deviation or half-width of the initial weights: one for all layers, or one per layer, the
    output's last."""
    dropout: float = 0.0
    """The fraction of each hidden layer's outputs that is dropped in training."""
    l2: float = 0.0
    """The factor of the sum of squared weights in the loss."""
    weight_decay: float = 0.0
    """The factor of the decoupled weight decay: each step also subtracts this factor times the learning rate times the
    weight (I. Loshchilov, F. Hutter 2019, arXiv:1711.05101). Muon applies it to matrices alone."""
    optimizer: str = "adam"
    """The optimizer, one of `OPTIMIZERS`."""
    learning_rate: float = 0.0
    """The initial learning rate; 0: Keras' default of the optimizer."""
    momentum: float = 0.0
    """The momentum, for SGD alone."""
    final_momentum: float = 0.0
    """The momentum after `momentum_epochs`, which rises linearly from step to step; 0: the momentum stays."""
    momentum_epochs: int = 0
    """The number of epochs over which the momentum rises."""
    schedule: str = "constant"
    """The schedule of the learning rate, which changes at every step: "constant", "cosine" (0 at the last step) or
    "exponential" (divided by `decay` over an epoch, at least 1e-6)."""
    warm_up: float = 0.0
    """The fraction of all steps over which the learning rate first rises from zero, for the cosine schedule alone."""
    decay: float = 1.0
    """The factor by which the exponential schedule lowers the learning rate per epoch."""
    precision: str = "float32"
    """The precision of the hidden layers' arithmetic: "float32" or "bfloat16". Weights are stored in float32."""

    def __post_init__(self) -> None:
        for name, choices in (
            ("inputs", INPUTS),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("initial_weights", INITIAL_WEIGHTS),
            ("precision", PRECISIONS),
        ):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"ModelSpec: unknown {name} {value!r}: choose one of {', '.join(choices)}")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"ModelSpec: hidden must be one or more layers of at least one unit, not {self.hidden}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"ModelSpec: dropout must lie in [0, 1), not {self.dropout}")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"ModelSpec: weight_decay must be finite and not negative, not {self.weight_decay}")
        if isinstance(self.weight_scale, tuple) and len(self.weight_scale) != len(self.hidden) + 1:
            raise ValueError(f"ModelSpec: weight_scale needs {len(self.hidden) + 1} values, one per layer")
        if self.symmetric and self.inputs != "kinematics":
            raise ValueError("ModelSpec: symmetric networks exchange jets, so they need inputs='kinematics'")
        if self.inputs != "columns" and (self.augmented or self.frequencies):
            raise ValueError("ModelSpec: augmentation and frequencies apply to inputs='columns' alone")
        if self.frequencies < 0 or not self.frequency_scale > 0:
            raise ValueError("ModelSpec: frequencies must not be negative, and frequency_scale must be positive")
        if not 0 <= self.warm_up < 1 or (self.warm_up and self.schedule != "cosine"):
            raise ValueError("ModelSpec: warm_up is a fraction of the cosine schedule, in [0, 1)")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"ModelSpec: momentum applies to SGD alone; {self.optimizer} has its own: set it to 0")
        if bool(self.final_momentum) != bool(self.momentum_epochs) or (self.final_momentum and not self.momentum):
            raise ValueError("ModelSpec: a momentum that rises needs momentum, final_momentum and momentum_epochs")

    @property
    def layers(self) -> tuple[int, ...]:
        """The units of each layer, the output included."""
        return (*self.hidden, 1)

    def n_inputs(self, n_features: int) -> int:
        """Returns the number of inputs of the first hidden layer: `n_features`, with their sines and cosines."""
        return n_features * (1 + 2 * self.frequencies)

    def n_parameters(self, n_features: int) -> int:
        """Returns the number of trainable parameters, for `n_features` columns or kinematic features."""
        layers = pairwise((self.n_inputs(n_features), *self.layers))
        return n_features * self.frequencies + sum((before + 1) * after for before, after in layers)

    def operations(self, n_features: int) -> int:
        """Returns the additions and multiplications in the matrix products of a training step, per event.

        There are two per weight in each of three products: the forward pass, the gradient of the weights, and the
        gradient of the layer's inputs, which the first layer needs only for the frequencies.
        """
        weights = [before * after for before, after in pairwise((self.n_inputs(n_features), *self.layers))]
        return 6 * sum(weights) - (0 if self.frequencies else 2 * weights[0])


_BALDI: dict[str, Any] = {
    "initial_weights": "normal",
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "final_momentum": 0.99,
    "momentum_epochs": 200,
    "schedule": "exponential",
    "decay": 1.0000002**100_000,  # once for each of the 100,000 steps of an epoch: 10,000,000 events, batch size 100
    "l2": 1e-5,
}

_MODERN: dict[str, Any] = {
    "activation": "silu",
    "initial_weights": "he",
    "optimizer": "muon",
    "learning_rate": 0.006,
    "schedule": "cosine",
    "warm_up": 0.05,
}

PRESETS = {
    # S. Mancone, BSc thesis, Padova 2017/18: 1 x 300 and 3 x 300 tanh, normal weights, default learning rates.
    "shallow": ModelSpec(hidden=(300,), initial_weights="normal"),
    "deep": ModelSpec(hidden=(300,) * 3, initial_weights="normal"),
    # Raw columns and what has been learnt about training since 2014; docs/training.md tells how it was chosen.
    "modern": ModelSpec(hidden=(256,) * 4, augmented=True, frequencies=4, **_MODERN),
    # Kinematic features, with jets of the same kind exchanged; docs/kinematics.md tells how it was chosen.
    "kinematic": ModelSpec(hidden=(300,) * 3, inputs="kinematics", symmetric=True, **_MODERN),
    # The deep network on kinematic features, with dropout and weight decay, for a few ten thousand training events.
    "kinematic_few": ModelSpec(
        hidden=(300,) * 3,
        inputs="kinematics",
        symmetric=True,
        dropout=0.1,
        learning_rate=0.002,
        schedule="cosine",
        weight_decay=0.2,
    ),
    # P. Baldi, P. Sadowski, D. Whiteson, Nature Communications 5:4308 (2014), and their scripts. Rate and momentum
    # depend on the epoch, so that with 10,000,000 events and batch size 100 they equal the scripts' at every step.
    "baldi_shallow": ModelSpec(hidden=(300,), weight_scale=(0.1, 0.001), **_BALDI),
    "baldi_deep": ModelSpec(hidden=(300,) * 4, weight_scale=(0.1, 0.05, 0.05, 0.05, 0.001), **_BALDI),
}

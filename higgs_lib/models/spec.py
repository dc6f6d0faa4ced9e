"""What a network is: its layers, inputs, optimizer and precision; the presets of the study."""

from dataclasses import dataclass
from itertools import pairwise

OPTIMIZERS = ("sgd", "adam", "adamax", "adadelta", "adagrad")

INPUTS = ("columns", "kinematics")

SCHEDULES = ("constant", "cosine", "exponential")

PRECISIONS = ("float32", "bfloat16")

INITIAL_WEIGHTS = ("constant", "normal", "uniform", "glorot")


@dataclass(frozen=True)
class ModelSpec:
    """A fully connected net for two classes, and how its weights are stepped.

    The output is one sigmoid. Values that cannot be are refused with a ValueError that names them.
    """

    hidden: tuple[int, ...]
    """Units of each hidden layer, from the input on."""
    inputs: str = "columns"
    """"columns": the features as they are; "kinematics": what `kinematic_inputs` makes of them."""
    symmetric: bool = False
    """With kinematics: like jets are exchanged by chance in training, and scores averaged over all labellings."""
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
    final_momentum: float = 0.0
    """Reached after `momentum_epochs`, batch by batch along a line; 0: the momentum stays."""
    momentum_epochs: int = 0
    schedule: str = "constant"
    """"cosine": down to 0 at the last batch; "exponential": divided by `decay` over an epoch, down to 1e-6. Both step
    at every batch."""
    decay: float = 1.0
    precision: str = "float32"
    """Of the hidden layers' arithmetic: "float32" or "bfloat16"; weights are kept in float32."""

    def __post_init__(self):
        for name, value, choices in (
            ("inputs", self.inputs, INPUTS),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
            ("initial_weights", self.initial_weights, INITIAL_WEIGHTS),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in choices:
                raise ValueError(f"ModelSpec: unknown {name} {value!r}: choose one of {', '.join(choices)}")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"ModelSpec: hidden must be one or more layers of at least one unit, not {self.hidden}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"ModelSpec: dropout must lie in [0, 1), not {self.dropout}")
        if isinstance(self.weight_scale, tuple) and len(self.weight_scale) != len(self.hidden) + 1:
            raise ValueError(f"ModelSpec: weight_scale needs {len(self.hidden) + 1} values, one a layer")
        if self.symmetric and self.inputs != "kinematics":
            raise ValueError("ModelSpec: symmetric nets exchange jets, and so need inputs='kinematics'")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"ModelSpec: momentum is SGD's; {self.optimizer} has its own")
        if bool(self.final_momentum) != bool(self.momentum_epochs) or (self.final_momentum and not self.momentum):
            raise ValueError("ModelSpec: a momentum that rises needs momentum, final_momentum and momentum_epochs")

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of each layer, the output included."""
        return (*self.hidden, 1)

    def n_parameters(self, n_features: int) -> int:
        """Trainable parameters, weights and biases, on `n_features` inputs of the first hidden layer."""
        return sum((before + 1) * after for before, after in pairwise((n_features, *self.layers)))

    def operations(self, n_features: int) -> int:
        """Additions and multiplications in the products of matrices that train the net on one event.

        Two a weight in each of three products: forward, for the gradient of the weights, and for that of their inputs,
        which the first layer has no need of.
        """
        weights = [before * after for before, after in pairwise((n_features, *self.layers))]
        return 6 * sum(weights) - 2 * weights[0]


_BALDI = {
    "initial_weights": "normal",
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "final_momentum": 0.99,
    "momentum_epochs": 200,
    "schedule": "exponential",
    "decay": 1.0000002**100_000,  # at each of the batches of 100 in an epoch of 10,000,000 events
    "l2": 1e-5,
}

PRESETS = {
    # S. Mancone, BSc thesis, Padova 2017/18: 1 x 300 and 3 x 300 tanh, normal weights, default learning rates.
    "shallow": ModelSpec(hidden=(300,), initial_weights="normal"),
    "deep": ModelSpec(hidden=(300,) * 3, initial_weights="normal"),
    # Physics inputs and like jets exchanged before the deep net's own layers (08_kinematics).
    "kinematic": ModelSpec((300,) * 3, inputs="kinematics", symmetric=True, learning_rate=0.002, schedule="cosine"),
    # P. Baldi, P. Sadowski, D. Whiteson, Nature Communications 5:4308 (2014), and their scripts. Rate and momentum go
    # with the epoch, so that on 10,000,000 events in batches of 100 they are theirs at every batch.
    "baldi_shallow": ModelSpec(hidden=(300,), weight_scale=(0.1, 0.001), **_BALDI),
    "baldi_deep": ModelSpec(hidden=(300,) * 4, weight_scale=(0.1, 0.05, 0.05, 0.05, 0.001), **_BALDI),
}

"""Optimizers, and schedules by which their learning rate and momentum change from step to step."""

import keras
import numpy as np

from higgs_lib.models.spec import ModelSpec

Schedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("higgs_lib")
class ExponentialDecay(Schedule):
    """Computes initial / decay^step, at least `minimum` (the schedule of Baldi et al. 2014, from their scripts)."""

    def __init__(self, initial: float, decay: float, minimum: float = 1e-6):
        self.initial, self.decay, self.minimum = initial, decay, minimum

    def __call__(self, step):
        """Returns the learning rate at a step."""
        # exp of a product, since decay itself is 1 to float32 precision
        rate = self.initial * keras.ops.exp(-np.log(self.decay) * keras.ops.cast(step, "float32"))
        return keras.ops.maximum(rate, self.minimum)

    def get_config(self):
        """Returns what a saved model stores of this schedule."""
        return {"initial": self.initial, "decay": self.decay, "minimum": self.minimum}


@keras.saving.register_keras_serializable("higgs_lib")
class LinearRamp(Schedule):
    """Rises linearly from `initial` to `final` over `n_steps`, and stays there."""

    def __init__(self, initial: float, final: float, n_steps: int):
        self.initial, self.final, self.n_steps = initial, final, n_steps

    def __call__(self, step):
        """Returns the value at a step."""
        progress = keras.ops.minimum(keras.ops.cast(step, "float32") / self.n_steps, 1.0)
        return self.initial + (self.final - self.initial) * progress

    def get_config(self):
        """Returns what a saved model stores of this schedule."""
        return {"initial": self.initial, "final": self.final, "n_steps": self.n_steps}


@keras.saving.register_keras_serializable("higgs_lib")
class MomentumSGD(keras.optimizers.SGD):
    """Steps as Keras' SGD with a scheduled momentum: v = momentum(step) v - rate(step) g, and w += v."""

    def __init__(self, learning_rate, momentum_schedule: Schedule, name: str = "momentum_sgd", **others):
        """Creates the optimizer.

        Args:
            learning_rate: the learning rate, or its schedule.
            momentum_schedule: the schedule of the momentum, or its configuration in a saved model.
            name: the optimizer's name.
            **others: further arguments of `keras.optimizers.SGD`; `nesterov` must be False.
        """
        if others.pop("nesterov", False):
            raise ValueError("MomentumSGD: Nesterov momentum is not supported; use keras.optimizers.SGD")
        if isinstance(momentum_schedule, dict):  # from a saved model
            momentum_schedule = keras.saving.deserialize_keras_object(momentum_schedule)
        # Keras creates the velocities for any momentum but 0
        super().__init__(learning_rate, momentum=1.0, name=name, **others)
        self.momentum_schedule = momentum_schedule

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable and its velocity."""
        velocity = self.momentums[self._get_variable_index(variable)]
        momentum = keras.ops.cast(self.momentum_schedule(self._iterations), variable.dtype)
        self.assign(velocity, momentum * velocity - keras.ops.cast(learning_rate, variable.dtype) * gradient)
        self.assign_add(variable, velocity)

    def get_config(self):
        """Returns what a saved model stores of this optimizer."""
        schedule = keras.saving.serialize_keras_object(self.momentum_schedule)
        config = {name: value for name, value in super().get_config().items() if name != "momentum"}
        return config | {"momentum_schedule": schedule}


@keras.saving.register_keras_serializable("higgs_lib")
class NesterovMomentum(keras.optimizers.Optimizer):
    """Adds Nesterov momentum to another optimizer: v = momentum v + u and w += momentum v + u, where u is its step.

    With SGD it is Keras' SGD with Nesterov momentum.
    """

    def __init__(self, optimizer, momentum: float = 0.9, name: str = "nesterov_momentum", **_):
        """Takes the optimizer, or its configuration in a saved model."""
        super().__init__(learning_rate=0.0, name=name)
        if isinstance(optimizer, dict):  # from a saved model
            optimizer = keras.saving.deserialize_keras_object(optimizer)
        self.optimizer, self.momentum = optimizer, momentum

    def build(self, variables):
        """Creates the velocities, and the variables of the other optimizer."""
        if self.built:
            return
        super().build(variables)
        self.optimizer.build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    @property
    def variables(self):
        """The variables of both optimizers."""
        return [*super().variables, *self.optimizer.variables]

    def apply(self, grads, trainable_variables=None):
        """Updates all variables."""
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        self.build(variables)
        before = [keras.ops.copy(variable) for variable in variables]
        self.optimizer.apply(grads, trainable_variables)
        for variable, start, velocity in zip(variables, before, self.velocities, strict=True):
            step = variable - start
            self.assign(velocity, self.momentum * velocity + step)
            self.assign(variable, start + self.momentum * velocity + step)
        self.assign_add(self._iterations, 1)

    def get_config(self):
        """Returns what a saved model stores of this optimizer."""
        optimizer = keras.saving.serialize_keras_object(self.optimizer)
        return {"name": self.name, "optimizer": optimizer, "momentum": self.momentum}


OPTIMIZER_CLASSES = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adadelta": keras.optimizers.Adadelta,
    "adagrad": keras.optimizers.Adagrad,
    "muon": keras.optimizers.Muon,
}

MUON = {"adam_lr_ratio": 0.1, "ns_steps": 3, "weight_decay": 0.0, "adam_weight_decay": 0.0}
"""Muon's settings: Adam optimizes what is no matrix, at a tenth of the learning rate and without weight decay. Three
steps of the Newton-Schulz iteration train as well as Keras' five and take less time."""


def optimizer(spec: ModelSpec, n_events: int, batch_size: int, epochs: int) -> keras.optimizers.Optimizer:
    """Returns a new optimizer, whose schedules advance at every step.

    Args:
        spec: the model, with its optimizer's name, learning rate, momentum, schedule and weight decay.
        n_events: the number of training events.
        batch_size: events per step.
        epochs: the number of passes over the events, over which a cosine falls to zero.
    """
    steps_per_epoch = -(-n_events // batch_size)
    cls = OPTIMIZER_CLASSES[spec.optimizer]
    rate = spec.learning_rate or cls().get_config()["learning_rate"]
    if spec.schedule == "cosine":
        n_rising = round(spec.warm_up * epochs * steps_per_epoch)
        warm_up = {"warmup_target": rate, "warmup_steps": n_rising} if n_rising else {}
        n_falling = epochs * steps_per_epoch - n_rising
        rate = keras.optimizers.schedules.CosineDecay(0.0 if n_rising else rate, n_falling, **warm_up)
    elif spec.schedule == "exponential":
        rate = ExponentialDecay(rate, spec.decay ** (1 / steps_per_epoch))
    decay = {"weight_decay": spec.weight_decay} if spec.weight_decay else {}
    if spec.final_momentum:
        ramp = LinearRamp(spec.momentum, spec.final_momentum, spec.momentum_epochs * steps_per_epoch)
        return MomentumSGD(rate, ramp, **decay)
    settings = MUON if spec.optimizer == "muon" else {"momentum": spec.momentum} if spec.momentum else {}
    return cls(rate, **(settings | decay))

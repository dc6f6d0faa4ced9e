"""Training steps inside JAX programs: a scan over the batches, by Keras' stateless scope.

XLA compiles every step. JAX's programs take all variables and return their new values, where TensorFlow's graphs change
them in place; that is the whole difference between the two engines.
"""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from higgs_lib.data import Sample

log = logging.getLogger(__name__)

State = tuple[list, list, list]
"""The values of the trainable variables, of the model's other variables, and of the optimizer's."""


def gpu() -> jax.Device | None:
    """Returns the GPU that JAX computes on; None: the processor."""
    device = jnp.empty(0).device
    return device if device.platform == "gpu" else None


def use_processor() -> None:
    """Leaves the machine's GPUs alone; it has to be called before anything is computed."""
    jax.config.update("jax_platforms", "cpu")


def use_threads(cores: int) -> None:
    """Limits JAX to so many threads; it has to be called before anything is computed."""
    os.environ["NPROC"] = str(cores)  # what XLA takes for the number of cores


def prefers_xla(model, batch_size: int, n_steps: float = math.inf) -> bool:
    """Tells whether XLA compiles the steps: JAX has no other way."""
    return True


def scores(model: keras.Model, features: np.ndarray) -> np.ndarray:
    """Returns what the model gives for features (n, n_features), by one program for each number of events."""
    return model.predict_on_batch(features)


class _DeviceSample(NamedTuple):
    """A sample in the memory of a device."""

    features: jax.Array
    labels: jax.Array

    def take(self, rows: np.ndarray) -> Sample:
        """Returns the events of these rows (n,), as arrays on the device."""
        return Sample(*_take(self, rows.astype(np.int32)))


@jax.jit
def _take(arrays: tuple, rows) -> tuple:
    """Returns these rows (n,) of each array."""
    return tuple(jnp.take(array, rows, axis=0) for array in arrays)


def keep_on_device(events: Sample, device: jax.Device) -> _DeviceSample | Sample:
    """Copies the events to the device if its memory holds them twice, as the steps need memory too."""
    memory, n_bytes = device.memory_stats(), events.features.nbytes + events.labels.nbytes
    if memory and 2 * n_bytes > memory["bytes_limit"] - memory["bytes_in_use"]:
        log.info("%d events do not fit in the memory of %s; they are copied block by block", events.n_events, device)
        return events
    return _DeviceSample(*_copy(events, device))


def take_to_device(events: _DeviceSample | Sample, rows: np.ndarray, device: jax.Device) -> Sample:
    """Returns the events of these rows (n,), as arrays on the device."""
    return Sample(*_copy(events.take(rows), device))


def _copy(events: tuple, device: jax.Device) -> tuple:
    """Returns copies of arrays on a device.

    They stay uncommitted: weights computed from committed copies would be committed too, and the steps compiled twice.
    """
    with jax.default_device(device):
        return tuple(map(jnp.asarray, events))


class Steps:
    """The steps of one training."""

    def __init__(self, model, optimizer, loss, jit_compile: bool, world_size: int = 1):
        """Prepares the steps.

        Args:
            model: the Keras model.
            optimizer: its optimizer.
            loss: the loss.
            jit_compile: whether XLA compiles the steps, which it does in any case.
            world_size: the number of processes that train together.
        """
        self.model, self.optimizer, self.loss, self.world_size = model, optimizer, loss, world_size
        self._scan = jax.jit(self._batches, static_argnums=3)
        programs = self._gradient_vector, self._updated_gradient_vector, self._updated
        self._first, self._next, self._last = (jax.jit(program, donate_argnums=0) for program in programs)
        self._state: State | None = None

    def _variables(self) -> tuple[list, list, list]:
        """Returns Keras' variables in the order of a `State`."""
        return self.model.trainable_variables, self.model.non_trainable_variables, self.optimizer.variables

    def _values(self) -> State:
        """Returns the values of Keras' variables."""
        return tuple([variable.value for variable in part] for part in self._variables())

    def _assign(self, state: State) -> None:
        """Assigns a state to Keras' variables."""
        for variables, values in zip(self._variables(), state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def _objective(self, trainable: list, others: list, features, labels, weight=1.0):
        """Returns this rank's part of the objective, the model's other variables and the scores (n,)."""
        variables, held, _ = self._variables()
        values = [*zip(variables, trainable, strict=True), *zip(held, others, strict=True)]
        with keras.StatelessScope(values, collect_losses=True) as scope:
            scores = jnp.squeeze(self.model(features, training=True), -1)
            losses = self.model.losses
        others = [scope.get_current_value(variable) for variable in held]
        objective = weight * self.loss(labels, scores) + sum(losses) / self.world_size
        return objective.astype("float32"), (others, scores.astype("float32"))

    def step(self, state: State, batch: tuple) -> tuple[State, jax.Array]:
        """Returns the state after a step on features (n, n_features) and labels (n,), and the scores (n,)."""
        trainable, others, slots = state
        gradients, (others, scores) = jax.grad(self._objective, has_aux=True)(trainable, others, *batch)
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, others, slots), scores

    def _batches(self, state: State, features, labels, size: int) -> tuple[State, jax.Array]:
        """Returns the state after a step on each batch of `size` events, and all scores (n,)."""
        batches = features.reshape(-1, size, features.shape[1]), labels.reshape(-1, size)
        state, scores = jax.lax.scan(self.step, state, batches)
        return state, scores.ravel()

    def program(self, events: Sample) -> str:
        """Returns the XLA program of one step on these events, as text."""
        return jax.jit(self.step).lower(self._values(), tuple(events)).compile().as_text()

    def train(self, events: Sample, size: int) -> np.ndarray:
        """Makes all steps on batches of `size` events in one program; returns the scores (n,)."""
        state, scores = self._scan(self._values(), *events, size)
        self._assign(state)
        return np.asarray(scores)

    def train_rest(self, events: Sample) -> np.ndarray:
        """Makes a step on the events that an epoch leaves over; returns the scores (n,)."""
        return self.train(events, events.n_events)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Takes the values of Keras' variables for the steps of a process group, and assigns those after the steps."""
        self._state = jax.tree.map(jnp.copy, self._values())  # the steps reuse this memory
        yield
        self._assign(self._state)

    def _gradient_vector(self, state: State, features, labels, weight) -> tuple[State, jax.Array, jax.Array]:
        """Returns the state, gradients and objective as one vector, and the scores (n,)."""
        trainable, others, slots = state
        value_and_gradient = jax.value_and_grad(self._objective, has_aux=True)
        (objective, (others, scores)), gradients = value_and_gradient(trainable, others, features, labels, weight)
        vector = jnp.concatenate([*(g.astype("float32").ravel() for g in gradients), objective[None]])
        return (trainable, others, slots), vector, scores

    def _updated(self, state: State, total) -> State:
        """Returns the state after the summed vector is applied."""
        trainable, others, slots = state
        parts = jnp.split(total, np.cumsum([value.size for value in trainable]))[:-1]
        gradients = [p.reshape(v.shape).astype(v.dtype) for p, v in zip(parts, trainable, strict=True)]
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
        return trainable, others, slots

    def _updated_gradient_vector(self, state: State, total, *batch) -> tuple[State, jax.Array, jax.Array]:
        """Returns the same as `_gradient_vector`, with the weights after the summed vector is applied."""
        return self._gradient_vector(self._updated(state, total), *batch)

    def gradients(self, total: np.ndarray | None, events: Sample, weight: np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Changes the weights by the sum of the last step, and computes the gradients of the next.

        Args:
            total: the sum (k + 1,) of the vectors of all ranks in the last step; None before the first.
            events: this rank's part of the next batch.
            weight: its fraction of the batch, so that the sum over the ranks is the gradient of the whole batch.

        Returns:
            The gradients and, as last element, the objective (k + 1,), and the scores (n,).
        """
        if total is None:
            self._state, vector, scores = self._first(self._state, *events, weight)
        else:
            self._state, vector, scores = self._next(self._state, total, *events, weight)
        return np.asarray(vector), np.asarray(scores)

    def update(self, total: np.ndarray) -> None:
        """Changes the weights by the sum (k + 1,) of the vectors of all ranks in the last step."""
        self._state = self._last(self._state, total)

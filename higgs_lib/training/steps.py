"""Training steps of a single process, in one compiled program, or of a group that sums its gradients.

Keras' backend chooses the engine that compiles them: `tensorflow_engine` or `jax_engine`, modules with equal functions.
"""

import math
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import NamedTuple

import keras
import numpy as np

from higgs_lib import device
from higgs_lib.data import Sample
from higgs_lib.training.batching import Block
from higgs_lib.training.collectives import ProcessGroup
from higgs_lib.training.config import TrainConfig


class StepResults(NamedTuple):
    """The results of some steps in one process."""

    scores: np.ndarray
    """The scores (n,) of the process' events, each with the weights before its step."""
    losses: np.ndarray
    """The mean over the whole batch of each step (n_steps,), with regularisation; empty for a single process."""
    all_reduce: np.ndarray
    """The seconds of each gradient all-reduce (n_steps,), including waiting; empty for a single process."""


TrainBlock = Callable[[Sample, Block, int], StepResults]
"""A function that trains on the events of a block in their order, given the block and the batch size over all ranks."""


def engine() -> ModuleType:
    """Returns the module that makes training steps on Keras' backend.

    Raises:
        ValueError: there is none for this backend.
        DeviceError: Keras is set to another precision.
    """
    device.check_precision()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from higgs_lib.training import tensorflow_engine as module
    elif backend == "jax":
        from higgs_lib.training import jax_engine as module
    else:
        raise ValueError(
            f"training.fit needs Keras on TensorFlow or JAX, not on {backend}: set KERAS_BACKEND to tensorflow or jax "
            "before Keras is imported, or train with model.fit"
        )
    return module


def has_gpu() -> bool:
    """Tells whether the steps are computed on a GPU."""
    return engine().gpu() is not None


def uses_xla(
    jit_compile: bool | None, model: keras.Model, config: TrainConfig, n_events: int, world_size: int = 1
) -> bool:
    """Tells whether XLA compiles the steps of a training.

    Args:
        jit_compile: whether it shall; None: where the training is expected to be faster.
        model: the Keras model.
        config: number of epochs and batch size.
        n_events: the training events of all processes together.
        world_size: the number of processes among which a batch is divided.
    """
    if jit_compile is not None:
        return jit_compile
    n_steps = config.epochs * math.ceil(n_events / config.batch_size)
    return engine().prefers_xla(model, config.batch_size // world_size, n_steps)


def bytes_sent(model, group: ProcessGroup, precision: str) -> float:
    """Returns the bytes that each rank sends per step in a ring all-reduce (Patarasuk and Yuan 2009)."""
    values = 1 + sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)  # 1: the objective
    return 2 * (group.shard.world_size - 1) / group.shard.world_size * values * np.dtype(precision).itemsize


def make_train_block(model, optimizer, loss, jit_compile: bool, group: ProcessGroup, precision: str) -> TrainBlock:
    """Returns a function that trains on a block of batches.

    Args:
        model: the Keras model, updated in place.
        optimizer: its optimizer.
        loss: the loss.
        jit_compile: whether XLA compiles the steps.
        group: the processes that train together.
        precision: the type in which the group sends gradients.

    Returns:
        The function.
    """
    optimizer.build(model.trainable_variables)
    steps = engine().Steps(model, optimizer, loss, jit_compile, group.shard.world_size)
    if group.shard.world_size == 1:
        return _make_single_process_block(steps, group)
    return _make_process_group_block(steps, group, precision)


def _make_single_process_block(steps, group: ProcessGroup) -> TrainBlock:
    """Returns a function that trains the whole batches of a block in one program and a smaller batch in another."""

    def train_block(events: Sample, block: Block, batch_size: int) -> StepResults:
        n_whole, empty = block.whole.size, np.empty(0, np.float32)
        scores = [steps.train(events.slice(0, n_whole), batch_size)] if n_whole else []
        scores += [steps.train_rest(events.slice(n_whole))] if block.n_rest else []
        group.on_steps_end()
        return StepResults(np.concatenate(scores), empty, empty)

    return train_block


def _make_process_group_block(steps, group: ProcessGroup, precision: str) -> TrainBlock:
    """Returns a function that trains this rank's part of a block, with a gradient all-reduce at every step."""
    padding = None

    def train_block(events: Sample, block: Block, batch_size: int) -> StepResults:
        nonlocal padding
        padding = events.slice(0, 1) if events.n_events else padding  # the first block has events of every rank
        total, results = None, []
        with steps.running():
            for part, weight in _parts_of_batches(events, block, batch_size, padding):
                vector, scores = steps.gradients(total, part, weight)
                start = time.perf_counter()
                total = group.all_reduce_sum(vector, precision)
                results.append((scores, total[-1], time.perf_counter() - start))
                group.on_steps_end()
            steps.update(total)
        scores, losses, seconds = zip(*results, strict=True)
        return StepResults(np.concatenate(scores)[: events.n_events], np.array(losses), np.array(seconds))

    return train_block


def _parts_of_batches(
    events: Sample, block: Block, batch_size: int, padding: Sample
) -> Iterator[tuple[Sample, np.float32]]:
    """Yields this rank's part of each batch and its fraction of the batch.

    All ranks have to join each all-reduce, so a rank without events in the last batch takes `padding` with weight 0: a
    real event, as layers need not be finite for others, and 0 times infinity is no number.
    """
    n_batches, size = block.whole.shape
    for number in range(n_batches):
        yield events.slice(number * size, (number + 1) * size), np.float32(size / batch_size)
    if len(block.rest):
        yield events.slice(block.whole.size), np.float32(len(block.rest) / block.n_rest)
    elif block.n_rest:
        yield padding, np.float32(0)

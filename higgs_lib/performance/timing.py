"""Times contenders in turn: epochs of the library's loop and of Keras', and the limits of the device.

Importing this module loads neither Keras nor TensorFlow.
"""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from higgs_lib.data import Sample

if TYPE_CHECKING:
    import keras

Name = TypeVar("Name")
Result = TypeVar("Result")

MATRIX_SIZE = 2304  # no power of two, as rows 4096 apart compete for the same lines of a processor's caches
GPU_MATRIX_SIZE = 4096  # enough work for all of a GPU's cores
ARRAY_SIZE = 8192  # rows and columns: 256 MB, larger than the caches


class Rate(NamedTuple):
    """An amount per second, over several timings."""

    median: float
    low: float
    high: float


def rate(amount: float, seconds: list[float]) -> Rate:
    """Returns the rate of `amount` (events, operations) done in each of these times."""
    rates = amount / np.asarray(seconds)
    return Rate(float(np.median(rates)), float(rates.min()), float(rates.max()))


def timed(run: Callable[[], object]) -> Callable[[], float]:
    """Returns a function that calls `run` and returns the seconds that it took."""

    def seconds() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return seconds


def in_turn(
    runs: Mapping[Name, Callable[[], Result]], repeats: int, *, warm_up: bool = True
) -> dict[Name, list[Result]]:
    """Calls contenders in turn, so that a slow minute of the machine affects all of them alike.

    Args:
        runs: the contenders, by name; `timed` turns a function into one that returns seconds.
        repeats: calls of each contender that count.
        warm_up: whether each contender is called once before, for compilation.

    Returns:
        What every contender returned in each turn.
    """
    if warm_up:
        for run in runs.values():
            run()
    results = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            results[name].append(run())
    return results


def library_epoch(
    model: "keras.Model",
    optimizer: "keras.optimizers.Optimizer",
    sample: Sample,
    batch_size: int,
    *,
    jit_compile: bool | None = None,
) -> Callable[[], None]:
    """Returns a function that trains one epoch as `training.fit` does, shuffling included, without its measures.

    Args:
        model: the Keras model.
        optimizer: its optimizer.
        sample: the training events.
        batch_size: events per step.
        jit_compile: whether XLA compiles the steps; None: by batch size and device.
    """
    import keras

    from higgs_lib.training.loop import Trainer

    loss = keras.losses.BinaryCrossentropy()
    trainer = Trainer(model, optimizer, loss, sample, batch_size, seed=1, jit_compile=jit_compile)
    return lambda: trainer.train_epoch(1) and None


def keras_epoch(
    model: "keras.Model", optimizer: "keras.optimizers.Optimizer", sample: Sample, batch_size: int
) -> Callable[[], None]:
    """Returns a function that trains one epoch by `model.fit`, as Keras' documentation shows it.

    Args:
        model: the Keras model, compiled here.
        optimizer: its optimizer.
        sample: the training events.
        batch_size: events per step.
    """
    model.compile(optimizer, "binary_crossentropy")
    return lambda: model.fit(*sample, batch_size=batch_size, verbose=0) and None


def matrix_peak(repeats: int) -> float:
    """Returns the float32 peak: operations/s in products of large matrices, the highest of `repeats` timings.

    It works with every Keras backend, on the device that Keras computes on.
    """
    import keras

    from higgs_lib.training.steps import has_gpu

    size = GPU_MATRIX_SIZE if has_gpu() else MATRIX_SIZE
    matrix = _constant_matrix(size)
    return 2 * size**3 / _shortest_call(lambda result: keras.ops.matmul(result, matrix), matrix, repeats)


def memory_bandwidth(repeats: int) -> float:
    """Returns the bytes/s of reading one array larger than the caches and writing another, with its allocation."""
    import keras

    return 2 * 4 * ARRAY_SIZE**2 / _shortest_call(keras.ops.negative, _constant_matrix(ARRAY_SIZE), repeats)


def _constant_matrix(size: int):
    """Returns a float32 matrix (size, size) whose powers stay finite."""
    import keras

    return keras.ops.convert_to_tensor(np.full((size, size), 1 / size, np.float32))


def _shortest_call(function: Callable, array, repeats: int) -> float:
    """Returns the shortest time of a call that makes an array of the same shape, s.

    A timing is one of many calls, each on the result of the one before, so that the wait for the last result is short
    in comparison.
    """
    import keras

    def once(n_calls: int) -> float:
        start, result = time.perf_counter(), array
        for _ in range(n_calls):
            result = function(result)
        keras.ops.convert_to_numpy(result[:1, :1])
        return (time.perf_counter() - start) / n_calls

    once(1)
    n_calls = int(np.clip(0.2 / once(3), 1, 300))
    return min(once(n_calls) for _ in range(repeats))

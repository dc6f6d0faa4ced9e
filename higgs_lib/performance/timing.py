"""How fast a net trains here, beside Keras' own loop and beside what the processor can multiply."""

import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from higgs_lib.data import Sample
from higgs_lib.training.loop import Trainer

MATRIX_SIZE = 2048  # its 50 MB are beyond the caches, its products near a processor's peak


class Rate(NamedTuple):
    """How much is done in a second: the median of the repeats, and their range."""

    median: float
    low: float
    high: float


def rate(amount: float, seconds: list[float]) -> Rate:
    """Of `amount` (events, operations) done in each of these times."""
    rates = amount / np.asarray(seconds)
    return Rate(float(np.median(rates)), float(rates.min()), float(rates.max()))


def in_turn(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every repeat of each run, in turn, so that a slow minute of the machine meets all of them.

    Each is run once before, untimed.
    """
    for run in runs.values():
        run()
    seconds = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def library_epoch(model, optimizer, sample: Sample, batch_size: int) -> Callable[[], None]:
    """Returns a function that trains one epoch as `training.fit` does, shuffling included, without its measures.

    Args:
        model: the Keras model.
        optimizer: its optimizer.
        sample: the training events.
        batch_size: events per step.
    """
    trainer = Trainer(model, optimizer, keras.losses.BinaryCrossentropy(), sample, batch_size, seed=1)
    return lambda: trainer.train_epoch(1) and None


def keras_epoch(model, optimizer, sample: Sample, batch_size: int) -> Callable[[], None]:
    """`model.fit` for an epoch, as Keras' documentation shows it."""
    model.compile(optimizer, "binary_crossentropy")
    return lambda: model.fit(*sample, batch_size=batch_size, verbose=0) and None


def matrix_products() -> dict[str, Callable[[], object]]:
    """A product of two square float32 matrices of `MATRIX_SIZE`, by numpy's library and by TensorFlow's."""
    matrix = np.random.default_rng(1).standard_normal((MATRIX_SIZE, MATRIX_SIZE), np.float32)
    result, tensor = np.empty_like(matrix), tf.constant(matrix)
    return {
        "numpy": lambda: np.matmul(matrix, matrix, out=result),
        "TensorFlow": lambda: tf.matmul(tensor, tensor).numpy(),
    }


def matrix_peak(repeats: int) -> Rate:
    """Operations a second in float32 matrix products here: of the library that is faster."""
    seconds = in_turn(matrix_products(), repeats)
    return max(rate(2 * MATRIX_SIZE**3, taken) for taken in seconds.values())

"""Cost of a training step: a constant part and a part per event, beside what the device would allow."""

from typing import NamedTuple

import numpy as np

from higgs_lib.metrics import Interval
from higgs_lib.models import ModelSpec
from higgs_lib.performance.curve_fit import Law, Timings, maximum_likelihood


class StepCost(NamedTuple):
    """The fitted line t = a + b * batch size."""

    launch: Interval
    """a: s/step whatever the batch size, for kernel launches and the update of the weights"""
    event: Interval
    """b: s/event"""
    deviation: float
    """Largest relative deviation of a measured median from the line"""

    def seconds(self, batch_size: float | np.ndarray) -> float | np.ndarray:
        """Returns the seconds of a step; a number or an array of batch sizes."""
        return self.launch.value + self.event.value * batch_size

    @property
    def break_even(self) -> float:
        """Batch size for which both parts take as long; launches limit smaller batches."""
        return self.launch.value / self.event.value


STEP = Law("step", ("a", "b"), ("s", "s"), (0, 0), (np.inf, np.inf), lambda size, a, b: a + b * size)


def fit(batch_sizes: np.ndarray, seconds: list[list[float]]) -> StepCost:
    """Fits the line to the medians of the seconds of a step (k, repeats) at each batch size (k,).

    Intervals are those of the profile likelihood for relative scatter about the line, so they include how far the
    medians are from any line; they are nan for two batch sizes. Raises ValueError for fewer.
    """
    sizes = np.asarray(batch_sizes, float)
    medians = np.array([np.median(repeats) for repeats in seconds])
    if len(sizes) < 2:
        raise ValueError("launches and arithmetic need two batch sizes or more: time a small one and a large one")
    start = np.array([medians.min() / 2, (medians / sizes).min()])
    line = maximum_likelihood(STEP, Timings(sizes, medians), start)  # batch sizes in place of workers
    launch, event = (  # an end at the bound, 0, is there but for rounding
        Interval(*(0.0 if end < 1e-9 * interval.value else float(end) for end in interval))
        for interval in line.intervals().values()
    )
    return StepCost(launch, event, float(np.abs(line.predict(sizes) / medians - 1).max()))


OPTIMIZER_SLOTS = {"sgd": 0, "adam": 2, "adamax": 2, "adadelta": 2, "adagrad": 1}
"""Numbers that an optimizer keeps for each weight."""


def bytes_moved(spec: ModelSpec, n_features: int, batch_size: float | np.ndarray) -> float | np.ndarray:
    """Returns the bytes (float32) that a step reads and writes if no operation shares its data: an upper estimate.

    A weight is read forward and backward, its gradient written and read, and it and its optimizer slots read and
    written. A unit's output is written, and read by the next layer and by the gradients of weights and activation; so
    is its gradient. Batch sizes are a number or an array.
    """
    weights = spec.n_parameters(n_features) * (6 + 2 * OPTIMIZER_SLOTS[spec.optimizer])
    return 4 * (weights + np.asarray(batch_size) * (2 * n_features + 8 * sum(spec.layers)))


def arithmetic_intensity(spec: ModelSpec, n_features: int, batch_size: float | np.ndarray) -> float | np.ndarray:
    """Returns a step's operations per byte.

    S. Williams, A. Waterman, D. Patterson, Communications of the ACM 52 (2009) 65.
    """
    return np.asarray(batch_size) * spec.operations(n_features) / bytes_moved(spec, n_features, batch_size)


def roofline(operations_per_byte: float | np.ndarray, peak: float, bandwidth: float) -> float | np.ndarray:
    """Returns the operations/s that a device allows: the lower of its peak and what its memory supplies."""
    return np.minimum(peak, np.asarray(operations_per_byte) * bandwidth)


def limiting_part(batch_size: float, break_even: list[float]) -> str:
    """Returns "launches" or "arithmetic", whichever limits a step for all break-even batch sizes; "either" if mixed."""
    if batch_size < min(break_even):
        return "launches"
    return "arithmetic" if batch_size > max(break_even) else "either"

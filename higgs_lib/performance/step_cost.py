"""What a training step costs: so much whatever its size, so much an event; and what a device would allow."""

from typing import NamedTuple

import numpy as np

from higgs_lib.metrics import Interval
from higgs_lib.models import ModelSpec
from higgs_lib.performance.curve_fit import Law, maximum_likelihood
from higgs_lib.performance.scaling import Timings


class StepCost(NamedTuple):
    """t = a + b batch, as fitted."""

    launch: Interval
    """a: s a step whatever its size; the start of its operations, and what they do to the weights"""
    event: Interval
    """b: s an event"""
    deviation: float
    """Of the measured medians from the line, relative: the largest."""

    def seconds(self, batch_size):
        """Of a step; numbers or arrays."""
        return self.launch.value + self.event.value * batch_size

    @property
    def even(self) -> float:
        """Events a batch for which both parts take as long: below, a step is bound by its launches."""
        return self.launch.value / self.event.value


STEP = Law("step", ("a", "b"), ("s", "s"), (0, 0), (np.inf, np.inf), lambda size, a, b: a + b * size)


def fit(batch_sizes: np.ndarray, seconds: list[list[float]]) -> StepCost:
    """Of the seconds of a step (k, repeats) at each batch size (k,), by their medians.

    Intervals are of the profile of the likelihood, for relative scatter about the line: so they hold how far the
    medians lie from a line at all, and are nan for two batch sizes, which any line passes through. ValueError for
    fewer.
    """
    sizes = np.asarray(batch_sizes, float)
    medians = np.array([np.median(of_size) for of_size in seconds])
    if len(sizes) < 2:
        raise ValueError("launches and arithmetic need two batch sizes or more: time a small one and a large one")
    timings = Timings(sizes, medians)  # batch sizes in place of workers
    start = np.array([medians.min() / 2, (medians / sizes).min()])
    found = maximum_likelihood(STEP, timings, start)
    launch, event = (_without_rounding(part) for part in found.intervals().values())
    return StepCost(launch, event, float(np.abs(found.predict(sizes) / medians - 1).max()))


def _without_rounding(interval: Interval) -> Interval:
    """An end at the bound, 0, is there but for rounding."""
    return Interval(*(0.0 if end < 1e-9 * interval.value else float(end) for end in interval))


SLOTS = {"sgd": 0, "adam": 2, "adamax": 2, "adadelta": 2, "adagrad": 1}
"""Numbers that an optimizer keeps for each weight."""


def bytes_moved(spec: ModelSpec, n_features: int, batch_size):
    """Bytes (float32) that a step reads and writes if no two operations share what they read: an estimate from above.

    A weight is read forward and backward, its gradient written and read, and it and its optimizer's numbers read and
    written. A unit's output is written, and read by the next layer, by the gradients of the weights and of the
    activation; so is its gradient. Numbers or arrays of batch sizes.
    """
    weights = spec.n_parameters(n_features) * (6 + 2 * SLOTS[spec.optimizer])
    return 4 * (weights + np.asarray(batch_size) * (2 * n_features + 8 * sum(spec.layers)))


def intensity(spec: ModelSpec, n_features: int, batch_size):
    """Operations a byte of a step. S. Williams, A. Waterman, D. Patterson, Communications of the ACM 52 (2009) 65."""
    return np.asarray(batch_size) * spec.operations(n_features) / bytes_moved(spec, n_features, batch_size)


def roofline(operations_per_byte, peak: float, bandwidth: float):
    """Operations a second that a device allows at this intensity: the lesser of its peak and what its memory feeds."""
    return np.minimum(peak, np.asarray(operations_per_byte) * bandwidth)


def verdict(batch_size: float, even: list[float]) -> str:
    """What bounds steps of this size, where launches and arithmetic are even at each of these batch sizes."""
    if batch_size < min(even):
        return "by launches"
    return "by arithmetic" if batch_size > max(even) else "by one or the other"

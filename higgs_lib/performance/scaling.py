"""Speed-up and efficiency of synchronous data-parallel training, measured. Every interval is one of 95 %."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.metrics import Interval

LEVEL = 0.95


class Timings(NamedTuple):
    """Measured epochs without the first of each training, which also compiles; a repeat is one entry.

    Repeats are taken to be independent: epochs of one training share its conditions, so several trainings are better.
    """

    workers: np.ndarray
    """(n,) number of workers"""
    seconds: np.ndarray
    """(n,) s an epoch"""

    def check(self) -> None:
        """ValueError where they are not timings."""
        if len(self.workers) != len(self.seconds) or not len(self.workers):
            raise ValueError(f"{len(self.workers)} numbers of workers for {len(self.seconds)} timings: one each")
        if not (np.all(np.isfinite(self.seconds)) and np.min(self.seconds) > 0 and np.min(self.workers) >= 1):
            raise ValueError("timings must be finite and above 0 s, with at least one worker: leave out failed epochs")


class Summary(NamedTuple):
    """Seconds and speed-up for each number of workers, measured or predicted; every field has the workers' length."""

    workers: np.ndarray
    """(k,) numbers of workers, increasing"""
    seconds: list[Interval]
    """s an epoch"""
    speed_up: list[Interval]
    """Seconds with the fewest workers over those with this many."""
    efficiency: list[Interval]
    """Speed-up over the ratio of the numbers of workers: 1 is ideal."""
    gain_per_node: list[Interval]
    """Relative gain of speed by each worker added since the number before, 0.3 for 30 %; nan for the fewest workers.

    Where several were added at once, their geometric mean.
    """

    @classmethod
    def of(cls, workers: np.ndarray, seconds: list[Interval], ratio: Callable[[int, int], Interval]) -> "Summary":
        """`ratio` gives the seconds at one place of `workers` over those at another."""
        speed_up = [ratio(0, i) for i in range(len(workers))]
        efficiency = [
            _mapped(lambda v, ideal=ideal: v / ideal, ratio)
            for ideal, ratio in zip(workers / workers[0], speed_up, strict=True)
        ]
        gains = [
            _mapped(lambda v, added=added: v ** (1 / added) - 1, ratio(i, i + 1))
            for i, added in enumerate(np.diff(workers))
        ]
        return cls(workers, seconds, speed_up, efficiency, [Interval(np.nan, np.nan, np.nan), *gains])

    @property
    def relative_seconds(self) -> list[Interval]:
        """Seconds over those with the fewest workers."""
        return [Interval(1 / ratio.value, 1 / ratio.high, 1 / ratio.low) for ratio in self.speed_up]


def _mapped(rising: Callable[[float], float], interval: Interval) -> Interval:
    return Interval(*(float(rising(value)) for value in interval))


def summary(timings: Timings) -> Summary:
    """Means over repeats with Student's interval, which is nan for a single repeat; ValueError for unusable timings.

    Ratios of means: their logarithm by the delta method, with the degrees of freedom of B. Welch, Biometrika 34 (1947)
    28.
    """
    timings.check()
    samples = [timings.seconds[timings.workers == n] for n in np.unique(timings.workers)]

    def ratio(i: int, j: int) -> Interval:
        return _ratio_of_means(samples[i], samples[j]) if i != j else Interval(1.0, 1.0, 1.0)

    return Summary.of(np.unique(timings.workers), [_mean(sample) for sample in samples], ratio)


def _mean(sample: np.ndarray) -> Interval:
    mean, error = float(sample.mean()), _standard_error(sample)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, len(sample) - 1) * error)
    return Interval(mean, mean - half, mean + half)


def _standard_error(sample: np.ndarray) -> float:
    return float(stats.sem(sample)) if len(sample) > 1 else np.nan


def _ratio_of_means(first: np.ndarray, second: np.ndarray) -> Interval:
    ratio = first.mean() / second.mean()
    variances = np.array([(_standard_error(sample) / sample.mean()) ** 2 for sample in (first, second)])
    degrees = np.array([len(first) - 1, len(second) - 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = variances.sum() ** 2 / np.sum(variances**2 / degrees)
    factor = np.exp(stats.t.ppf(0.5 + LEVEL / 2, welch) * np.sqrt(variances.sum()))
    return _mapped(lambda scale: ratio * scale, Interval(1.0, 1 / factor, factor))

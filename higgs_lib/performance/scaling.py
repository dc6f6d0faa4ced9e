"""Speed-up and efficiency of synchronous data-parallel training, measured and by law.

Every interval has a confidence level of 95 %.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.metrics import Interval
from higgs_lib.performance.curve_fit import LEVEL, Fit, Law, Timings, interval, maximum_likelihood


class Summary(NamedTuple):
    """Seconds and speed-up for each number of workers, measured or predicted; every field has the workers' length."""

    workers: np.ndarray
    """(k,) numbers of workers, increasing"""
    seconds: list[Interval]
    """s per epoch"""
    speed_up: list[Interval]
    """Seconds with the fewest workers over those with this many"""
    efficiency: list[Interval]
    """Speed-up over the ratio of the numbers of workers; 1 is ideal"""
    gain_per_worker: list[Interval]
    """Relative gain of speed by each worker added since the number before, 0.3 for 30 %: the geometric mean where
    several are added at once, nan for the fewest workers
    """

    @classmethod
    def from_ratios(
        cls, workers: np.ndarray, seconds: list[Interval], ratio: Callable[[int, int], Interval]
    ) -> "Summary":
        """Returns the summary; `ratio(i, j)` gives the seconds with `workers[i]` over those with `workers[j]`."""
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


def _mapped(rising: Callable[[float], float], argument: Interval) -> Interval:
    """Returns the interval of an increasing function of a value with an interval."""
    return Interval(*(float(rising(value)) for value in argument))


class Scatter(NamedTuple):
    """The relative scatter of repeated timings, pooled over configurations."""

    variance: float
    """Relative variance of a single timing; nan where nothing was repeated"""
    degrees: int
    """Degrees of freedom: timings less configurations"""

    def factor(self, relative: float) -> float:
        """Returns the relative half-width of an interval, of a value with `relative` times the standard deviation."""
        return float(stats.t.ppf(0.5 + LEVEL / 2, self.degrees) * np.sqrt(self.variance) * relative)


def pooled_scatter(series: list[Timings]) -> Scatter:
    """Returns the relative scatter of repeats, taken as the same for every series and number of workers."""
    samples = [t.seconds[t.workers == n] for t in series for n in np.unique(t.workers)]
    degrees = sum(len(sample) - 1 for sample in samples)
    squares = sum(float(np.sum((sample / sample.mean() - 1) ** 2)) for sample in samples)
    return Scatter(squares / degrees if degrees else np.nan, degrees)


def summary(timings: Timings, scatter: Scatter | None = None) -> Summary:
    """Returns means over repeats with Student's interval, which is nan where nothing was repeated.

    Ratios are those of means, with an interval of their logarithm by the delta method.

    Args:
        timings: one entry for each repeat.
        scatter: the relative scatter of a repeat; that of these timings if it is None.

    Returns:
        Seconds, speed-up, efficiency and gain for each number of workers.

    Raises:
        ValueError: the timings are invalid.
    """
    timings.check()
    scatter = scatter or pooled_scatter([timings])
    workers = np.unique(timings.workers)
    samples = [timings.seconds[timings.workers == n] for n in workers]

    def mean(sample: np.ndarray) -> Interval:
        value = float(sample.mean())
        half = value * scatter.factor(len(sample) ** -0.5)
        return Interval(value, value - half, value + half)

    def ratio(i: int, j: int) -> Interval:
        if i == j:
            return Interval(1.0, 1.0, 1.0)
        value = float(samples[i].mean() / samples[j].mean())
        factor = np.exp(scatter.factor((1 / len(samples[i]) + 1 / len(samples[j])) ** 0.5))
        return Interval(value, float(value / factor), float(value * factor))

    return Summary.from_ratios(workers, [mean(sample) for sample in samples], ratio)


def amdahl(
    workers: float | np.ndarray, seconds_of_one: float | np.ndarray, serial: float | np.ndarray
) -> float | np.ndarray:
    """Returns T1 (s + (1 - s) / n): G. Amdahl, AFIPS Conference Proceedings 30 (1967) 483."""
    return seconds_of_one * (serial + (1 - serial) / workers)


def universal_scalability(
    workers: float | np.ndarray,
    seconds_of_one: float | np.ndarray,
    contention: float | np.ndarray,
    coherency: float | np.ndarray,
) -> float | np.ndarray:
    """Returns T1 (1 + a (n - 1) + b n (n - 1)) / n.

    N. Gunther, CMG Proceedings (1993) 1035; "Guerrilla Capacity Planning" (2007), chapter 4.

    Args:
        workers: n.
        seconds_of_one: T1, s.
        contention: a.
        coherency: b.

    Returns:
        Seconds of an epoch.
    """
    return seconds_of_one * (1 + contention * (workers - 1) + coherency * workers * (workers - 1)) / workers


def latency_bandwidth(
    workers: float | np.ndarray, compute: float | np.ndarray, latency: float | np.ndarray, transfer: float | np.ndarray
) -> float | np.ndarray:
    """Returns C / n + 2 (n - 1) L + 2 (n - 1) / n V: compute divided among n workers, and a ring all-reduce.

    A message takes L + bytes / bandwidth (R. Hockney, Parallel Computing 20 (1994) 389); the ring is that of
    P. Patarasuk, X. Yuan, J. Parallel Distrib. Comput. 69 (2009) 117, section 3.

    Args:
        workers: n.
        compute: C, s of one worker.
        latency: L, s of all messages between two workers in an epoch.
        transfer: V, s to send the vectors of an epoch once.

    Returns:
        Seconds of an epoch.
    """
    return compute / workers + 2 * (workers - 1) * (latency + transfer / workers)


# The last two are one curve: a = 2 V / C and b = 2 L / C, so that timings alone prefer one of them only at a's bound.
# A constant overhead of each step looks like V; `interconnect.fit_interconnect` measures L and V by themselves.
AMDAHL = Law("Amdahl", ("T1", "s"), ("s", ""), (0, 0), (np.inf, 1), amdahl)
UNIVERSAL_SCALABILITY = Law(
    "universal scalability", ("T1", "a", "b"), ("s", "", ""), (0, 0, 0), (np.inf, 1, np.inf), universal_scalability
)
LATENCY_BANDWIDTH = Law(
    "latency and bandwidth", ("C", "L", "V"), ("s", "s", "s"), (0, 0, 0), (np.inf,) * 3, latency_bandwidth
)
LAWS = (AMDAHL, UNIVERSAL_SCALABILITY, LATENCY_BANDWIDTH)


def is_identifiable(law: Law, timings: Timings) -> bool:
    """Tells whether there are as many different numbers of workers as the law has parameters."""
    return len(np.unique(timings.workers)) >= len(law.parameters)


def fit_law(law: Law, timings: Timings) -> Fit:
    """Fits a law of this module; raises ValueError for invalid timings or fewer numbers of workers than parameters."""
    timings.check()
    if not is_identifiable(law, timings):
        workers = ", ".join(str(n) for n in np.unique(timings.workers))
        raise ValueError(
            f"{law.name} has {len(law.parameters)} parameters, but epochs were timed with {workers} workers only: "
            f"time them with {len(law.parameters)} different numbers of workers or more"
        )
    fewest = timings.workers == np.min(timings.workers)
    seconds_of_one = np.median(timings.seconds[fewest] * timings.workers[fewest])
    start = np.array([1.0, *[0.01] * (len(law.parameters) - 1)])
    return maximum_likelihood(law, timings, np.where(np.array(law.units) == "s", start * seconds_of_one, start))


def compare_laws(timings: Timings, laws: tuple[Law, ...] = LAWS) -> list[Fit]:
    """Returns fits of the identifiable laws, the lowest AICc first; laws of one curve stay in the order given."""
    fits = [fit_law(law, timings) for law in laws if is_identifiable(law, timings)]
    return sorted(fits, key=lambda fit: round(fit.aicc, 6))


def predict(fit: Fit, workers: float | np.ndarray) -> Summary:
    """Returns what a law predicts for these numbers of workers (k,), increasing, with profile-likelihood intervals."""
    workers = np.asarray(workers)

    def ratio(i: int, j: int) -> Interval:
        return interval(fit, lambda *p: fit.law.seconds(workers[i], *p) / fit.law.seconds(workers[j], *p))

    seconds = [interval(fit, lambda *p, n=n: fit.law.seconds(n, *p)) for n in workers]
    return Summary.from_ratios(workers, seconds, ratio)


def best_workers(fit: Fit, up_to: int = 1000) -> Interval:
    """Returns the number of workers of the shortest epoch with its interval; inf where more than `up_to` still help.

    The law's seconds must fall, then rise, as those of the laws of this module do.
    """

    def added_seconds(n: int) -> Interval:
        return interval(fit, lambda *p: fit.law.seconds(n + 1, *p) - fit.law.seconds(n, *p))

    def first_rise(bound: str) -> float:
        n = 1 + bisect_left(range(1, up_to + 1), True, key=lambda n: not getattr(added_seconds(n), bound) < 0)
        return float(n) if n <= up_to else np.inf

    if np.isnan(added_seconds(1).low):
        return Interval(first_rise("value"), np.nan, np.nan)
    return Interval(first_rise("value"), first_rise("high"), first_rise("low"))

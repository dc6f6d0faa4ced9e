from bisect import bisect_left

import numpy as np

from higgs_lib.metrics import Interval
from higgs_lib.performance.curve_fit import Fit, Law, interval, maximum_likelihood
from higgs_lib.performance.scaling import Summary, Timings


def amdahl(workers, seconds_of_one, serial):
    """T1 (s + (1 - s) / n). G. Amdahl, AFIPS Conference Proceedings 30 (1967) 483."""
    return seconds_of_one * (serial + (1 - serial) / workers)


def universal_scalability(workers, seconds_of_one, contention, coherency):
    """T1 (1 + a (n - 1) + b n (n - 1)) / n. N. Gunther, CMG Proceedings (1993) 1035; "Guerrilla Capacity Planning"
    (2007), chapter 4.
    """
    return seconds_of_one * (1 + contention * (workers - 1) + coherency * workers * (workers - 1)) / workers


def latency_bandwidth(workers, compute, latency, transfer):
    """C / n + 2 (n - 1) L + 2 (n - 1) / n V: compute shared by n workers, then a ring all-reduce of messages that cost
    L + bytes / bandwidth (R. Hockney, Parallel Computing 20 (1994) 389), of a vector that takes V to send once
    (P. Patarasuk, X. Yuan, J. Parallel Distrib. Comput. 69 (2009) 117, section 3).
    """
    return compute / workers + 2 * (workers - 1) * (latency + transfer / workers)


# The last two are one curve: a = 2 V / C and b = 2 L / C, so that timings alone choose between them only at a's bound.
# A constant overhead of each step is not told from V either; `fit_network` measures L and V by themselves.
AMDAHL = Law("Amdahl", ("T1", "s"), ("s", ""), (0, 0), (np.inf, 1), amdahl)
UNIVERSAL_SCALABILITY = Law(
    "universal scalability", ("T1", "a", "b"), ("s", "", ""), (0, 0, 0), (np.inf, 1, np.inf), universal_scalability
)
LATENCY_BANDWIDTH = Law(
    "latency and bandwidth", ("C", "L", "V"), ("s", "s", "s"), (0, 0, 0), (np.inf,) * 3, latency_bandwidth
)
LAWS = (AMDAHL, UNIVERSAL_SCALABILITY, LATENCY_BANDWIDTH)


def is_identifiable(law: Law, timings: Timings) -> bool:
    """Whether there are as many different numbers of workers as the law has parameters."""
    return len(np.unique(timings.workers)) >= len(law.parameters)


def fit(law: Law, timings: Timings) -> Fit:
    """The parameters of the greatest likelihood; ValueError if the timings cannot tell them."""
    timings.check()
    if not is_identifiable(law, timings):
        have = ", ".join(str(n) for n in np.unique(timings.workers))
        raise ValueError(
            f"{law.name} has {len(law.parameters)} parameters, but epochs were timed with {have} workers only: "
            f"time them with {len(law.parameters)} different numbers of workers or more"
        )
    fewest = timings.workers == np.min(timings.workers)
    seconds_of_one = np.median(timings.seconds[fewest] * timings.workers[fewest])
    start = np.array([1.0, *[0.01] * (len(law.parameters) - 1)])
    return maximum_likelihood(law, timings, np.where(np.array(law.units) == "s", start * seconds_of_one, start))


def compare(timings: Timings, laws: tuple[Law, ...] = LAWS) -> list[Fit]:
    """Fits of the laws that the timings can tell, the lowest AICc first; laws of one curve in the order given."""
    fits = [fit(law, timings) for law in laws if is_identifiable(law, timings)]
    return sorted(fits, key=lambda fit: round(fit.aicc, 6))


def predicted(fit: Fit, workers) -> Summary:
    """What a law says of these numbers of workers (k,), increasing, with the intervals of its parameters."""
    workers = np.asarray(workers)

    def ratio(i: int, j: int) -> Interval:
        return interval(fit, lambda *p: fit.law.seconds(workers[i], *p) / fit.law.seconds(workers[j], *p))

    seconds = [interval(fit, lambda *p, n=n: fit.law.seconds(n, *p)) for n in workers]
    return Summary.of(workers, seconds, ratio)


def best_workers(fit: Fit, up_to: int = 1000) -> Interval:
    """The number of workers of the shortest epoch, with its interval; inf where one more helps at `up_to` still.

    For a law whose seconds fall, then rise, as those of this module.
    """

    def first(bound: str) -> float:
        n = 1 + bisect_left(range(1, up_to + 1), True, key=lambda n: not getattr(_growth(fit, n), bound) < 0)
        return float(n) if n <= up_to else np.inf

    if np.isnan(_growth(fit, 1).low):
        return Interval(first("value"), np.nan, np.nan)
    return Interval(first("value"), first("high"), first("low"))


def _growth(fit: Fit, n: int) -> Interval:
    """Seconds that one more worker adds to the epoch of n."""
    return interval(fit, lambda *p: fit.law.seconds(n + 1, *p) - fit.law.seconds(n, *p))

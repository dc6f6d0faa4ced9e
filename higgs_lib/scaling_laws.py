"""Laws of an epoch's seconds against the number of workers, fitted to measured epochs.

Seconds are taken to scatter in proportion: log-normal errors of one relative size. Every interval is one of 95 %.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from higgs_lib.metrics import Interval
from higgs_lib.scaling import LEVEL, Summary, Timings

LEAST_SCATTER = 1e-9  # relative; below it timings count as exact


class Law(NamedTuple):
    """Seconds of an epoch or a step as a function of the number of workers."""

    name: str
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    """"s", or "" for a pure number"""
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    seconds: Callable[..., np.ndarray]
    """Of the numbers of workers (n,) and each parameter: (n,) s."""


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


class Fit(NamedTuple):
    """A law at its maximum of the likelihood."""

    law: Law
    timings: Timings
    values: np.ndarray
    """(p,) parameters, in the law's units"""
    scales: np.ndarray
    """(p,) change of each parameter that moves the likelihood noticeably: steps of the search for intervals"""
    aicc: float
    """Information criterion of N. Sugiura (1978); C. Hurvich, C.-L. Tsai, Biometrika 76 (1989) 297: less is better, on
    the same timings. The scatter counts as a parameter. inf where there are too few timings for its correction.
    """

    def predict(self, workers) -> np.ndarray:
        """Seconds (median) with these numbers of workers."""
        return self.law.seconds(np.asarray(workers), *self.values)

    def intervals(self) -> dict[str, Interval]:
        """Every parameter by its name, with the interval of its profile likelihood; see `interval`."""
        return {name: interval(self, lambda *p, k=k: p[k]) for k, name in enumerate(self.law.parameters)}


def identifiable(law: Law, timings: Timings) -> bool:
    """Whether there are as many different numbers of workers as the law has parameters."""
    return len(np.unique(timings.workers)) >= len(law.parameters)


def fit(law: Law, timings: Timings) -> Fit:
    """The parameters of the greatest likelihood; ValueError if the timings cannot tell them."""
    timings.check()
    if not identifiable(law, timings):
        have = ", ".join(str(n) for n in np.unique(timings.workers))
        raise ValueError(
            f"{law.name} has {len(law.parameters)} parameters, but epochs were timed with {have} workers only: "
            f"time them with {len(law.parameters)} different numbers of workers or more"
        )
    fewest = timings.workers == np.min(timings.workers)
    seconds_of_one = np.median(timings.seconds[fewest] * timings.workers[fewest])
    start = np.array([1.0, *[0.01] * (len(law.parameters) - 1)])
    return maximum_likelihood(law, timings, np.where(np.array(law.units) == "s", start * seconds_of_one, start))


def maximum_likelihood(law: Law, timings: Timings, start: np.ndarray) -> Fit:
    """The fit from `start` (p,), which has to lie within the bounds; `fit` chooses it for the laws of this module."""
    found = optimize.least_squares(
        lambda values: _residuals(law, timings, values),
        start, bounds=(law.lower, law.upper), x_scale=start, method="dogbox", xtol=1e-12, ftol=1e-12, gtol=1e-12,
    )  # fmt: skip
    n, free = len(timings.seconds), len(start) + 1
    deviation = np.sqrt(max(np.mean(found.fun**2), LEAST_SCATTER**2))
    minus_2_log_likelihood = n * np.log(2 * np.pi * deviation**2) + n + 2 * np.sum(np.log(timings.seconds))
    correction = 2 * free * (free + 1) / (n - free - 1) if n > free + 1 else np.inf
    scales = deviation / np.linalg.norm(found.jac, axis=0)
    return Fit(law, timings, found.x, scales, float(minus_2_log_likelihood + 2 * free + correction))


def _residuals(law: Law, timings: Timings, values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(law.seconds(timings.workers, *values) / timings.seconds, 1e-9))


def compare(timings: Timings, laws: tuple[Law, ...] = LAWS) -> list[Fit]:
    """Fits of the laws that the timings can tell, the lowest AICc first; laws of one curve in the order given."""
    fits = [fit(law, timings) for law in laws if identifiable(law, timings)]
    return sorted(fits, key=lambda fit: round(fit.aicc, 6))


def interval(fit: Fit, quantity: Callable[..., float]) -> Interval:
    """The profile-likelihood interval of a function of a law's parameters; nan where the timings do not end it.

    Its range over all parameters within the law's bounds whose sum of squares is at most 1 + t^2 / (n - p) times the
    least (D. Bates, D. Watts, "Nonlinear Regression Analysis" (1988), section 6.1): Student's t, as the scatter is
    estimated too. So it may end at a bound, and has nan for bounds without a timing to spare.
    """
    degrees = len(fit.timings.seconds) - len(fit.values)
    value = float(quantity(*fit.values))
    if degrees < 1:
        return Interval(value, np.nan, np.nan)
    excess = stats.t.ppf(0.5 + LEVEL / 2, degrees) ** 2 / degrees
    return Interval(value, *(_extreme(fit, quantity, excess, sign) for sign in (-1, 1)))


def _extreme(fit: Fit, quantity: Callable[..., float], excess: float, sign: int) -> float:
    """The largest (`sign` 1) or smallest (-1) of a quantity in the likelihood's region, in steps of `fit.scales`."""
    law, timings, best, scales = fit.law, fit.timings, fit.values, fit.scales
    least = max(np.sum(_residuals(law, timings, best) ** 2), LEAST_SCATTER**2)

    def to_spare(steps):
        return 1 - (np.sum(_residuals(law, timings, best + steps * scales) ** 2) / least - 1) / excess

    def change(steps):
        return sign * (quantity(*best) - quantity(*(best + steps * scales)))

    origin = np.zeros(len(best))
    unit = np.linalg.norm(_slope(change, origin)) or 1.0
    with np.errstate(divide="ignore", invalid="ignore"):  # a step may try 0 s
        found = optimize.minimize(
            lambda steps: change(steps) / unit,
            origin,
            jac=lambda steps: _slope(change, steps) / unit,
            method="SLSQP",
            bounds=list(zip((law.lower - best) / scales, (law.upper - best) / scales, strict=True)),
            constraints={"type": "ineq", "fun": to_spare, "jac": lambda steps: _slope(to_spare, steps)},
            options={"maxiter": 200},
        )
    return float(quantity(*best) - sign * unit * found.fun) if found.success else np.nan


def _slope(function: Callable[[np.ndarray], float], steps: np.ndarray, width: float = 1e-5) -> np.ndarray:
    here = function(steps)  # one-sided: an interval takes about half the time of SciPy's own differences
    return np.array([function(steps + side) - here for side in width * np.eye(len(steps))]) / width


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

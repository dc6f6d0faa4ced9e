"""Fits laws of seconds against the number of workers (or the batch size) to timings, by maximum likelihood.

Errors are log-normal and of one relative size. Every interval has a confidence level of 95 %.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from higgs_lib.metrics import Interval

LEVEL = 0.95

MIN_SCATTER = 1e-9  # relative; below it timings count as exact


class Timings(NamedTuple):
    """Measured epochs; a repeat is one entry.

    Entries are taken as independent. Epochs of one training share its conditions, so a training is one entry.
    """

    workers: np.ndarray
    """(n,) number of workers"""
    seconds: np.ndarray
    """(n,) s per epoch"""

    def check(self) -> None:
        """Raises ValueError for lengths that differ, times that are not positive, or fewer workers than one."""
        workers, seconds = (np.asarray(values, float) for values in self)
        if workers.ndim != 1 or workers.shape != seconds.shape or not len(workers):
            raise ValueError(f"{workers.size} numbers of workers for {seconds.size} timings: give one each")
        if not (np.isfinite([workers, seconds]).all() and seconds.min() > 0 and workers.min() >= 1):
            raise ValueError("timings must be finite and above 0 s, with at least one worker: leave out failed epochs")


class Law(NamedTuple):
    """Seconds of an epoch or a step as a function of the number of workers."""

    name: str
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    """"s", or "" for a pure number"""
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    seconds: Callable[..., np.ndarray]
    """Function of the numbers of workers (n,) and of each parameter that returns (n,) s"""


class Fit(NamedTuple):
    """A law at the maximum of its likelihood."""

    law: Law
    timings: Timings
    values: np.ndarray
    """(p,) parameters, in the law's units"""
    scales: np.ndarray
    """(p,) change of each parameter that moves the likelihood noticeably: steps of the search for intervals"""
    aicc: float
    """Corrected Akaike criterion, lower for the better of two laws of the same timings; the scatter counts as a
    parameter, and inf stands for too few timings (N. Sugiura (1978); C. Hurvich, C.-L. Tsai, Biometrika 76 (1989) 297)
    """

    def predict(self, workers: float | np.ndarray) -> np.ndarray:
        """Returns the median seconds for these numbers of workers."""
        return self.law.seconds(np.asarray(workers), *self.values)

    def intervals(self) -> dict[str, Interval]:
        """Returns every parameter by its name, with its profile-likelihood interval."""
        return {name: interval(self, lambda *p, k=k: p[k]) for k, name in enumerate(self.law.parameters)}


def maximum_likelihood(law: Law, timings: Timings, start: np.ndarray) -> Fit:
    """Fits a law to timings from `start` (p,), which must lie within the law's bounds; raises ValueError otherwise.

    It raises the errors of `Timings.check` as well.
    """
    timings.check()
    solution = optimize.least_squares(
        lambda values: _residuals(law, timings, values),
        start,
        bounds=(law.lower, law.upper),
        x_scale=start,
        method="dogbox",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    n, free = len(timings.seconds), len(start) + 1
    deviation = np.sqrt(max(np.mean(solution.fun**2), MIN_SCATTER**2))
    minus_2_log_likelihood = n * np.log(2 * np.pi * deviation**2) + n + 2 * np.sum(np.log(timings.seconds))
    correction = 2 * free * (free + 1) / (n - free - 1) if n > free + 1 else np.inf
    scales = deviation / np.linalg.norm(solution.jac, axis=0)
    return Fit(law, timings, solution.x, scales, float(minus_2_log_likelihood + 2 * free + correction))


def _residuals(law: Law, timings: Timings, values: np.ndarray) -> np.ndarray:
    """Returns the logarithms (n,) of predicted over measured seconds."""
    return np.log(np.maximum(law.seconds(timings.workers, *values) / timings.seconds, 1e-9))


def interval(fit: Fit, quantity: Callable[..., float]) -> Interval:
    """Returns the profile-likelihood interval of a function of a law's parameters.

    The interval is the range of the function over all parameters within the law's bounds whose sum of squares is at
    most 1 + t^2 / (n - p) times the minimum (D. Bates, D. Watts, "Nonlinear Regression Analysis" (1988), section 6.1),
    with Student's t, as the scatter is estimated too. It may end at a bound; ends are nan where n = p or where the
    timings do not constrain them.
    """
    degrees = len(fit.timings.seconds) - len(fit.values)
    value = float(quantity(*fit.values))
    if degrees < 1:
        return Interval(value, np.nan, np.nan)
    excess = stats.t.ppf(0.5 + LEVEL / 2, degrees) ** 2 / degrees
    return Interval(value, *(_extreme(fit, quantity, excess, sign) for sign in (-1, 1)))


def _extreme(fit: Fit, quantity: Callable[..., float], excess: float, sign: int) -> float:
    """Returns the extreme of a quantity within the likelihood region, in steps of `fit.scales`.

    Args:
        fit: the fitted law.
        quantity: function of the law's parameters.
        excess: relative increase of the sum of squares at the region's edge.
        sign: 1 for the maximum, -1 for the minimum.

    Returns:
        The extreme; nan where the search fails.
    """
    law, timings, best, scales = fit.law, fit.timings, fit.values, fit.scales
    minimum = max(np.sum(_residuals(law, timings, best) ** 2), MIN_SCATTER**2)

    def margin(steps):
        return 1 - (np.sum(_residuals(law, timings, best + steps * scales) ** 2) / minimum - 1) / excess

    def change(steps):
        return sign * (quantity(*best) - quantity(*(best + steps * scales)))

    origin = np.zeros(len(best))
    unit = np.linalg.norm(_gradient(change, origin)) or 1.0
    with np.errstate(divide="ignore", invalid="ignore"):  # a step may try 0 s
        solution = optimize.minimize(
            lambda steps: change(steps) / unit,
            origin,
            jac=lambda steps: _gradient(change, steps) / unit,
            method="SLSQP",
            bounds=list(zip((law.lower - best) / scales, (law.upper - best) / scales, strict=True)),
            constraints={"type": "ineq", "fun": margin, "jac": lambda steps: _gradient(margin, steps)},
            options={"maxiter": 200},
        )
    return float(quantity(*best) - sign * unit * solution.fun) if solution.success else np.nan


def _gradient(function: Callable[[np.ndarray], float], steps: np.ndarray, width: float = 1e-5) -> np.ndarray:
    """Returns one-sided differences (p,), which take about half the time of SciPy's own."""
    here = function(steps)
    return np.array([function(steps + side) - here for side in width * np.eye(len(steps))]) / width

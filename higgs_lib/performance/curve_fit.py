"""Laws of an epoch's seconds against the number of workers, fitted to measured epochs.

Seconds are taken to scatter in proportion: log-normal errors of one relative size. Every interval is one of 95 %.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from higgs_lib.metrics import Interval
from higgs_lib.performance.scaling import LEVEL, Timings

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

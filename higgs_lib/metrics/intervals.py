"""Computes confidence intervals: of an AUC, a difference of AUCs, a mean over seeds, and from draws."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.metrics.ranking import Ranking, event_placements


class Interval(NamedTuple):
    """A value with its confidence interval."""

    value: float
    low: float
    high: float

    @classmethod
    def from_draws(cls, value: float, draws: np.ndarray, level: float = 0.95) -> "Interval":
        """Returns `value` with the interval that holds the central `level` of `draws` (n,).

        >>> Interval.from_draws(50.0, np.arange(101.0), level=0.5)
        Interval(value=50.0, low=25.0, high=75.0)
        """
        return cls(value, *(float(q) for q in np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])))

    def complement(self) -> "Interval":
        """Returns the interval of 1 - value: of an AUC, that with the scores' sign reversed."""
        return Interval(1 - self.value, 1 - self.high, 1 - self.low)

    def minus(self, other: "Interval") -> "Interval":
        """Returns the difference to an independent value, with the half-widths added in quadrature."""
        difference = self.value - other.value
        half = float(np.hypot(self.high - self.low, other.high - other.low)) / 2
        return Interval(difference, difference - half, difference + half)

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def auc_interval(labels: np.ndarray, scores: np.ndarray, level: float = 0.95) -> Interval:
    """Returns the AUC with its interval from the finite number of events; raises the errors of `auc`.

    The variance is that of E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837, computed in linear time
    after sorting, as in X. Sun, W. Xu, IEEE Signal Processing Letters 21 (2014) 1389. It leaves out the spread of
    seeds.

    >>> labels = np.repeat([0, 1], 500)
    >>> print(f"{auc_interval(labels, labels + np.random.default_rng(1).normal(size=1000)):.2f}")
    0.76 [0.73, 0.79]
    """
    ranking = Ranking.from_scores(labels, scores)
    return _normal_interval(ranking.auc(), ranking.auc_variance(), level)


def auc_difference(labels: np.ndarray, scores: np.ndarray, others: np.ndarray, level: float = 0.95) -> Interval:
    """Returns the AUC of `scores` minus that of `others` on the same events, with its paired interval.

    Args:
        labels: Labels (n,), 1 for signal and 0 for background.
        scores: Scores (n,) of one classifier.
        others: Scores (n,) of the other.
        level: Confidence level.

    Returns:
        The difference; source as in `auc_interval`.

    Raises:
        ValueError: As `auc`.
    """
    differences = event_placements(labels, scores) - event_placements(labels, others)
    by_class = differences[labels > 0.5], differences[labels <= 0.5]
    variance = sum(part.var(ddof=1) / len(part) for part in by_class)
    return _normal_interval(float(by_class[0].mean()), float(variance), level)


def auc_covariance(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the covariance (k, k) of the AUCs of k classifiers on the same events; source as in `auc_interval`.

    Args:
        labels: Labels (n,), 1 for signal and 0 for background.
        scores: Scores (k, n) of the classifiers.

    Returns:
        The covariance, whose square roots on the diagonal are the standard errors from the finite number of events.

    Raises:
        ValueError: As `auc`.
    """
    placements = np.stack([event_placements(labels, one) for one in scores])
    by_class = placements[:, labels > 0.5], placements[:, labels <= 0.5]
    return sum(np.atleast_2d(np.cov(part)) / part.shape[1] for part in by_class)


def _normal_interval(value: float, variance: float, level: float) -> Interval:
    """Returns the interval of a normally distributed value."""
    half = float(stats.norm.ppf(0.5 + level / 2) * np.sqrt(variance))
    return Interval(value, value - half, value + half)


def jeffreys_interval(
    n_passed: np.ndarray, n_total: np.ndarray | int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and upper limits of the fractions n_passed / n_total, by Jeffreys' prior.

    The lower limit is 0 where nothing passes, the upper one 1 where everything does. Source: L. Brown, T. Cai,
    A. DasGupta, Statistical Science 16 (2001) 101, section 4.

    >>> low, high = jeffreys_interval(np.array([0, 50]), 100)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.403]), array([0.025, 0.597]))
    """
    posterior = stats.beta(n_passed + 0.5, n_total - n_passed + 0.5)
    low, high = posterior.interval(level)
    return np.where(n_passed <= 0, 0.0, low), np.where(n_passed >= n_total, 1.0, high)


def mean_interval(intervals: list[Interval]) -> Interval:
    """Returns the mean over seeds that were tested on the same events, with its 95 % interval.

    Two half-widths are added in quadrature: the mean one of `intervals`, which is that of the test events and common to
    all seeds, and Student's t with n - 1 degrees of freedom times the standard error of the mean over n seeds (Student,
    Biometrika 6 (1908) 1). With one seed the interval is that of the events only: it does not contain what another seed
    would change. With two seeds t is 12.7, so the interval is wide; each further seed narrows it a lot.

    >>> print(f"{mean_interval([Interval(0.80, 0.79, 0.81), Interval(0.81, 0.80, 0.82)]):.2f}")
    0.81 [0.74, 0.87]
    """
    values = np.array([interval.value for interval in intervals])
    half = float(np.hypot(*half_widths(intervals)))
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half)


def half_widths(intervals: list[Interval], p_value: float = 0.05) -> tuple[float, float]:
    """Returns the half-widths of a mean over seeds from the events (normal) and from the seeds (Student's t).

    `intervals` are at 95 %; the half-widths are those at the confidence level 1 - `p_value`. The one from the seeds is
    0 for one seed.
    """
    values = np.array([interval.value for interval in intervals])
    events = float(np.mean([(interval.high - interval.low) / 2 for interval in intervals]))
    events *= float(stats.norm.isf(p_value / 2) / stats.norm.isf(0.025))
    if len(values) == 1:
        return events, 0.0
    return events, float(stats.t.isf(p_value / 2, len(values) - 1) * stats.sem(values))

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


def mean_interval(intervals: list[Interval]) -> Interval:
    """Returns the mean over seeds that were tested on the same events, with its interval.

    The mean half-width of `intervals` and 1.96 standard errors of the mean over seeds are added in quadrature; the
    latter understates the spread of two or three seeds, and is 0 for one.
    """
    values = np.array([interval.value for interval in intervals])
    half = float(np.mean([(interval.high - interval.low) / 2 for interval in intervals]))
    spread = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    half = float(np.hypot(half, spread))
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half)

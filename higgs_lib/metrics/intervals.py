"""Computes confidence intervals: of an AUC, a difference of AUCs, a mean over seeds, and from draws."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.metrics.checks import check_level, check_numbers, check_scores, check_spread
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

        Raises ValueError if there are no draws, or one is NaN.
        """
        level, draws = check_level(level), np.asarray(draws, float)
        if not draws.size or np.isnan(draws).any():
            raise ValueError(f"{np.isnan(draws).sum()} of {draws.size} draws are NaN: they have no quantiles")
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
    """Returns the AUC with its interval from the finite number of events.

    The variance is that of E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837, computed in linear time
    after sorting, as in X. Sun, W. Xu, IEEE Signal Processing Letters 21 (2014) 1389. It leaves out the spread of
    seeds. Raises the errors of `auc`, and ValueError for fewer than two events of a class.

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
        ValueError: As `auc_interval`.
    """
    first, second = check_scores(labels, scores), check_scores(labels, others)
    check_spread(first.n_signal, first.n_background)
    differences = event_placements(first) - event_placements(second)
    by_class = differences[first.is_signal], differences[~first.is_signal]
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
        ValueError: As `auc_interval`, or there are no classifiers.
    """
    if not len(scores):
        raise ValueError("there are no scores: give those of at least one classifier")
    events = [check_scores(labels, one) for one in scores]
    is_signal, _, *n_of_each = events[0]
    check_spread(*n_of_each)
    placements = np.stack([event_placements(of_one) for of_one in events])
    by_class = placements[:, is_signal], placements[:, ~is_signal]
    return sum(np.atleast_2d(np.cov(part)) / part.shape[1] for part in by_class)


def _normal_interval(value: float, variance: float, level: float) -> Interval:
    """Returns the interval of a normally distributed value."""
    half = float(stats.norm.ppf(0.5 + check_level(level) / 2) * np.sqrt(variance))
    return Interval(value, value - half, value + half)


def jeffreys_interval(
    n_passed: np.ndarray, n_total: np.ndarray | int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and upper limits of the fractions n_passed / n_total, by Jeffreys' prior.

    The lower limit is 0 where nothing passes, the upper one 1 where everything does; of no events the fraction is
    unknown, from 0 to 1. Source: L. Brown, T. Cai, A. DasGupta, Statistical Science 16 (2001) 101, section 4. Raises
    ValueError unless 0 <= n_passed <= n_total; these need not be whole.

    >>> low, high = jeffreys_interval(np.array([0, 50]), 100)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.403]), array([0.025, 0.597]))
    """
    n_total = check_numbers("numbers of events", n_total, 0)
    n_passed = check_numbers("numbers of events that pass", n_passed, 0)
    if (n_passed > n_total).any():
        raise ValueError("more events pass than there are: n_passed must be at most n_total")
    posterior = stats.beta(n_passed + 0.5, n_total - n_passed + 0.5)
    low, high = posterior.interval(check_level(level))
    return np.where(n_passed <= 0, 0.0, low), np.where(n_passed >= n_total, 1.0, high)


def mean_interval(intervals: list[Interval]) -> Interval:
    """Returns the mean over seeds that were tested on the same events, with its 95 % interval.

    Two half-widths are added in quadrature: the mean one of `intervals`, which is that of the test events and common to
    all seeds, and Student's t with n - 1 degrees of freedom times the standard error of the mean over n seeds (Student,
    Biometrika 6 (1908) 1). With one seed the interval is that of the events only: it does not contain what another seed
    would change. With two seeds t is 12.7, so the interval is wide; each further seed narrows it a lot.

    Raises ValueError if there are none, or one is not finite.

    >>> print(f"{mean_interval([Interval(0.80, 0.79, 0.81), Interval(0.81, 0.80, 0.82)]):.2f}")
    0.81 [0.74, 0.87]
    """
    values = check_numbers("intervals", intervals)[:, 0] if len(intervals) else np.empty(0)
    if not len(values):
        raise ValueError("a mean needs at least one interval")
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

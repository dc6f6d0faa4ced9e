"""Tests whether two classifiers have the same AUC or accuracy, corrects for many tests, and puts sizes in words.

A small p-value says that a difference is real, not that it is large; so both are stated.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from higgs_lib.metrics.checks import check_level, check_numbers, is_correct
from higgs_lib.metrics.intervals import Interval, auc_difference, half_widths, mean_interval

EFFECT_SIZES = {"negligible": 0.002, "small": 0.01, "moderate": 0.03, "large": np.inf}
"""The words for a difference of AUCs and the |difference| below which each holds: a convention of this study."""

MIN_LOG_P = -700.0  # of a p-value; a smaller one counts as 0


class AucTest(NamedTuple):
    """The outcome of a paired test whether two classifiers have the same AUC."""

    difference: Interval
    """The first AUC less the second, with its paired 95 % interval."""
    p_value: float
    """The two-sided probability of a difference at least as large if the AUCs are the same."""

    @property
    def effect_size(self) -> str:
        """The size of the difference in words, by `effect_size`."""
        return effect_size(self.difference.value)

    @classmethod
    def from_seeds(cls, differences: Sequence[Interval]) -> "AucTest":
        """Tests the mean of the paired differences of several seeds, which were judged on the same events.

        The p-value is 1 less the confidence level at which the interval of `mean_interval` reaches zero. With one seed
        it is DeLong's; with several it contains their spread by Student's t. Raises the errors of `mean_interval`.
        """
        differences = list(differences)
        mean = mean_interval(differences)

        def excess(log_p: float) -> float:
            return float(np.hypot(*half_widths(differences, np.exp(log_p)))) - abs(mean.value)

        if mean.value == 0 or excess(MIN_LOG_P) <= 0:
            return cls(mean, float(mean.value == 0))
        return cls(mean, float(np.exp(optimize.brentq(excess, MIN_LOG_P, 0.0))))


def auc_test(labels: np.ndarray, scores: np.ndarray, others: np.ndarray) -> AucTest:
    """Tests whether `scores` and `others`, of the same events, have the same AUC: the paired test of DeLong et al.

    Source and errors as in `auc_interval`. It leaves out the spread of seeds.

    >>> labels, rng = np.repeat([0, 1], 500), np.random.default_rng(1)
    >>> scores = labels + rng.normal(size=1000)
    >>> test = auc_test(labels, scores, scores + rng.normal(size=1000))
    >>> print(f"{test.difference:+.2f}, p = {test.p_value:.0e}, {test.effect_size}")
    +0.06 [+0.03, +0.08], p = 7e-06, large
    """
    return AucTest.from_seeds([auc_difference(labels, scores, others)])


class AccuracyTest(NamedTuple):
    """The outcome of a paired test whether two classifiers have the same accuracy."""

    difference: Interval
    """The first accuracy less the second, with its paired interval."""
    p_value: float
    """The two-sided probability of a difference at least as large if the accuracies are the same."""


def accuracy_test(labels: np.ndarray, scores: np.ndarray, others: np.ndarray, level: float = 0.95) -> AccuracyTest:
    """Tests whether `scores` and `others`, of the same events, have the same accuracy.

    Only events that one of the two classifies correctly count. The p-value is the exact binomial one of Q. McNemar,
    Psychometrika 12 (1947) 153; the interval is that of A. Agresti, Categorical Data Analysis (2nd edition, 2002),
    section 10.1.1. It leaves out the spread of seeds.

    Args:
        labels: Labels (n,), 1 for signal and 0 for background.
        scores: Scores (n,) of one classifier, above 0.5 for signal.
        others: Scores (n,) of the other.
        level: Confidence level of the interval.

    Returns:
        The difference and its p-value.

    Raises:
        ValueError: As `accuracy`.

    >>> test = accuracy_test([1] * 60, [0.9] * 50 + [0.1] * 10, [0.1] * 25 + [0.9] * 35)
    >>> print(f"{test.difference:+.2f}, p = {test.p_value:.3f}")
    +0.25 [+0.07, +0.43], p = 0.017
    """
    first, second = is_correct(labels, scores), is_correct(labels, others)
    n_first, n_second = int(np.count_nonzero(first & ~second)), int(np.count_nonzero(second & ~first))
    n_differing, n_events = n_first + n_second, len(first)
    difference = (n_first - n_second) / n_events
    error = np.sqrt(n_differing - n_events * difference**2) / n_events
    half = float(stats.norm.isf(0.5 - check_level(level) / 2) * error)
    p_value = float(stats.binomtest(n_first, n_differing).pvalue) if n_differing else 1.0
    return AccuracyTest(Interval(difference, difference - half, difference + half), p_value)


def effect_size(difference: float) -> str:
    """Returns the size of a difference of AUCs in words.

    The scale is this study's convention, not a standard: below 0.002 in absolute value a difference is negligible,
    below 0.01 small, below 0.03 moderate, and large from there on. For comparison: with complete features, depth gains
    0.069 for Baldi et al. 2014.

    >>> [effect_size(difference) for difference in (0.001, -0.005, 0.02, 0.15)]
    ['negligible', 'small', 'moderate', 'large']

    Raises ValueError for what is no difference of AUCs.
    """
    checked = check_numbers("a difference of AUCs", difference, -1, 1)
    if checked.ndim:
        raise ValueError(f"the size of one difference of AUCs is put in words, not of an array {checked.shape}")
    return next(words for words, limit in EFFECT_SIZES.items() if abs(checked) < limit)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Returns the p-values (n,) of n tests, corrected so that one limit holds for the chance of any false claim.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65. The tests may depend on each other.
    Raises ValueError for p-values outside of [0, 1].

    >>> holm([0.01, 0.04, 0.03]).round(3)
    array([0.03, 0.06, 0.06])
    """
    single = check_numbers("p-values", p_values, 0, 1)
    if single.ndim != 1:
        raise ValueError(f"p-values must be a sequence of numbers (n,), not of shape {single.shape}")
    order = np.argsort(single)
    stepwise = single[order] * np.arange(len(single), 0, -1)
    corrected = np.empty_like(single)
    corrected[order] = np.minimum(np.maximum.accumulate(stepwise), 1)
    return corrected

"""Measures whether scores can be read as probabilities of signal: reliability curve, Brier score, calibration error.

Labels are 1 for signal and 0 for background, scores are in [0, 1]; both are (n,). A probability refers to the mixture
of signal and background in the events themselves.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.metrics.checks import check_level, check_probabilities, check_whole
from higgs_lib.metrics.intervals import Interval, jeffreys_interval

N_TRUE_ERRORS = 30  # of the grid on which `calibration_error` inverts its tests


class Reliability(NamedTuple):
    """The fraction of signal against the mean score, in bins of about equal numbers of events; arrays are (n_bins,)."""

    score: np.ndarray
    """Mean scores."""
    fraction: np.ndarray
    """Fractions of signal events."""
    low: np.ndarray
    """Lower limits of the fractions, Jeffreys intervals."""
    high: np.ndarray
    """Upper limits of the fractions."""
    n_events: np.ndarray
    """Numbers of events, int64."""

    def fractions(self) -> np.ndarray:
        """Returns the fractions with their lower and upper limits (n_bins, 3)."""
        return np.stack([self.fraction, self.low, self.high], 1)

    def deviations(self) -> np.ndarray:
        """Returns the fractions less the mean scores, with their lower and upper limits (n_bins, 3)."""
        return self.fractions() - self.score[:, None]

    def error(self) -> float:
        """Returns the expected calibration error: the mean of |fraction - score|, weighted with the events."""
        return float(np.average(np.abs(self.fraction - self.score), weights=self.n_events))


class CalibrationError(NamedTuple):
    """How far scores are from the probability of signal, on average over the events."""

    error: Interval
    """The expected calibration error without its bias, with its 95 % interval; the lower limit is 0 where `uncorrected`
    is at most `if_calibrated`."""
    uncorrected: float
    """The expected calibration error as it is usually quoted."""
    if_calibrated: float
    """The uncorrected error below which 97.5 % of samples stay if the scores are exact probabilities."""


def reliability(labels: np.ndarray, scores: np.ndarray, *, n_bins: int = 20, level: float = 0.95) -> Reliability:
    """Returns the reliability curve of scores.

    The bins lie between quantiles of the scores; bins that ties leave empty are left out. Raises ValueError for scores
    outside of [0, 1] and the errors of `auc`.

    >>> curve = reliability(np.array([0, 0, 0, 1]), np.array([0.1, 0.1, 0.4, 0.6]), n_bins=2)
    >>> curve.score, curve.fraction
    (array([0.1, 0.5]), array([0. , 0.5]))
    """
    is_signal, scores, *_ = check_probabilities(labels, scores)
    n_bins = check_whole("n_bins", n_bins, 1)
    inner = np.quantile(scores, np.linspace(0, 1, n_bins + 1)[1:-1])
    bins = np.searchsorted(inner, scores)
    n_events, n_signal, total = (np.bincount(bins, w) for w in (None, is_signal, scores))
    filled = n_events > 0
    n_events, n_signal, total = n_events[filled], n_signal[filled], total[filled]
    return Reliability(total / n_events, n_signal / n_events, *jeffreys_interval(n_signal, n_events, level), n_events)


def brier_score(labels: np.ndarray, scores: np.ndarray, level: float = 0.95) -> Interval:
    """Returns the mean squared difference of score and label, with its normal interval from the number of events.

    It falls with better separation as well as with better calibration. Source: G. Brier, Monthly Weather Review 78
    (1950) 1, for two classes and half of its value. Raises the errors of `reliability`.

    >>> print(f"{brier_score(np.repeat([0, 1], 500), np.repeat([0.0, 0.6, 0.4, 1.0], 250)):.3f}")
    0.180 [0.169, 0.191]
    """
    is_signal, scores, *_ = check_probabilities(labels, scores)
    squares = (scores - is_signal) ** 2
    mean, half = float(squares.mean()), float(stats.norm.isf((1 - check_level(level)) / 2) * stats.sem(squares))
    return Interval(mean, mean - half, mean + half)


def calibration_error(
    labels: np.ndarray, scores: np.ndarray, *, seed: int, n_bins: int = 20, n_draws: int = 1000
) -> CalibrationError:
    """Returns the expected calibration error of scores, with its interval by inverted tests.

    As the fraction of signal in a bin fluctuates, the mean of |fraction - score| is too large, and above zero even for
    exact probabilities. For each true error on a grid from zero, the signal events of all bins are drawn, with true
    deviations in proportion to the measured ones. The limits are the true errors whose draws exceed, or stay below, the
    measured value with a probability of 2.5 % (J. Neyman, Phil. Trans. A 236 (1937) 333); at the corrected value half
    of the draws do. A downward fluctuation does not tighten the upper limit beyond the one that exact probabilities
    give in the median (power constraint: G. Cowan et al., arXiv:1105.3166). Zero is inside of the interval of 97.5 % of
    samples whose scores are exact probabilities. The bias depends on how the true deviations are spread over the bins:
    where a few bins hold all of the error, a part of it remains. Deviations of opposite sign inside of one bin cancel.

    Args:
        labels: Labels (n,).
        scores: Scores (n,) in [0, 1].
        seed: Seed of the draws.
        n_bins: Number of bins.
        n_draws: Number of draws.

    Returns:
        The error, in units of the score.

    Raises:
        ValueError: A score is outside of [0, 1]; there is no bin or no draw; and the errors of `auc`.
    """
    n_draws = check_whole("n_draws", n_draws, 1)
    curve, rng = reliability(labels, scores, n_bins=n_bins), np.random.default_rng(seed)
    uncorrected, weights = curve.error(), curve.n_events / curve.n_events.sum()
    shape = (curve.fraction - curve.score) / uncorrected if uncorrected else np.zeros(len(weights))

    def quantiles(true_error: float) -> np.ndarray:
        probabilities = np.clip(curve.score + true_error * shape, 0, 1)
        fractions = rng.binomial(curve.n_events, probabilities, (n_draws, len(weights))) / curve.n_events
        return np.quantile(np.abs(fractions - curve.score) @ weights, [0.025, 0.5, 0.975])

    _, expected, if_calibrated = quantiles(0.0)
    grid = np.linspace(0, max(uncorrected, expected) + 2 * if_calibrated, N_TRUE_ERRORS)
    of_grid = np.array([[0.0, expected, if_calibrated], *(quantiles(true_error) for true_error in grid[1:])])
    lowest, median, highest = np.maximum.accumulate(of_grid).T
    error = Interval(
        float(np.interp(uncorrected, median, grid)),
        float(np.interp(uncorrected, highest, grid)),
        float(np.interp(max(uncorrected, expected), lowest, grid)),
    )
    return CalibrationError(error, uncorrected, float(if_calibrated))

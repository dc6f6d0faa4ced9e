"""Measures how well scores separate signal from background: accuracy, ROC curve, AUC, cuts and figure of merit.

Labels are 1 for signal and 0 for background, scores grow towards signal; both are (n,).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from higgs_lib.metrics.checks import check_floats, check_numbers, check_scores, check_whole, is_correct
from higgs_lib.metrics.intervals import Interval, jeffreys_interval
from higgs_lib.metrics.ranking import Ranking


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the fraction of events on the right side of a score of 0.5, on which itself is background.

    Raises the errors of `auc`, but one class is enough.

    >>> accuracy([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.9])
    0.5
    """
    correct = is_correct(labels, scores)
    return float(np.count_nonzero(correct) / len(correct))


def accuracy_interval(labels: np.ndarray, scores: np.ndarray, level: float = 0.95) -> Interval:
    """Returns the accuracy with the interval of a binomial fraction, by `jeffreys_interval`; errors of `accuracy`.

    >>> print(f"{accuracy_interval([0, 0, 1, 1] * 100, [0.1, 0.6, 0.7, 0.9] * 100)}")
    0.750 [0.706, 0.791]
    """
    correct = is_correct(labels, scores)
    n_correct = int(np.count_nonzero(correct))
    limits = jeffreys_interval(np.array(n_correct), len(correct), level)
    return Interval(n_correct / len(correct), *(float(limit) for limit in limits))


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the area under the ROC curve; ties count half.

    Raises ValueError if a class is missing, a label is neither 0 nor 1, a score is NaN or the lengths differ.

    >>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]))  # three of four pairs are in order
    0.75
    """
    return Ranking.from_scores(labels, scores).auc()


class Roc(NamedTuple):
    """A ROC curve, from the hardest cut to none; arrays are (n_cuts,)."""

    signal_efficiency: np.ndarray
    background_rejection: np.ndarray
    """Background rejection: 1 - background efficiency."""
    cut: np.ndarray
    """Cuts; events with a score at or above one pass. The first is infinite."""

    def thinned(self, n_points: int = 400) -> "Roc":
        """Returns about `n_points` points of the curve, evenly spaced in signal efficiency, for drawing; at least 2."""
        nearest = np.searchsorted(self.signal_efficiency, np.linspace(0, 1, check_whole("n_points", n_points, 2)))
        return Roc(*(array[np.unique(nearest)] for array in self))


def roc(labels: np.ndarray, scores: np.ndarray) -> Roc:
    """Returns the full ROC curve: a point for each distinct score, less those on straight lines.

    Raises the errors of `auc`.

    >>> curve = roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]))
    >>> curve.signal_efficiency
    array([0. , 0.5, 0.5, 1. , 1. ])
    >>> curve.background_rejection
    array([1. , 1. , 0.5, 0.5, 0. ])
    >>> curve.cut
    array([inf, 0.9, 0.6, 0.4, 0.1])
    """
    cut, signal, background = Ranking.from_scores(labels, scores).drop_collinear()
    return Roc(signal / signal[-1], 1 - background / background[-1], cut)


def background_rejection(
    labels: np.ndarray, scores: np.ndarray, signal_efficiency: float | Sequence[float]
) -> float | np.ndarray:
    """Returns the background rejection (1 - background efficiency) at one or several signal efficiencies.

    Raises ValueError for efficiencies outside of [0, 1], and the errors of `auc`.

    >>> background_rejection(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]), (0.25, 0.75))
    array([1. , 0.5])
    """
    curve, efficiency = roc(labels, scores), check_numbers("signal efficiencies", signal_efficiency, 0, 1)
    return np.interp(efficiency, curve.signal_efficiency, curve.background_rejection)


class RocBand(NamedTuple):
    """A pointwise band of the background rejection at given signal efficiencies; arrays are (n_points,)."""

    signal_efficiency: np.ndarray
    low: np.ndarray
    """Lower limits of the background rejection."""
    high: np.ndarray
    """Upper limits of the background rejection."""


def roc_band(labels: np.ndarray, scores: np.ndarray, *, n_points: int = 201, level: float = 0.95) -> RocBand:
    """Returns the pointwise band of a ROC curve from the finite numbers of signal and background events.

    At a given signal efficiency the cut fluctuates with the signal events, and what it rejects with the background
    events. The two contributions are added in quadrature, as in the variance of F. Hsieh, B. Turnbull, Annals of
    Statistics 24 (1996) 25. Its slope of the curve is the difference over the interval of the signal efficiency itself,
    and both fractions have Jeffreys intervals, so the band does not vanish at the ends. It holds at each point, not for
    the whole curve at once.

    Args:
        labels: Labels (n,), 1 for signal and 0 for background.
        scores: Scores (n,).
        n_points: Number of signal efficiencies, evenly spaced from 0 to 1, at least 2.
        level: Confidence level.

    Returns:
        The band.

    Raises:
        ValueError: As `auc`.
    """
    curve = roc(labels, scores)
    n_signal = int(np.count_nonzero(np.asarray(labels) == 1))
    efficiency = np.linspace(0, 1, check_whole("n_points", n_points, 2))
    shifted = jeffreys_interval(efficiency * n_signal, n_signal, level)
    rejection, with_more, with_fewer = (
        np.interp(at, curve.signal_efficiency, curve.background_rejection) for at in (efficiency, *reversed(shifted))
    )
    n_background = len(labels) - n_signal
    low, high = jeffreys_interval(rejection * n_background, n_background, level)
    return RocBand(
        efficiency,
        np.maximum(rejection - np.hypot(rejection - with_more, rejection - low), 0),
        np.minimum(rejection + np.hypot(with_fewer - rejection, high - rejection), 1),
    )


CUTS = np.linspace(0, 1, 501)
"""Cuts on scores in [0, 1], among which the one with the highest figure of merit or significance is searched."""


class Efficiencies(NamedTuple):
    """Numbers of events that pass each of several cuts; all arrays have the shape of the cuts."""

    cut: np.ndarray
    n_signal_passed: np.ndarray
    n_background_passed: np.ndarray
    n_signal: int
    n_background: int

    @property
    def signal(self) -> np.ndarray:
        """Signal efficiency."""
        return self.n_signal_passed / self.n_signal

    @property
    def background(self) -> np.ndarray:
        """Background efficiency."""
        return self.n_background_passed / self.n_background


def efficiencies(labels: np.ndarray, scores: np.ndarray, cuts: np.ndarray) -> Efficiencies:
    """Counts the signal and background events with a score at or above each cut.

    Cuts on float32 scores are rounded to float32, so that a cut equals the score that it was read from. Raises the
    errors of `auc`, and ValueError for cuts that are NaN.

    >>> counts = efficiencies(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]), np.array([0.0, 0.5]))
    >>> counts.signal, counts.background
    (array([1. , 0.5]), array([1. , 0.5]))
    """
    is_signal, scores, *_ = check_scores(labels, scores)
    signal, background = np.sort(scores[is_signal]), np.sort(scores[~is_signal])
    cuts = check_floats("cuts", cuts).astype(scores.dtype)
    if np.isnan(cuts).any():
        raise ValueError("a cut is NaN, at which no event passes or fails")
    return Efficiencies(
        cuts,
        len(signal) - np.searchsorted(signal, cuts),
        len(background) - np.searchsorted(background, cuts),
        len(signal),
        len(background),
    )


MIN_BACKGROUND_PASSED = 25  # events that a cut must leave to be chosen: 20 % uncertainty of the background efficiency


def figure_of_merit(counts: Efficiencies) -> np.ndarray:
    """Returns S / sqrt(B) of the events that pass each cut; 0 where no background passes.

    >>> figure_of_merit(Efficiencies(np.array([0.2, 0.9]), np.array([30, 5]), np.array([100, 0]), 40, 400))
    array([3., 0.])
    """
    n_signal, n_background = counts.n_signal_passed, counts.n_background_passed
    return n_signal / np.sqrt(np.maximum(n_background, 1)) * (n_background > 0)


def best_figure_of_merit(validation: Efficiencies) -> int:
    """Returns the index of the cut with the largest figure of merit; the rule and errors of `best_working_point`."""
    return best_working_point(validation, figure_of_merit(validation))


def best_working_point(validation: Efficiencies, values: np.ndarray) -> int:
    """Returns the index of the cut with the largest of `values` (n_cuts,).

    Only cuts that leave at least `MIN_BACKGROUND_PASSED` background events count; raises ValueError if none does, or
    unless there is one number for each cut.
    """
    values = np.asarray(values, float)
    if values.shape != np.shape(validation.cut) or np.isnan(values).any():
        raise ValueError(f"values {values.shape} must be one number for each of the cuts {np.shape(validation.cut)}")
    enough = validation.n_background_passed >= MIN_BACKGROUND_PASSED
    if not enough.any():
        raise ValueError(
            f"no cut leaves {MIN_BACKGROUND_PASSED} of {validation.n_background} background events: "
            "use more validation events"
        )
    return int(np.where(enough, values, -np.inf).argmax())

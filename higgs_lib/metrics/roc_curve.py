"""How well scores separate signal from background: accuracy, ROC, AUC with its interval, figure of merit, histograms.

Labels are 1 for signal and 0 for background, scores grow towards signal; both are (n,).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from higgs_lib.metrics.ranking import Ranking, check


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Share of events on the right side of a score of 0.5."""
    return float(np.count_nonzero((scores > 0.5) == (labels > 0.5)) / len(scores))


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve; ties count a half. ValueError where a class is missing or a score is NaN."""
    return Ranking.of(labels, scores).auc()


class Roc(NamedTuple):
    """A ROC curve, from the hardest cut to none."""

    signal_efficiency: np.ndarray
    background_rejection: np.ndarray
    """1 - background efficiency."""
    cut: np.ndarray
    """Events with a score at or above it pass; the first is infinite."""

    def thinned(self, n_points: int = 400) -> "Roc":
        """About `n_points` points of the curve, evenly spaced in signal efficiency, for drawing."""
        wanted = np.searchsorted(self.signal_efficiency, np.linspace(0, 1, n_points))
        kept = np.unique(np.minimum(wanted, len(self.cut) - 1))
        return Roc(*(array[kept] for array in self))


def roc(labels: np.ndarray, scores: np.ndarray) -> Roc:
    """The full curve, a point for each different score (less those on straight lines); ValueError as `auc`."""
    cut, signal, background = Ranking.of(labels, scores).corners()
    return Roc(signal / signal[-1], 1 - background / background[-1], cut)


def background_rejection(
    labels: np.ndarray, scores: np.ndarray, signal_efficiency: float | Sequence[float]
) -> float | np.ndarray:
    """Background rejection (1 - background efficiency) at a signal efficiency between 0 and 1, or at several."""
    curve = roc(labels, scores)
    return np.interp(signal_efficiency, curve.signal_efficiency, curve.background_rejection)


class Efficiencies(NamedTuple):
    """Events that pass each of a row of cuts; all arrays but the two totals have the cuts' shape."""

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
    """Numbers of signal and background events with a score at or above each of the `cuts`; ValueError as `auc`."""
    check(labels, scores)
    signal, background = np.sort(scores[labels > 0.5]), np.sort(scores[labels < 0.5])
    cuts = np.asarray(cuts, scores.dtype)
    return Efficiencies(
        cuts,
        len(signal) - np.searchsorted(signal, cuts),
        len(background) - np.searchsorted(background, cuts),
        len(signal),
        len(background),
    )


MIN_BACKGROUND_PASSED = 25  # events that a cut must leave to be chosen: 20 % uncertainty of the background efficiency


def figure_of_merit(passed: Efficiencies) -> np.ndarray:
    """S / sqrt(B) of the events that pass each cut; 0 where no background passes."""
    return (
        passed.n_signal_passed / np.sqrt(np.maximum(passed.n_background_passed, 1)) * (passed.n_background_passed > 0)
    )


def best_figure_of_merit(validation: Efficiencies) -> int:
    """Place of the cut with the largest figure of merit that leaves at least `MIN_BACKGROUND_PASSED` background events.

    ValueError if none does.
    """
    return best_working_point(validation, figure_of_merit(validation))


def best_working_point(validation: Efficiencies, values: np.ndarray) -> int:
    """Place of the largest of `values` (one a cut) among cuts that leave at least `MIN_BACKGROUND_PASSED` background
    events; ValueError if none does.
    """
    enough = validation.n_background_passed >= MIN_BACKGROUND_PASSED
    if not enough.any():
        raise ValueError(
            f"no cut leaves {MIN_BACKGROUND_PASSED} of {validation.n_background} background events: "
            "use more validation events"
        )
    return int(np.where(enough, values, -np.inf).argmax())

"""How well scores separate signal from background: accuracy, ROC, AUC with its interval, figure of merit, histograms.

Labels are 1 for signal and 0 for background, scores grow towards signal; both are (n,).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.ranking import Ranking, check, event_placements


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Share of events on the right side of a score of 0.5."""
    return float(np.count_nonzero((scores > 0.5) == (labels > 0.5)) / len(scores))


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve; ties count a half. ValueError where a class is missing or a score is NaN."""
    return Ranking.of(labels, scores).auc()


class Interval(NamedTuple):
    """A value with its confidence interval."""

    value: float
    low: float
    high: float

    def mirrored(self) -> "Interval":
        """The same of an AUC with the scores' sign turned."""
        return Interval(1 - self.value, 1 - self.high, 1 - self.low)

    def minus(self, other: "Interval") -> "Interval":
        """The difference to a value that was found independently: half-widths added in quadrature."""
        difference = self.value - other.value
        half = float(np.hypot(self.high - self.low, other.high - other.low)) / 2
        return Interval(difference, difference - half, difference + half)

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def auc_interval(labels: np.ndarray, scores: np.ndarray, level: float = 0.95) -> Interval:
    """AUC with its interval from the finite number of events; ValueError as `auc`.

    Variance by E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837, in linear time once ranked, as in
    X. Sun, W. Xu, IEEE Signal Processing Letters 21 (2014) 1389. The spread of seeds is not in it.
    """
    ranking = Ranking.of(labels, scores)
    return _normal_interval(ranking.auc(), ranking.auc_variance(), level)


def auc_difference(labels: np.ndarray, scores: np.ndarray, others: np.ndarray, level: float = 0.95) -> Interval:
    """AUC of `scores` less that of `others` on the same events, with its interval; source as `auc_interval`'s."""
    differences = event_placements(labels, scores) - event_placements(labels, others)
    by_class = differences[labels > 0.5], differences[labels <= 0.5]
    variance = sum(part.var(ddof=1) / len(part) for part in by_class)
    return _normal_interval(float(by_class[0].mean()), float(variance), level)


def _normal_interval(value: float, variance: float, level: float) -> Interval:
    half = float(stats.norm.ppf(0.5 + level / 2) * np.sqrt(variance))
    return Interval(value, value - half, value + half)


def mean_interval(intervals: list[Interval]) -> Interval:
    """The mean over seeds, judged on the same events: their interval and the seeds' spread, added in quadrature.

    The first is the mean half-width of `intervals`, the second 1.96 standard errors of the mean, which understates the
    spread of two or three seeds and is 0 for one.
    """
    values = np.array([interval.value for interval in intervals])
    half = float(np.mean([(interval.high - interval.low) / 2 for interval in intervals]))
    spread = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    half = float(np.hypot(half, spread))
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half)


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
    return best(validation, figure_of_merit(validation))


def best(validation: Efficiencies, values: np.ndarray) -> int:
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


class Histogram(NamedTuple):
    """Counts of signal and background in common bins."""

    edges: np.ndarray
    """(n_bins + 1,)"""
    signal: np.ndarray
    """(n_bins,) events"""
    background: np.ndarray
    """(n_bins,) events"""


def histogram(labels: np.ndarray, values: np.ndarray, edges: np.ndarray) -> Histogram:
    """Signal and background events in the bins of `edges` (n_bins + 1,); values outside are left out."""
    signal, background = (np.histogram(values[labels == c], edges)[0] for c in (1, 0))
    return Histogram(np.asarray(edges), signal, background)


def peak(values: np.ndarray, *, seed: int, level: float = 0.95, n_draws: int = 200) -> Interval:
    """Where a distribution peaks: the vertex of a parabola through the highest bin and two bins on either side.

    Bins are a tenth of the interquartile range wide. The interval comes from drawing their counts anew (Poisson).
    """
    low, first, third, high = np.quantile(values, [0.001, 0.25, 0.75, 0.98])
    edges = np.arange(low, high, (third - first) / 10)
    counts = np.histogram(values, edges)[0]
    drawn = np.random.default_rng(seed).poisson(counts, (n_draws, len(counts)))
    found = [_vertex(edges, row) for row in drawn]
    return Interval(_vertex(edges, counts), *(float(q) for q in np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])))


def _vertex(edges: np.ndarray, counts: np.ndarray) -> float:
    top = int(np.clip(counts.argmax(), 2, len(counts) - 3))
    around = slice(top - 2, top + 3)
    centres = (edges[:-1] + edges[1:])[around] / 2
    a, b, _ = np.polyfit(centres - centres[2], counts[around], 2)
    shift = -b / (2 * a) if a < 0 else 0.0  # no vertex where the counts do not bend down
    return float(np.clip(centres[2] + shift, centres[0], centres[-1]))

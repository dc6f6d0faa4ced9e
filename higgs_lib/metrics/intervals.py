from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.metrics.ranking import Ranking, event_placements


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

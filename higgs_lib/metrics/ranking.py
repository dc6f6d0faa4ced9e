"""Events in the order of their scores: how many pass a cut at each score, and what follows from that in linear time.

Labels are 1 for signal and 0 for background, scores grow towards signal; both are (n,). Equal scores are one cut.
"""

from typing import NamedTuple

import numpy as np


class Ranking(NamedTuple):
    """Numbers of events that pass a cut at each different score, from the hardest cut to none; arrays are (n_cuts,)."""

    cut: np.ndarray
    """Events with a score at or above it pass; the first is infinite, and nothing passes it."""
    signal: np.ndarray
    """int64; the last is the number of all signal events."""
    background: np.ndarray
    """int64; the last is the number of all background events."""

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray) -> "Ranking":
        """ValueError where a class is missing, a score is NaN, or there is not one label for each score."""
        check(labels, scores)
        return cls._counted(*_hardest_first(labels > 0.5, scores))

    @classmethod
    def _counted(cls, is_signal: np.ndarray, falling: np.ndarray) -> "Ranking":
        last = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)  # event of each score
        signal = np.cumsum(is_signal, dtype=np.int64)[last]
        return cls(np.append(np.inf, falling[last]), np.append(0, signal), np.append(0, last + 1 - signal))

    def corners(self) -> "Ranking":
        """Without cuts between two others with as many new events of each class: they are on a line of the ROC."""
        kept = np.ones(len(self.cut), bool)
        kept[2:-1] = (np.diff(self.signal[1:], 2) != 0) | (np.diff(self.background[1:], 2) != 0)
        return Ranking(*(array[kept] for array in self))

    def auc(self) -> float:
        """Share of pairs of a signal and a background event with the signal above; ties count a half."""
        twice = np.dot(np.diff(self.background), self.signal[1:] + self.signal[:-1])  # of integers: exact
        return float(twice / (2 * self.signal[-1] * self.background[-1]))

    def placements(self) -> tuple[np.ndarray, np.ndarray]:
        """For a signal event at each cut but the first the share of background below it, for a background event that of
        signal above it; ties count a half.
        """
        above, background_above = ((n[1:] + n[:-1]) / (2 * n[-1]) for n in (self.signal, self.background))
        return 1 - background_above, above

    def auc_variance(self) -> float:
        """Of the AUC; source as `metrics.auc_interval`'s."""
        auc, variance = self.auc(), 0.0
        for n, placement in zip((self.signal, self.background), self.placements(), strict=True):
            placement -= auc
            variance += np.dot(np.diff(n), placement * placement) / (n[-1] - 1) / n[-1]
        return float(variance)


def event_placements(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """`Ranking.placements` of each event (n,), by its class, in the events' order; errors as `Ranking.of`'s."""
    check(labels, scores)
    order = _order(scores)
    is_signal = (labels > 0.5)[order]
    ranking = Ranking._counted(is_signal, scores[order])
    n_equal = np.diff(ranking.signal + ranking.background)
    placements = np.empty(len(labels))
    placements[order] = np.where(is_signal, *(np.repeat(placement, n_equal) for placement in ranking.placements()))
    return placements


def check(labels: np.ndarray, scores: np.ndarray) -> None:
    """ValueError where these cannot be ranked: a class is missing, a score is NaN, or shapes are not (n,) and alike."""
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(f"labels {labels.shape} and scores {scores.shape} must be of one length")
    if labels.min() == labels.max():
        raise ValueError(f"a ROC curve needs both classes, but all {len(labels)} labels are {labels[0]:g}")
    if np.isnan(scores.max()):  # what NaN gives, and in one pass
        bad = np.flatnonzero(np.isnan(scores))
        raise ValueError(f"{len(bad)} of {len(scores)} scores are NaN, first that of event {bad[0]} (from 0)")


def _hardest_first(is_signal: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both (n,), from the highest score to the lowest."""
    if scores.dtype != np.float32:
        order = _order(scores)
        return is_signal[order], scores[order]
    # score and class in one integer: sorting these takes a third of the time of sorting places by their scores
    keys = _falling(scores)
    packed = keys.astype(np.uint32 if keys.max() < 1 << 31 else np.uint64)  # without a sign 32 bits are enough
    packed <<= 1
    packed |= is_signal
    packed.sort()
    is_signal = (packed & 1).astype(bool)
    packed >>= 1
    return is_signal, _turned(packed.astype(np.uint32, copy=False)).view(np.float32)


def _order(scores: np.ndarray) -> np.ndarray:
    """Places (n,) of the scores from the highest to the lowest."""
    if scores.dtype != np.float32 or len(scores) > 1 << 32:
        return np.argsort(scores)[::-1]
    packed = _falling(scores).astype(np.uint64)
    packed <<= 32
    packed |= np.arange(len(scores), dtype=np.uint32)
    packed.sort()
    return packed.astype(np.uint32)


def _falling(scores: np.ndarray) -> np.ndarray:
    """uint32 that fall where float32 scores grow; -0.0 is 0.0."""
    return _turned((scores + np.float32(0)).view(np.uint32))


def _turned(bits: np.ndarray) -> np.ndarray:
    """Bits of float32 made to fall where the values grow, or back: those of negative values do, of others all but the
    sign's are turned.
    """
    return bits ^ (~(bits.view(np.int32) >> 31) & 0x7FFFFFFF).view(np.uint32)

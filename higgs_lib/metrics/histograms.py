from typing import NamedTuple

import numpy as np

from higgs_lib.metrics.intervals import Interval


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

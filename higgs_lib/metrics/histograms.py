"""Counts histograms of signal and background, and locates the peak of a distribution."""

from typing import NamedTuple

import numpy as np

from higgs_lib.metrics.checks import check_events, check_numbers, check_whole
from higgs_lib.metrics.intervals import Interval


class Histogram(NamedTuple):
    """Counts of signal and background in common bins."""

    edges: np.ndarray
    """Bin edges (n_bins + 1,)."""
    signal: np.ndarray
    """Signal events (n_bins,)."""
    background: np.ndarray
    """Background events (n_bins,)."""


def histogram(labels: np.ndarray, values: np.ndarray, edges: np.ndarray) -> Histogram:
    """Counts signal and background events in the bins of `edges` (n_bins + 1,); leaves out values outside.

    Raises ValueError if the lengths differ, a label is neither 0 nor 1, a value is NaN, or the edges do not rise.

    >>> histogram([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], [0, 0.5, 1]).signal
    array([1, 1])
    """
    is_signal, values, *_ = check_events(labels, values, "values")
    edges = check_numbers("bin edges", edges)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"bin edges must be at least two rising numbers, not {edges}")
    return Histogram(edges, *(np.histogram(values[of_class], edges)[0] for of_class in (is_signal, ~is_signal)))


def peak(values: np.ndarray, *, seed: int, level: float = 0.95, n_draws: int = 200) -> Interval:
    """Locates the peak of a distribution by a parabola through the highest bin and two bins on either side.

    The bins are a tenth of the interquartile range wide.

    Args:
        values: Values (n,).
        seed: Seed of the draws.
        level: Confidence level.
        n_draws: Number of histograms drawn for the interval, with Poisson counts.

    Returns:
        The vertex of the parabola with its interval, in the units of `values`.

    Raises:
        ValueError: There are no values, one is not finite, or their interquartile range is 0.
    """
    values, n_draws = check_numbers("values", values).ravel(), check_whole("n_draws", n_draws, 1)
    low, first, third, high = np.quantile(values, [0.001, 0.25, 0.75, 0.98]) if len(values) else np.zeros(4)
    if first == third:
        raise ValueError(f"the interquartile range of {len(values)} values is 0, so they have no peak of finite width")
    edges = np.arange(low, high, (third - first) / 10)
    counts = np.histogram(values, edges)[0]
    draws = np.random.default_rng(seed).poisson(counts, (n_draws, len(counts)))
    return Interval.from_draws(_vertex(edges, counts), np.array([_vertex(edges, row) for row in draws]), level)


def _vertex(edges: np.ndarray, counts: np.ndarray) -> float:
    """Returns the vertex of the parabola through the highest bin and two bins on either side."""
    top = int(np.clip(counts.argmax(), 2, len(counts) - 3))
    around = slice(top - 2, top + 3)
    centres = (edges[:-1] + edges[1:])[around] / 2
    a, b, _ = np.polyfit(centres - centres[2], counts[around], 2)
    shift = -b / (2 * a) if a < 0 else 0.0  # there is no vertex where the counts do not bend down
    return float(np.clip(centres[2] + shift, centres[0], centres[-1]))

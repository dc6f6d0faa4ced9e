"""Draws how masses are distributed for several masses of the Higgs bosons."""

import mplhep
import numpy as np

from higgs_lib.plots.style import SIGNAL, axes

SHADES = ("black", SIGNAL, "#94a4a2")  # of several samples of signal


def spectra(counts: dict[str, np.ndarray], edges: np.ndarray, *, label: str, marks: list[float], legend=True, ax=None):
    """Draws the distribution of a mass in up to three samples of signal, each with area one.

    Args:
        counts: the counts (n_bins,) of each sample by its legend.
        edges: of the bins (n_bins + 1,), in GeV.
        label: of the x axis.
        marks: a mass of each sample, in GeV, which a dotted line marks.
        legend: whether to draw the legend.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    shades = SHADES if len(counts) > 1 else (SIGNAL,)
    for (name, of_sample), mark, colour, line in zip(counts.items(), marks, shades, ("-", "--", "-."), strict=False):
        style = {"color": colour, "linestyle": line, "linewidth": 1.5}
        mplhep.histplot(of_sample, edges, ax=ax, density=True, yerr=False, label=name, **style)
        ax.axvline(mark, color=colour, linestyle=":", linewidth=1)
    ax.set(xlabel=label, ylabel="density [1/GeV]", xlim=(edges[0], edges[-1]))
    ax.set_ylim(0, 1.35 * ax.get_ylim()[1])  # room for the legend
    if legend:
        ax.legend(loc="upper right")
    return ax

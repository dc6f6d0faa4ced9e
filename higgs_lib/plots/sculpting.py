"""Draws the masses of the background that classifiers take for signal."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from higgs_lib.plots.style import BACKGROUND, SIGNAL


def background_shapes(
    background: np.ndarray,
    signal: np.ndarray,
    selected: Sequence[np.ndarray],
    edges: np.ndarray,
    *,
    label: str,
    axes: Sequence[Axes],
    mass: float | None = None,
) -> Sequence[Axes]:
    """Draws a mass in all background, in the background that each classifier selects and in the signal; of area one.

    Args:
        background: the mass of all background events in GeV (n_background,).
        signal: the same of all signal events (n_signal,).
        selected: the same of the background that each classifier selects.
        edges: of the bins in GeV (n_bins + 1,).
        label: of the x axes.
        axes: an axes for each classifier.
        mass: the mass in GeV that a dotted line marks.

    Returns:
        The axes.
    """
    for ax, of_classifier in zip(axes, selected, strict=True):
        fill = {"histtype": "stepfilled", "color": BACKGROUND, "alpha": 0.25, "linewidth": 0}
        ax.hist(background, edges, density=True, label="all background", **fill)
        outline = {"histtype": "step", "density": True}
        ax.hist(signal, edges, color=SIGNAL, linewidth=1.5, label="signal", **outline)
        ax.hist(of_classifier, edges, color=BACKGROUND, linewidth=1.5, label="most signal-like background", **outline)
        if mass:
            ax.axvline(mass, color="grey", linestyle=":", linewidth=1, label="mass of the Higgs boson in the signal")
        ax.set(xlabel=label, xlim=(edges[0], edges[-1]))
    axes[0].set_ylabel("density [1/GeV]")
    return axes

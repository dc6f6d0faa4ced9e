"""Draws what one network of all signal masses does over the plane of the masses."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from higgs_lib.metrics import Interval
from higgs_lib.plots.style import CLASSIFIER_COLOURS, axes, error_bars


def significance(
    masses: np.ndarray, values: np.ndarray, *, limit: tuple[np.ndarray, np.ndarray], ax: Axes | None = None
) -> Axes:
    """Draws a significance at each point of a grid of masses, as a colour and as a number.

    Args:
        masses: the masses (n, 2) of H0 and H+- in GeV, on a square grid.
        values: the significances (n,).
        limit: the masses of H0 and H+- (k,) between which and the diagonal the decay is forbidden.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    columns, rows = (np.unique(of_one) for of_one in masses.T)
    cells = np.full((len(rows), len(columns)), np.nan)
    cells[np.searchsorted(rows, masses[:, 1]), np.searchsorted(columns, masses[:, 0])] = values
    image = ax.pcolormesh(columns, rows, cells, cmap="viridis", shading="nearest")
    middle = (values.min() + values.max()) / 2
    for (x, y), value in zip(masses, values, strict=True):
        colour = "white" if value < middle else "black"
        ax.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=8, color=colour)
    ax.plot(*limit, color="0.5", linestyle="--", linewidth=1, label="limit of the decay")
    ax.figure.colorbar(image, ax=ax, label="Asimov significance [standard deviations]")
    ax.set(xlabel=r"$m_{H^0}$ [GeV]", ylabel=r"$m_{H^\pm}$ [GeV]")
    ax.legend(loc="upper left")
    return ax


def differences(
    names: Sequence[str], values: Sequence[Interval], *, margin: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draws the AUC of the network of all masses less that of a network of one, at each point.

    Args:
        names: of the points.
        values: the differences.
        margin: the size of a difference up to which a band is drawn; None: no band.
        ax: the axes.

    Returns:
        The axes.
    """
    ax, rows = axes(ax), np.arange(len(names))
    value, error = error_bars(values)
    if margin:
        ax.axvspan(-margin, margin, color="0.9", linewidth=0, label=f"within {margin}")
    ax.axvline(0, color="0.5", linewidth=1)
    ax.errorbar(value, rows, xerr=error, fmt="o", capsize=2, color=CLASSIFIER_COLOURS["kinematic"])
    ax.set(yticks=rows, yticklabels=names, ylim=(len(names) - 0.5, -0.5), xlabel="difference of the AUCs")
    ax.locator_params(axis="x", nbins=4)
    ax.set_ylabel(r"$m_{H^0}$ / $m_{H^\pm}$ [GeV]")
    if margin:
        ax.legend(loc="best")
    return ax

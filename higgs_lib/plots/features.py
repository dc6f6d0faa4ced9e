"""Draws features of the events, by class and by sample."""

from collections.abc import Mapping

import mplhep
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from higgs_lib import data
from higgs_lib.metrics import Histogram, Interval
from higgs_lib.plots.style import BACKGROUND, FEATURE_COLOURS, SIGNAL, axes, error_bars

PANELS = (
    *("lepton_pt", "lepton_eta", "lepton_phi", "missing_energy"),
    *(f"jet_{jet}_{quantity}" for jet in (1, 2, 3, 4) for quantity in data.features.JET_QUANTITIES),
)
"""The low-level features by object, four in a row; the flat angle of the missing transverse energy is left out."""


def density_label(name: str) -> str:
    """Returns the label of the axis of a feature's distribution of area one, such as 1/N dN/dm [1/GeV]."""
    if name.endswith("b_tag"):
        return "fraction"
    ending = name.rpartition("_")[2]
    variable = {"pt": "p_T", "eta": r"\eta", "phi": r"\phi", "energy": "E_T"}.get(ending, "m")
    unit = data.unit(name)
    return f"$1/N\\;dN/d{variable}$" + (f" [1/{unit}]" if unit else "")


def by_class(histogram: Histogram) -> list[tuple[str, np.ndarray, str]]:
    """Returns name, counts and colour of both classes."""
    return [("signal", histogram.signal, SIGNAL), ("background", histogram.background, BACKGROUND)]


def classes(
    histogram: Histogram,
    *,
    label: str,
    density: str = "density",
    peaks: Mapping[str, float] | None = None,
    particle: str = "",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draws signal and background of one feature, each with area one.

    Args:
        histogram: counts of both classes.
        label: of the x axis.
        density: of the y axis.
        peaks: a mass to mark for "signal" or "background", in the feature's unit.
        particle: the symbol of the particle with this mass, which is written beside the mark.
        legend: whether to draw the legend.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for name, counts, colour in by_class(histogram):
        mplhep.histplot(counts, histogram.edges, ax=ax, density=True, yerr=False, label=name, color=colour)
    ax.set(xlabel=label, ylabel=density, xlim=(histogram.edges[0], histogram.edges[-1]))
    ax.set_ylim(bottom=0)
    if particle:
        ax.set_ylim(top=1.22 * ax.get_ylim()[1])  # room for the symbol
    for mass in dict.fromkeys((peaks or {}).values()):
        marked = [name for name, peak in peaks.items() if peak == mass]
        colour = "0.3" if len(marked) > 1 else SIGNAL if marked == ["signal"] else BACKGROUND
        ax.axvline(mass, color=colour, linestyle=":", linewidth=1.2)
        if particle:
            written = f" ${particle}$, {mass:.{0 if mass > 100 else 1}f} GeV"
            ax.text(mass, 0.97, written, transform=ax.get_xaxis_transform(), color=colour, va="top", fontsize=9)
    if legend:
        ax.legend(fontsize="small")
    return ax


def low_level(histograms: Mapping[str, Histogram], axes: np.ndarray) -> np.ndarray:
    """Draws the features of `PANELS` by class and, below each, the ratio of signal to background.

    `histograms` are by the name of the feature; `axes` (10, 4) alternate between distributions and ratios. Returns the
    axes.
    """
    pairs = np.stack([axes[::2].ravel(), axes[1::2].ravel()], 1)
    for number, (name, (above, below)) in enumerate(zip(PANELS, pairs, strict=True)):
        histogram = histograms[name]
        classes(histogram, label="", density=density_label(name), legend=False, ax=above)
        above.tick_params(labelbottom=False)
        above.set_ylim(top=1.1 * above.get_ylim()[1])
        above.yaxis.set_major_locator(MaxNLocator(3))
        above.yaxis.label.set_fontsize(9)
        quotient(histogram.signal, histogram.background, histogram.edges, ax=below)
        below.set(xlabel=data.axis_label(name), ylim=(0.4, 1.8), ylabel="ratio" if number % 4 == 0 else "")
        below.tick_params(labelleft=number % 4 == 0)
        if name.endswith("b_tag"):
            below.set_xticks([0, 1, 2], ["none", "loose", "tight"])
    return axes


def masses(
    histograms: Mapping[str, Histogram], peaks: Mapping[str, Mapping[str, float]], axes: np.ndarray
) -> np.ndarray:
    """Draws the seven masses by class with the masses of the particles, and the legend in the eighth panel.

    Args:
        histograms: counts of both classes, by the name of the mass.
        peaks: the particle's mass for "signal" or "background", by the name of the mass.
        axes: (2, 4).

    Returns:
        The axes.
    """
    for name, ax in zip(data.HIGH, axes.flat, strict=False):
        style = {"label": data.axis_label(name), "density": density_label(name), "legend": False}
        classes(histograms[name], **style, peaks=peaks[name], particle=PARTICLES[name], ax=ax)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2), useMathText=True)
        if ax not in axes[:, 0]:
            ax.set_ylabel("")
    last = axes.flat[-1]
    last.plot([], [], color=SIGNAL, label="signal")
    last.plot([], [], color=BACKGROUND, label="background")
    last.plot([], [], color="0.3", linestyle=":", label="mass of the particle")
    last.legend(loc="center", fontsize="medium")
    last.set_axis_off()
    return axes


PARTICLES = {
    "m_jj": "W",
    "m_jjj": "t",
    "m_lv": "W",
    "m_jlv": "t",
    "m_bb": "h^0",
    "m_wbb": r"H^\pm",
    "m_wwbb": "H^0",
}
"""The symbol of the particle at which each mass should peak."""


def quotient(first: np.ndarray, second: np.ndarray, edges: np.ndarray, *, band: str | None = None, ax=None):
    """Draws the ratio of two distributions of area one, as points with the statistical uncertainty of the first.

    Args:
        first: counts (n_bins,).
        second: counts (n_bins,).
        edges: of the bins (n_bins + 1,).
        band: the colour of a band with the uncertainty of the second; None: the bars of the points hold both.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    filled = (first > 0) & (second > 0)
    centres, one, other = (edges[1:] + edges[:-1])[filled] / 2, first[filled], second[filled]
    ratio = one / one.sum() / (other / other.sum())
    variance = 1 / one + (0 if band else 1 / other)
    if band:
        limits = (1 - other**-0.5, 1 + other**-0.5)
        ax.fill_between(centres, *limits, step="mid", color=band, alpha=0.3, linewidth=0)
    ax.errorbar(centres, ratio, ratio * np.sqrt(variance), fmt=".", color="black", markersize=3, linewidth=1)
    ax.axhline(1, color="grey", linewidth=0.5)
    ax.set(ylabel="ratio", xlim=(edges[0], edges[-1]))
    return ax


def ratio(
    first: np.ndarray,
    second: np.ndarray,
    edges: np.ndarray,
    *,
    label: str,
    names: tuple[str, str],
    axes: tuple[Axes, Axes],
    legend: bool = True,
) -> tuple[Axes, Axes]:
    """Draws two samples, each with area one, and below them the first over the second.

    Points are the first sample with its statistical uncertainty; the band is the uncertainty of the second.

    Args:
        first: counts (n_bins,).
        second: counts (n_bins,).
        edges: of the bins (n_bins + 1,).
        label: of the x axis.
        names: of the two samples.
        axes: the upper and the lower axes.
        legend: whether to draw the legend.

    Returns:
        Both axes.
    """
    ax, below = axes
    mplhep.histplot(second, edges, ax=ax, density=True, yerr=False, color="0.5", label=names[1])
    mplhep.histplot(
        first, edges, ax=ax, density=True, yerr=True, histtype="errorbar", color="black", markersize=3, label=names[0]
    )
    ax.set(ylabel="density", xlim=(edges[0], edges[-1]))
    ax.set_ylim(bottom=0)
    ax.tick_params(labelbottom=False)
    if legend:
        ax.legend(fontsize="small")
    quotient(first, second, edges, band="0.5", ax=below)
    below.set(xlabel=label, ylim=(0.6, 1.4))
    return axes


def two_samples(
    first: Mapping[str, Histogram],
    second: Mapping[str, Histogram],
    event_class: str,
    *,
    names: tuple[str, str],
    axes: np.ndarray,
) -> np.ndarray:
    """Draws every feature of two samples and, below each, their ratio.

    Args:
        first: counts by the name of the feature, in the bins of `second`.
        second: counts by the name of the feature.
        event_class: "signal" or "background".
        names: of the two samples.
        axes: (14, 4), alternately of distributions and of ratios.

    Returns:
        The axes.
    """
    pairs = np.stack([axes[::2].ravel(), axes[1::2].ravel()], 1)
    for number, (name, pair) in enumerate(zip(data.COMPLETE, pairs, strict=True)):
        counts = (getattr(sample[name], event_class) for sample in (first, second))
        ratio(*counts, first[name].edges, label=data.axis_label(name), names=names, axes=pair, legend=number == 0)
        pair[0].set_ylabel(density_label(name))
        pair[0].yaxis.set_major_locator(MaxNLocator(3))
        if number % 4:
            pair[1].set_ylabel("")
            pair[1].tick_params(labelleft=False)
    return axes


def correlations(
    matrix: np.ndarray,
    rows: list[str],
    columns: list[str] | None = None,
    *,
    title: str,
    limit: float = 1.0,
    ax: Axes | None = None,
) -> Axes:
    """Draws linear correlations between features.

    Args:
        matrix: the correlations (n_rows, n_columns).
        rows: their names.
        columns: their names; None: those of the rows.
        title: of the axes.
        limit: the largest absolute value of the scale.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    labels = {"xticklabels": columns or rows, "yticklabels": rows}
    bar = {"label": "linear correlation", "shrink": 0.7}
    style = {"vmin": -limit, "vmax": limit, "cmap": "RdBu_r", "square": True, "rasterized": True}
    sns.heatmap(matrix, ax=ax, cbar_kws=bar, **style, **labels)
    ax.tick_params(labelsize=9, length=0)
    ax.tick_params(axis="y", rotation=0)
    ax.set_title(title)
    return ax


def single_features(aucs: Mapping[str, Interval], *, ax: Axes | None = None) -> Axes:
    """Draws the AUC of each feature alone with its interval, top down, low- and high-level ones in their colours.

    `aucs` are by the name of the feature.
    """
    ax = axes(ax)
    places = dict(zip(aucs, range(len(aucs))[::-1], strict=True))
    for level, names in {"high": data.HIGH, "low": data.LOW}.items():
        values, errors = error_bars(aucs[name] for name in names)
        style = {"fmt": "o", "markersize": 4.5, "capsize": 2, "color": FEATURE_COLOURS[level]}
        ax.errorbar(values, [places[name] for name in names], xerr=errors, label=f"{level}-level", **style)
    ax.axvline(0.5, color="grey", linewidth=0.8, linestyle="--", label="chance")
    ax.set_yticks(list(places.values()), [data.symbol(name) for name in places])
    ax.set(xlabel="test AUC of the feature alone, 95 % interval", ylim=(-1, len(places)))
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="lower right")
    return ax

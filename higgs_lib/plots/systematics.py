"""Draws binned fits with systematic uncertainties."""

from collections.abc import Mapping, Sequence

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy import stats

from higgs_lib.metrics import Interval
from higgs_lib.plots.style import BACKGROUND, CYCLE, MARKERS, PUBLISHED, SIGNAL, axes, error_bars

TREATMENT_GREYS = ("#b0b0b0", "#717581", "#1a1a1a")
SIDE_GREYS = {"up": "#4d4d4d", "down": "#b3b3b3"}


def templates(
    signal: np.ndarray,
    background: np.ndarray,
    uncertainty: np.ndarray,
    *,
    title: str,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draws the expected events in the bins of a fit, signal on top of the background, with a band.

    Args:
        signal: expected signal events (n_bins,).
        background: expected background events (n_bins,).
        uncertainty: the standard deviation of their sum from everything but Poisson fluctuations, (n_bins,).
        title: of the axes.
        legend: whether to draw the legend.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    edges = np.arange(len(signal) + 1) + 0.5
    style = {"color": [BACKGROUND, SIGNAL], "label": ["background", "signal"], "histtype": "fill", "yerr": False}
    mplhep.histplot([background, signal], edges, ax=ax, stack=True, **style)
    total = signal + background
    band = {"step": "post", "facecolor": "none", "edgecolor": "black", "hatch": "////", "linewidth": 0}
    lower, upper = (np.append(limit, limit[-1]) for limit in (total - uncertainty, total + uncertainty))
    ax.fill_between(edges, lower, upper, label="systematic uncertainty", **band)
    ax.set(xlabel="bin of the score", ylabel="expected events", title=title, yscale="log")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(bottom=1, top=20 * total.max())  # room for the legend
    if legend:
        ax.legend(fontsize="small", loc="upper right")
    return ax


def effects(
    by_name: Mapping[str, tuple[np.ndarray, np.ndarray]], *, title: str, legend: bool = True, ax: Axes | None = None
) -> Axes:
    """Draws relative effects of nuisance parameters in the bins of a fit: as measured, and as the fit takes them.

    Args:
        by_name: the measured and the smoothed effect of each parameter, (n_bins,) each.
        title: of the axes.
        legend: whether to draw the legend.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for number, (name, (measured, smoothed)) in enumerate(by_name.items()):
        bins = np.arange(len(measured)) + 1
        style = {"color": CYCLE[number % len(CYCLE)]}
        ax.plot(bins, 100 * measured, MARKERS[number % len(MARKERS)], markersize=4, alpha=0.6, **style)
        ax.plot(bins, 100 * smoothed, label=name.replace("_", " "), **style)
    ax.axhline(0, color="grey", linewidth=0.5)
    ax.set(xlabel="bin of the score", ylabel="change by one σ [%]", title=title)
    if legend:
        ax.legend(fontsize="small", ncols=2)
    return ax


def significances(
    rows: Mapping[str, Mapping[str, Interval]],
    *,
    references: Mapping[str, Sequence[float]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the significance of each classifier by several treatments, top down.

    Args:
        rows: by classifier, then by treatment; the same treatments in each.
        references: values of other sources for the same rows, drawn as marks; nan where there is none.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    places = np.arange(len(rows))[::-1].astype(float)
    treatments = list(next(iter(rows.values())))
    for number, treatment in enumerate(treatments):
        values, errors = error_bars([row[treatment] for row in rows.values()])
        offset = 0.22 * ((len(treatments) - 1) / 2 - number)
        style = {"fmt": MARKERS[number], "markersize": 5, "capsize": 2, "linewidth": 1}
        style["color"] = TREATMENT_GREYS[number % len(TREATMENT_GREYS)]
        ax.errorbar(values, places + offset, xerr=errors, label=treatment, **style)
    for mark, (source, others) in zip(("x", "+"), (references or {}).items(), strict=False):
        ax.plot(others, places, mark, color=PUBLISHED, markeredgewidth=1.5, label=source)
    for place in places[1:] + 0.5:
        ax.axhline(place, color="grey", linewidth=0.3)
    ax.set_yticks(places, list(rows))
    ax.set_ylim(-0.5, len(rows) - 0.5)
    ax.set_xlabel("expected significance [σ]")
    ax.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.4, 1), ncols=3)
    return ax


def impacts(
    names: Sequence[str],
    up: Sequence[float],
    down: Sequence[float],
    pulls: Sequence[Interval],
    *,
    axes: tuple[Axes, Axes],
) -> tuple[Axes, Axes]:
    """Draws impacts on the signal strength, ranked, and beside them the pulls of the nuisance parameters.

    Args:
        names: of the parameters, the largest impact first.
        up: the change of the signal strength with each parameter one standard deviation higher.
        down: the same with it lower.
        pulls: the fitted values in standard deviations before the fit; nan where there is none.
        axes: the axes of the pulls and those of the impacts.

    Returns:
        Both axes.
    """
    left, right = axes
    places = np.arange(len(names))[::-1]
    values, errors = error_bars(pulls)
    left.axvspan(-1, 1, color="grey", alpha=0.15, linewidth=0)
    left.errorbar(values, places, xerr=errors, fmt="o", color="black", markersize=4, capsize=2)
    left.set(xlabel="pull [σ before the fit]", xlim=(-2.2, 2.2))
    left.set_yticks(places, [name.replace("_", " ") for name in names])
    right.barh(places, up, color=SIDE_GREYS["up"], label="one σ up", height=0.6)
    right.barh(places, down, color=SIDE_GREYS["down"], label="one σ down", height=0.6)
    right.axvline(0, color="grey", linewidth=0.5)
    right.set(xlabel="impact on the signal strength")
    right.xaxis.set_major_locator(MaxNLocator(5))
    right.legend(fontsize="small", loc="lower right")
    return axes


def q0_distribution(q0: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Draws which fraction of experiments without signal reaches a significance, and the asymptotic formula.

    Args:
        q0: the statistic of each experiment, (n,).
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    significance = np.sort(np.sqrt(q0))
    reached = 1 - np.arange(len(significance)) / len(significance)
    z = np.linspace(0.02, max(3.0, significance[-1]), 200)
    formula, n = stats.norm.sf(z), len(q0)
    low, high = (stats.binom.ppf(level, n, formula) / n for level in (0.025, 0.975))
    ax.fill_between(z, low, high, color="grey", alpha=0.3, linewidth=0, label=f"95 % of {n} experiments")
    ax.plot(z, formula, color="grey", label="asymptotic: 1 - Φ")
    ax.step(significance, reached, where="post", color="black", label="experiments")
    ax.set(xlabel="significance [σ]", ylabel="fraction that reaches it", yscale="log", xlim=(0, z[-1]))
    ax.set_ylim(bottom=0.5 / n, top=1)
    ax.legend(fontsize="small")
    return ax

"""Draws results; computes nothing. Every function takes `ax` (default: the current axes) and returns it."""

import mplhep
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from higgs_lib.metrics import Histogram, Interval, Roc
from higgs_lib.plots.style import BACKGROUND, CYCLE, SIGNAL, axes


def classes(histogram: Histogram, *, label: str, peaks: dict[str, float] | None = None, legend: bool = True, ax=None):
    """Signal and background of one feature, each with area one; `peaks` marks a mass for a class, in the same unit."""
    ax = axes(ax)
    for name, counts, colour in (
        ("signal", histogram.signal, SIGNAL),
        ("background", histogram.background, BACKGROUND),
    ):
        mplhep.histplot(counts, histogram.edges, ax=ax, density=True, yerr=False, label=name, color=colour)
        if peaks and name in peaks:
            ax.axvline(peaks[name], color=colour, linestyle=":", linewidth=1)
    ax.set(xlabel=label, ylabel="density", xlim=(histogram.edges[0], histogram.edges[-1]))
    ax.set_ylim(bottom=0)
    if legend:
        ax.legend(fontsize="small")
    return ax


def ratio(
    first, second, edges: np.ndarray, *, label: str, names: tuple[str, str], axes: tuple[Axes, Axes], legend=True
):
    """Counts (n_bins,) of two samples, each with area one, above; below, the first over the second.

    Points are the first, with its statistical uncertainty; the band is the second's. `axes`: the upper and the lower.
    """
    ax, below = axes
    mplhep.histplot(second, edges, ax=ax, density=True, yerr=False, color=SIGNAL, label=names[1])
    mplhep.histplot(
        first, edges, ax=ax, density=True, yerr=True, histtype="errorbar", color="black", markersize=3, label=names[0]
    )
    ax.set(ylabel="density", xlim=(edges[0], edges[-1]))
    ax.set_ylim(bottom=0)
    ax.tick_params(labelbottom=False)
    if legend:
        ax.legend(fontsize="small")
    filled = (first > 0) & (second > 0)
    centres, first, second = ((edges[1:] + edges[:-1])[filled] / 2, first[filled], second[filled])
    quotient = first / first.sum() / (second / second.sum())
    below.fill_between(centres, 1 - second**-0.5, 1 + second**-0.5, step="mid", color=SIGNAL, alpha=0.3, linewidth=0)
    below.errorbar(centres, quotient, quotient / np.sqrt(first), fmt=".", color="black", markersize=3, linewidth=1)
    below.axhline(1, color="grey", linewidth=0.5)
    below.set(xlabel=label, ylabel="ratio", xlim=(edges[0], edges[-1]), ylim=(0.6, 1.4))
    return axes


def correlations(matrix: np.ndarray, names: list[str], *, title: str, ax=None):
    """Linear correlations between features: `matrix` (n, n) in [-1, 1]."""
    ax = axes(ax)
    sns.heatmap(
        matrix, vmin=-1, vmax=1, cmap="RdBu_r", square=True, xticklabels=names, yticklabels=names, ax=ax,
        cbar_kws={"label": "linear correlation", "shrink": 0.7}, rasterized=True,
    )  # fmt: skip
    ax.tick_params(labelsize="x-small", length=0)
    ax.set_title(title)
    return ax


def by_epoch(training: np.ndarray, validation: np.ndarray, *, measure: str, name: str, colour: str, ax=None):
    """A measure against the epoch: validation solid, training dashed; one row a seed, (seeds, epochs), nan-padded."""
    ax = axes(ax)
    epochs = np.arange(1, validation.shape[1] + 1)
    ax.plot(epochs, validation.T, color=colour, label=[name] + [None] * (len(validation) - 1))
    ax.plot(epochs, training.T, color=colour, linestyle="--", alpha=0.6)
    ax.set(xlabel="epoch", ylabel={"loss": "mean loss", "auc": "AUC", "accuracy": "accuracy"}[measure])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize="small")
    return ax


def roc(curve: Roc, *, label: str, colour: str | None = None, line: str = "-", ax=None):
    """Background rejection against signal efficiency."""
    ax = axes(ax)
    ax.plot(curve.signal_efficiency, curve.background_rejection, color=colour, linestyle=line, label=label)
    ax.set(xlabel="signal efficiency", ylabel="background rejection", xlim=(0, 1), ylim=(0, 1.005))
    ax.legend(fontsize="small", loc="lower left")
    return ax


def scores(histogram: Histogram, *, title: str, normalised: bool = True, ax=None):
    """The output of a net for both classes, with statistical uncertainties; each with area one, or in events."""
    ax = axes(ax)
    for name, counts, colour in (
        ("signal", histogram.signal, SIGNAL),
        ("background", histogram.background, BACKGROUND),
    ):
        mplhep.histplot(counts, histogram.edges, ax=ax, density=normalised, yerr=True, label=name, color=colour)
    ax.set(xlabel="output of the net", ylabel="density" if normalised else "events", title=title, xlim=(0, 1))
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def expected(histogram: Histogram, *, signal: float, background: float, title: str, ax=None):
    """The output of a net, scaled to the expected events of each class: signal on top of the background."""
    ax = axes(ax)
    counts = [
        histogram.background * background / histogram.background.sum(),
        histogram.signal * signal / histogram.signal.sum(),
    ]
    mplhep.histplot(
        counts, histogram.edges, ax=ax, stack=True, histtype="fill", color=[BACKGROUND, SIGNAL],
        label=[f"background, {background:.0f}", f"signal, {signal:.0f}"], yerr=False,
    )  # fmt: skip
    ax.set(xlabel="output of the net", ylabel="expected events", title=title, xlim=(0, 1), yscale="log")
    ax.set_ylim(top=5 * sum(counts).max())  # room for the legend
    ax.legend(fontsize="small", loc="upper right")
    return ax


def against_cut(cuts: np.ndarray, values: np.ndarray, *, label: str, ylabel: str, best: float, colour: str, ax=None):
    """A measure against the cut on the net's output; the dotted line marks the cut chosen, `best`."""
    ax = axes(ax)
    ax.plot(cuts, values, label=label, color=colour)
    ax.axvline(best, color=colour, linestyle=":", linewidth=1)
    ax.set(xlabel="cut on the output", ylabel=ylabel, xlim=(0, 1))
    ax.legend(fontsize="small")
    return ax


def intervals(
    rows: dict[str, Interval],
    *,
    xlabel: str,
    label: str = "ours, 95 %",
    references: dict[str, list[float]] | None = None,
    ax=None,
):
    """One value with its interval a row, top down; `references` puts marks of other sources at the same rows."""
    ax = axes(ax)
    places = np.arange(len(rows))[::-1]
    values = np.array([row.value for row in rows.values()])
    errors = np.array([[row.value - row.low, row.high - row.value] for row in rows.values()]).T
    ax.errorbar(values, places, xerr=errors, fmt="o", capsize=3, color="black", label=label)
    for number, (source, others) in enumerate((references or {}).items()):
        ax.plot(others, places, marker="sD^v"[number % 4], linestyle="", color=CYCLE[number], label=source)
    ax.set_yticks(places, list(rows))
    ax.set_xlabel(xlabel)
    ax.grid(axis="x", alpha=0.3)
    ax.legend(fontsize="small")
    return ax


def learning_curve(n_training: list[int], aucs: list[Interval], *, label: str, colour: str, line: str = "-", ax=None):
    """Test AUC with its interval against the number of training events."""
    ax = axes(ax)
    values = np.array([auc.value for auc in aucs])
    errors = np.array([[auc.value - auc.low, auc.high - auc.value] for auc in aucs]).T
    ax.errorbar(n_training, values, yerr=errors, marker="o", capsize=3, color=colour, linestyle=line, label=label)
    ax.set(xscale="log", xlabel="training events", ylabel="test AUC")
    ax.legend(fontsize="small")
    return ax


def rates(
    rates: dict[str, dict[int, tuple[float, float, float]]], *, ceiling: float, ceiling_label: str, title: str, ax=None
):
    """Events a second against the batch size, a line a contender; the bars are the range of the repeats.

    `rates` gives median, lowest and highest for each contender and batch size; `ceiling` is a rate.
    """
    ax = axes(ax)
    for number, (name, by_batch) in enumerate(rates.items()):
        median, low, high = np.array(list(by_batch.values())).T
        style = {"color": CYCLE[number % len(CYCLE)], "marker": "osD^vP*"[number % 7], "markersize": 5, "capsize": 2}
        ax.errorbar(list(by_batch), median, yerr=[median - low, high - median], label=name, **style)
    ax.axhline(ceiling, color="black", linestyle="--", linewidth=1, label=ceiling_label)
    sizes = sorted({size for by_batch in rates.values() for size in by_batch})
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set(xlabel="events a batch", ylabel="training events / s", title=title)
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax

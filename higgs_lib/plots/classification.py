"""Draws trainings and classifiers."""

from collections.abc import Sequence

import mplhep
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from higgs_lib.metrics import Histogram, Interval, Reliability, Roc, RocBand
from higgs_lib.plots.features import by_class
from higgs_lib.plots.style import BACKGROUND, PUBLISHED, SIGNAL, axes, error_bars


def by_epoch(
    training: np.ndarray, validation: np.ndarray, *, measure: str, name: str, colour: ColorType, ax: Axes | None = None
) -> Axes:
    """Draws a measure against the epoch: validation solid, training dashed.

    Args:
        training: the measure (seeds, epochs), padded with nan.
        validation: the same of validation events.
        measure: "loss", "auc" or "accuracy".
        name: the legend.
        colour: of all lines.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    epochs = np.arange(1, validation.shape[1] + 1)
    lines = [{"marker": "o", "linestyle": ""}, {"marker": "x", "linestyle": ""}]  # of one epoch
    if len(epochs) > 1:
        lines = [{"linestyle": "-"}, {"linestyle": "--"}]
    for rows, part, style in zip((validation, training), ("validation", "training"), lines, strict=True):
        ax.plot(epochs, rows.T, color=colour, **style)
        if part not in ax.get_legend_handles_labels()[1]:
            ax.plot([], [], color="grey", label=part, **style)
    ax.plot([], [], color=colour, label=name, **lines[0])
    ax.set(xlabel="epoch", ylabel={"loss": "mean loss", "auc": "AUC", "accuracy": "accuracy"}[measure])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.legend(fontsize="small")
    return ax


def roc(
    curve: Roc,
    *,
    label: str,
    colour: ColorType | None = None,
    line: str = "-",
    band: RocBand | None = None,
    inverse: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws background rejection against signal efficiency.

    Args:
        curve: the ROC curve.
        label: the legend.
        colour: of the line and the band.
        line: its style.
        band: the pointwise band of the curve.
        inverse: whether to draw the inverse of the background efficiency, on a logarithmic axis, instead of one less
            it.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)

    def height(rejection: np.ndarray) -> np.ndarray:
        """Returns the rejection, or the inverse efficiency: nan where no background is left."""
        efficiency = np.where(rejection < 1, 1 - rejection, np.nan)
        return 1 / efficiency if inverse else rejection

    (drawn,) = ax.plot(
        curve.signal_efficiency, height(curve.background_rejection), color=colour, linestyle=line, label=label
    )
    if band is not None:
        limits = (height(band.low), height(band.high))
        ax.fill_between(band.signal_efficiency, *limits, color=drawn.get_color(), alpha=0.2, linewidth=0)
    ax.set(xlabel="signal efficiency", xlim=(0, 1))
    if inverse:
        ax.set(ylabel="1 / background efficiency", yscale="log", ylim=(1, 1000))
    else:
        ax.set(ylabel="background rejection", ylim=(0, 1.005))
    ax.legend(fontsize="small", loc="upper right" if inverse else "lower left")
    return ax


def reliability(
    curve: Reliability,
    *,
    label: str,
    colour: str | None = None,
    marker: str = "o",
    deviation: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws the fraction of signal against the mean score, beside the line of exact probabilities.

    Args:
        curve: the reliability curve.
        label: the legend.
        colour: of the points and their bars.
        marker: of the points.
        deviation: whether to draw the fraction less the score.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    values, errors = error_bars(curve.deviations() if deviation else curve.fractions())
    ax.errorbar(
        curve.score, values, yerr=errors, marker=marker, markersize=4, linewidth=1, capsize=2, color=colour, label=label
    )
    ax.plot([0, 1], [0, 0 if deviation else 1], color="grey", linewidth=0.8, zorder=0)
    ylabel = "fraction of signal" + (" - score" if deviation else "")
    ax.set(xlabel="mean score", ylabel=ylabel, xlim=(0, 1))
    ax.legend(fontsize="small")
    return ax


def scores(histogram: Histogram, *, title: str, normalised: bool = True, ax: Axes | None = None) -> Axes:
    """Draws the network output of both classes with statistical uncertainties.

    Args:
        histogram: counts of both classes.
        title: of the axes.
        normalised: whether each class has area one; otherwise the axis counts events.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for name, counts, colour in by_class(histogram):
        mplhep.histplot(counts, histogram.edges, ax=ax, density=normalised, yerr=True, label=name, color=colour)
    ax.set(xlabel="network output", ylabel="density" if normalised else "events", title=title, xlim=(0, 1))
    ax.autoscale(axis="y")  # to the highest of axes that share it
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def expected(histogram: Histogram, *, signal: float, background: float, title: str, ax: Axes | None = None) -> Axes:
    """Draws the network output scaled to the expected events: background filled, signal as a line.

    The axis begins below the bin with the fewest expected events, so that it hides none.

    Args:
        histogram: counts of both classes.
        signal: expected signal events.
        background: expected background events.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    of_background = histogram.background * background / histogram.background.sum()
    of_signal = histogram.signal * signal / histogram.signal.sum()
    fill = {"histtype": "fill", "color": BACKGROUND, "alpha": 0.35, "label": f"background, {background:.0f}"}
    mplhep.histplot(of_background, histogram.edges, ax=ax, yerr=False, **fill)
    line = {"color": SIGNAL, "linewidth": 1.5, "label": f"signal, {signal:.0f}"}
    mplhep.histplot(of_signal, histogram.edges, ax=ax, yerr=False, **line)
    ax.set(xlabel="network output", ylabel="expected events", title=title, xlim=(0, 1), yscale="log")
    both = np.concatenate([of_background, of_signal])
    ax.set_ylim(min(0.5 * both[both > 0].min(), 1e-4 * (signal + background)), 5 * both.max())  # room for the legend
    ax.legend(fontsize="small", loc="upper right")
    return ax


def against_cut(
    cuts: np.ndarray, values: np.ndarray, *, label: str, ylabel: str, best: float, colour: str, ax: Axes | None = None
) -> Axes:
    """Draws a measure against the cut on the network output.

    Args:
        cuts: the cuts (n,).
        values: the measure (n,).
        label: the legend.
        ylabel: name of the measure.
        best: the cut that a dotted line marks.
        colour: of both lines.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    ax.plot(cuts, values, label=label, color=colour)
    ax.axvline(best, color=colour, linestyle=":", linewidth=1)
    ax.set(xlabel="cut on the network output", ylabel=ylabel, xlim=(0, 1))
    ax.legend(fontsize="small")
    return ax


def intervals(
    rows: dict[str, Interval],
    *,
    xlabel: str,
    label: str = "this study, 95 % interval",
    references: dict[str, list[float]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws a value with its interval per row, top down.

    Args:
        rows: the intervals by their name.
        xlabel: name of the value.
        label: legend of the intervals.
        references: values of other sources for the same rows, drawn as marks.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    places = np.arange(len(rows))[::-1]
    values, errors = error_bars(rows.values())
    ax.errorbar(values, places, xerr=errors, fmt="o", capsize=3, color="black", label=label)
    for number, (source, others) in enumerate((references or {}).items()):
        style = {"marker": "sD^v"[number % 4], "color": PUBLISHED, "markerfacecolor": "none"}
        ax.plot(others, places, linestyle="", label=source, **style)
    ax.set_yticks(places, list(rows))
    ax.set_xlabel(xlabel)
    ax.grid(axis="x", alpha=0.3)
    ax.legend(fontsize="small")
    return ax


def learning_curve(
    n_training: list[int], aucs: list[Interval], *, label: str, colour: str, line: str = "-", ax: Axes | None = None
) -> Axes:
    """Draws the test AUC with its interval against the number of training events.

    Args:
        n_training: the numbers of events (n,).
        aucs: the AUCs (n,).
        label: the legend.
        colour: of the line.
        line: its style.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    values, errors = error_bars(aucs)
    ax.errorbar(n_training, values, yerr=errors, marker="o", capsize=3, color=colour, linestyle=line, label=label)
    ax.set(xscale="log", xlabel="training events", ylabel="test AUC")
    ax.legend(fontsize="small")
    return ax


def prediction_band(
    n_training: Sequence[int] | np.ndarray,
    predicted: list[Interval],
    *,
    colour: str,
    line: str = "-",
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws a fitted learning curve with the band of its intervals.

    Args:
        n_training: the numbers of events (n,).
        predicted: the AUC by the curve (n,).
        colour: of line and band.
        line: its style.
        label: the legend; None: none.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    value, low, high = np.array(predicted).T
    ax.plot(n_training, value, color=colour, linestyle=line, linewidth=1, label=label)
    ax.fill_between(n_training, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.set(xscale="log", xlabel="training events", ylabel="test AUC")
    return ax


def r_squared(values: np.ndarray, rows: list[str], columns: list[str], *, title: str, ax: Axes | None = None) -> Axes:
    """Draws R^2 by rows and columns as a heat map with its values.

    Args:
        values: R^2 (n_rows, n_columns).
        rows: their names.
        columns: their names.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    labels = {"xticklabels": columns, "yticklabels": rows}
    style = {"vmin": 0, "vmax": 1, "cmap": "viridis", "cbar": False, "annot_kws": {"fontsize": 8.5}}
    sns.heatmap(values, annot=True, fmt=".2f", ax=ax, **style, **labels)
    ax.tick_params(labelsize=8.5, length=0)
    ax.tick_params(axis="both", rotation=0)
    ax.set_title(title)
    return ax

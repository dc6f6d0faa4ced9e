"""Draws how training scales with the number of workers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from higgs_lib.metrics import Interval
from higgs_lib.performance.scaling import Summary
from higgs_lib.plots.style import CYCLE, axes, error_bars, series_style

ALONE = ", network alone"

PHASES = {
    "input": ("input", "#94a4a2"),
    "compute": ("compute", "#3f90da"),
    "transfer": ("gradient all-reduce", "#bd1f01"),
    "waiting": ("waiting for other workers", "#ffa90e"),
    "evaluation": ("evaluation", "#832db6"),
}
"""Legend and colour of each phase of an epoch."""


def epoch_seconds(summaries: dict[str, Summary], *, cores: int | None = None, ax=None):
    """Draws seconds per epoch against workers, a line per optimizer; hollow where workers share `cores`."""
    ax = _by_workers({name: (s.workers, s.seconds) for name, s in summaries.items()}, cores, ax)
    ax.set(ylabel="s per epoch")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def relative_seconds(summaries: dict[str, Summary], *, cores: int | None = None, ax=None):
    """Draws the same relative to the fewest workers, with the ideal: inversely proportional to their number."""
    ax = _by_workers({name: (s.workers, s.relative_seconds) for name, s in summaries.items()}, cores, ax)
    workers = np.unique([n for summary in summaries.values() for n in summary.workers])
    fine = np.linspace(workers[0], workers[-1], 100)
    ax.plot(fine, workers[0] / fine, color="black", linestyle="--", linewidth=1, label="ideal")
    ax.set(ylabel="time relative to the fewest workers")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def speed_up(summaries: dict[str, Summary], *, predicted: dict[str, Summary] | None = None, cores=None, ax=None):
    """Draws the speed-up against workers, with the ideal.

    Args:
        summaries: the measured series.
        predicted: curves of laws with their bands, from the same fewest workers; a curve has the colour of the measured
            series of its name.
        cores: points with more workers than this are hollow.
        ax: the axes.

    Returns:
        The axes.
    """
    curves = predicted or {}
    line = "" if curves else "-"
    ax = _by_workers({name: (s.workers, s.speed_up) for name, s in summaries.items()}, cores, ax, line)
    colours = {name: series_style(number)["color"] for number, name in enumerate(summaries | curves)}
    for name, curve in curves.items():
        value, low, high = np.array(curve.speed_up).T
        label = None if name in summaries else name
        ax.plot(curve.workers, value, color=colours[name], linewidth=1, label=label)
        ax.fill_between(curve.workers, low, high, color=colours[name], alpha=0.2, linewidth=0)
    workers = np.unique([n for series in [*summaries.values(), *curves.values()] for n in series.workers])
    ax.plot(workers, workers / workers[0], color="black", linestyle="--", linewidth=1, label="ideal")
    ax.set(ylabel="speed-up")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def _by_workers(
    rows: dict[str, tuple[np.ndarray, list[Interval]]], cores: int | None, ax: Axes | None, line="-"
) -> Axes:
    """Draws series against the number of workers.

    Args:
        rows: numbers of workers (k,) and values of each series.
        cores: points with more workers than this are hollow.
        ax: the axes.
        line: style of the lines.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for number, (name, (workers, intervals)) in enumerate(rows.items()):
        value, bars = error_bars(intervals)
        style = series_style(number)
        ax.errorbar(workers, value, bars, label=name, capsize=2, linestyle=line, **style)
        shared = workers > (cores or np.inf)
        ax.plot(workers[shared], value[shared], linestyle="", markerfacecolor="white", zorder=3, **style)
    ax.set(xlabel="workers")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def phases(means: dict[str, dict[str, float]], *, xlabel: str, ax=None):
    """Draws the seconds of each phase of an epoch (`mean_phases` of a timed training), stacked, a bar per entry."""
    ax = axes(ax)
    bottom = np.zeros(len(means))
    for phase, (label, colour) in PHASES.items():
        heights = np.array([seconds[phase] for seconds in means.values()])
        ax.bar(list(means), heights, bottom=bottom, color=colour, label=label, width=0.7)
        bottom += heights
    ax.set(xlabel=xlabel, ylabel="s per epoch, mean over workers")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def predicted_speed_up(workers: np.ndarray, curves: dict[str, tuple[np.ndarray, float]], *, title: str, ax=None):
    """Draws predicted speed-up against workers, both logarithmic, with dots where steps become network-bound.

    Args:
        workers: numbers of workers (k,).
        curves: speed-up (k,) and the number of workers from which steps are network-bound, by name. A name that ends in
            ", network alone" is dashed, in the colour of the curve without that ending.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    names = list(dict.fromkeys(name.removesuffix(ALONE) for name in curves))
    for name, (values, bound_from) in curves.items():
        colour = CYCLE[names.index(name.removesuffix(ALONE))]
        line = "--" if name.endswith(ALONE) else "-"
        ax.plot(workers, values, color=colour, linestyle=line, label=None if name.endswith(ALONE) else name)
        if workers[0] <= bound_from <= workers[-1]:
            ax.plot(bound_from, np.interp(bound_from, workers, values), "o", color=colour, markersize=6)
    ax.plot(workers, workers, color="black", linestyle=":", linewidth=1, label="ideal")
    ax.set(xscale="log", yscale="log", xlabel="workers", ylabel="predicted speed-up")
    ax.set_title(title, fontsize="small")
    ax.legend(fontsize="small")
    return ax

"""Draws how training scales with the number of workers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from higgs_lib.metrics import Interval
from higgs_lib.performance.scaling import Summary
from higgs_lib.plots.style import CYCLE, MUTED, axes, error_bars, joined, series_style

PHASES = {
    "input": ("input", "#94a4a2"),
    "compute": ("compute", "#3f90da"),
    "transfer": ("gradient all-reduce", "#bd1f01"),
    "waiting": ("waiting for other workers", "#ffa90e"),
    "evaluation": ("evaluation", "#832db6"),
}
"""Legend and colour of each phase of an epoch."""


def epoch_seconds(summaries: dict[str, Summary], *, cores: int | None = None, ax: Axes | None = None) -> Axes:
    """Draws seconds per epoch against workers, the first optimizer bold; hollow where workers share `cores`."""
    ax = _by_workers({name: (s.workers, s.seconds) for name, s in summaries.items()}, cores, ax)
    ax.set(ylabel="s per epoch")
    _from_zero(ax)
    ax.legend()
    return ax


def relative_seconds(summaries: dict[str, Summary], *, cores: int | None = None, ax: Axes | None = None) -> Axes:
    """Draws the same relative to the fewest workers, with the ideal: inversely proportional to their number."""
    ax = _by_workers({name: (s.workers, s.relative_seconds) for name, s in summaries.items()}, cores, ax)
    workers = np.unique([n for summary in summaries.values() for n in summary.workers])
    fine = np.linspace(workers[0], workers[-1], 100)
    ax.plot(fine, workers[0] / fine, color="black", linestyle="--", linewidth=1, label="ideal")
    ax.set(ylabel="time relative to the fewest workers")
    _from_zero(ax)
    ax.legend()
    return ax


def speed_up(summaries: dict[str, Summary], *, cores: int | None = None, title: str, ax: Axes | None = None) -> Axes:
    """Draws the speed-up of some series against workers, with the ideal; hollow where workers share `cores`."""
    ax = _by_workers({name: (s.workers, s.speed_up) for name, s in summaries.items()}, cores, ax, n_bold=None)
    workers = np.unique([n for summary in summaries.values() for n in summary.workers])
    ax.plot(workers, workers / workers[0], color="black", linestyle="--", linewidth=1, label="ideal")
    ax.set(ylabel="speed-up", title=title)
    _from_zero(ax)
    ax.legend()
    return ax


def _by_workers(
    rows: dict[str, tuple[np.ndarray, list[Interval]]], cores: int | None, ax: Axes | None, n_bold: int | None = 1
) -> Axes:
    """Draws series against the number of workers.

    Args:
        rows: numbers of workers (k,) and values of each series.
        cores: points with more workers than this are hollow.
        ax: the axes.
        n_bold: how many series are drawn in colour, the first ones; the others are grey; None: all.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for number, (name, (workers, intervals)) in enumerate(rows.items()):
        value, bars = error_bars(intervals)
        if n_bold is None or number < n_bold:
            style = series_style(number) | {"linewidth": 2, "label": name}
        else:
            style = {"color": MUTED, "zorder": 1, "label": "other optimizers" if number == n_bold else None}
        ax.errorbar(workers, value, np.nan_to_num(bars), capsize=2, linestyle=joined(len(workers)), **style)
        shared = workers > (cores or np.inf)
        hollow = {"marker": "o", "markersize": 5} | style | {"markerfacecolor": "white", "zorder": 3, "label": None}
        ax.plot(workers[shared], value[shared], **hollow | {"linestyle": ""})
    ax.set(xlabel="workers")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def _from_zero(ax: Axes) -> None:
    """Makes the vertical axis begin at 0 and end above all that is drawn, also in axes that share it."""
    ax.set_autoscaley_on(True)
    ax.autoscale_view()
    ax.set_ylim(0, ax.get_ylim()[1])


def phases(means: dict[str, dict[str, float]], *, xlabel: str, ax: Axes | None = None) -> Axes:
    """Draws the seconds of each phase of an epoch (`mean_phases` of a timed training), stacked, a bar per entry."""
    ax = axes(ax)
    bottom = np.zeros(len(means))
    for phase, (label, colour) in PHASES.items():
        heights = np.array([seconds[phase] for seconds in means.values()])
        ax.bar(list(means), heights, bottom=bottom, color=colour, label=label, width=0.7)
        bottom += heights
    ax.set(xlabel=xlabel, ylabel="s per epoch, mean over workers")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def predicted_speed_up(
    workers: np.ndarray, curves: dict[str, tuple[np.ndarray, np.ndarray]], *, title: str, ax: Axes | None = None
) -> Axes:
    """Draws predicted speed-up against workers, from a network with the measured message time and by the network alone.

    Args:
        workers: numbers of workers (k,).
        curves: by name of the network, the speed-up (k,) with the measured message time (solid), and that by the
            network alone (dashed).
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for colour, (name, (measured, alone)) in zip(CYCLE, curves.items(), strict=False):
        ax.plot(workers, measured, color=colour, linewidth=2, label=name)
        ax.plot(workers, alone, color=colour, linestyle="--")
    highest = max(values.max() for pair in curves.values() for values in pair)
    ideal = workers[workers <= 1.05 * highest]
    ax.plot(ideal, ideal, color="black", linestyle=":", linewidth=1, label="ideal")
    ax.plot([], [], color="dimgrey", linewidth=2, label="message time as measured here")
    ax.plot([], [], color="dimgrey", linestyle="--", label="network alone")
    ax.set(xlabel="workers", ylabel="predicted speed-up", title=title)
    ax.set_xlim(workers[0], workers[-1])
    _from_zero(ax)
    return ax

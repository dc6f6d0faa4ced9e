"""Draws how training scales with the number of workers; as `plots`, it computes nothing."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from higgs_lib.metrics import Interval
from higgs_lib.performance.scaling import Summary
from higgs_lib.plots.style import CYCLE, axes

ALONE = ", network alone"

PHASE_COLOURS = {
    "input": "#94a4a2",
    "compute": "#3f90da",
    "transfer": "#bd1f01",
    "waiting": "#ffa90e",
    "evaluation": "#832db6",
}


def epoch_seconds(summaries: dict[str, Summary], *, cores: int | None = None, ax=None):
    """Seconds an epoch against the number of workers, a line an optimizer; hollow where workers share `cores`."""
    ax = _by_workers({name: (found.workers, found.seconds) for name, found in summaries.items()}, cores, ax)
    ax.set(ylabel="s / epoch")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def relative_seconds(summaries: dict[str, Summary], *, cores: int | None = None, ax=None):
    """The same relative to the fewest workers, with the ideal: inverse to their number."""
    ax = _by_workers({name: (found.workers, found.relative_seconds) for name, found in summaries.items()}, cores, ax)
    workers = np.unique([n for found in summaries.values() for n in found.workers])
    fine = np.linspace(workers[0], workers[-1], 100)
    ax.plot(fine, workers[0] / fine, color="black", linestyle="--", linewidth=1, label="ideal")
    ax.set(ylabel="time relative to the fewest workers")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def speed_up(summaries: dict[str, Summary], *, predicted: dict[str, Summary] | None = None, cores=None, ax=None):
    """Speed-up against the number of workers, with the ideal; hollow as in `epoch_seconds`.

    `predicted` adds curves of laws with their bands, from the same fewest workers on: in the colour of the points of
    the same name, if there are any.
    """
    curves = predicted or {}
    line = "" if curves else "-"
    ax = _by_workers({name: (found.workers, found.speed_up) for name, found in summaries.items()}, cores, ax, line)
    colours = {name: CYCLE[number % len(CYCLE)] for number, name in enumerate(summaries | curves)}
    for name, found in curves.items():
        value, low, high = np.array(found.speed_up).T
        label = None if name in summaries else name
        ax.plot(found.workers, value, color=colours[name], linewidth=1, label=label)
        ax.fill_between(found.workers, low, high, color=colours[name], alpha=0.2, linewidth=0)
    workers = np.unique([n for found in [*summaries.values(), *curves.values()] for n in found.workers])
    ax.plot(workers, workers / workers[0], color="black", linestyle="--", linewidth=1, label="ideal")
    ax.set(ylabel="speed-up")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def _by_workers(
    rows: dict[str, tuple[np.ndarray, list[Interval]]], cores: int | None, ax: Axes | None, line="-"
) -> Axes:
    ax = axes(ax)
    for number, (name, (workers, intervals)) in enumerate(rows.items()):
        value, low, high = np.array(intervals).T
        style = {"color": CYCLE[number % len(CYCLE)], "marker": "osD^vP*"[number % 7], "markersize": 5}
        ax.errorbar(workers, value, [value - low, high - value], label=name, capsize=2, linestyle=line, **style)
        shared = workers > (cores or np.inf)
        ax.plot(workers[shared], value[shared], linestyle="", markerfacecolor="white", zorder=3, **style)
    ax.set(xlabel="workers")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def phases(means: dict[str, dict[str, float]], *, xlabel: str, ax=None):
    """Seconds of each phase of an epoch, stacked, a bar for each entry: `ScalingStudy`'s `Timed.mean_phases`."""
    ax = axes(ax)
    bottom = np.zeros(len(means))
    for phase, colour in PHASE_COLOURS.items():
        heights = np.array([of_phase[phase] for of_phase in means.values()])
        label = {"transfer": "sum of gradients", "waiting": "waiting for others"}.get(phase, phase)
        ax.bar(list(means), heights, bottom=bottom, color=colour, label=label, width=0.7)
        bottom += heights
    ax.set(xlabel=xlabel, ylabel="s / epoch, mean of the workers")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def predicted_speed_up(workers: np.ndarray, curves: dict[str, tuple[np.ndarray, float]], *, title: str, ax=None):
    """Predicted speed-up (k,) against workers (k,), both logarithmic, and a dot where the network begins to bound.

    A name that ends in ", network alone" is drawn in the colour of the one without, broken.
    """
    ax = axes(ax)
    names = list(dict.fromkeys(name.removesuffix(ALONE) for name in curves))
    for name, (speed_up, bound_from) in curves.items():
        colour = CYCLE[names.index(name.removesuffix(ALONE))]
        line = "--" if name.endswith(ALONE) else "-"
        ax.plot(workers, speed_up, color=colour, linestyle=line, label=None if name.endswith(ALONE) else name)
        if workers[0] <= bound_from <= workers[-1]:
            ax.plot(bound_from, np.interp(bound_from, workers, speed_up), "o", color=colour, markersize=6)
    ax.plot(workers, workers, color="black", linestyle=":", linewidth=1, label="ideal")
    ax.set(xscale="log", yscale="log", xlabel="workers", ylabel="speed-up, predicted")
    ax.set_title(title, fontsize="small")
    ax.legend(fontsize="small")
    return ax

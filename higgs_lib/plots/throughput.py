"""Draws how fast devices train, and what their steps cost; as `plots`, it computes nothing."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from higgs_lib.performance.step_cost import StepCost
from higgs_lib.performance.throughput import Throughput, Timing
from higgs_lib.plots.style import CYCLE, axes

MARKERS = "osD^vP*"


def rates(found: Throughput, *, loop: str, ax=None):
    """Events a second of one loop against the batch size, a line an optimizer; bars are the range of the repeats."""
    ax = axes(ax)
    for number, optimizer in enumerate(found.optimizers):
        timings = found.of(loop, optimizer)
        median, low, high = np.array([t.rate for t in timings]).T
        style = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % 7], "markersize": 5, "capsize": 2}
        ax.errorbar([t.batch_size for t in timings], median, [median - low, high - median], label=optimizer, **style)
    ax.set_xscale("log", base=2)
    ax.set(yscale="log", xlabel="events a batch", ylabel="training events / s", title=loop)
    ax.legend(fontsize="small")
    return ax


def step_seconds(timings: dict[str, list[Timing]], costs: dict[str, StepCost], *, title: str, ax=None):
    """Milliseconds of a step against the batch size, measured and as fitted, a colour a loop or optimizer."""
    ax = axes(ax)
    for number, (name, of_name) in enumerate(timings.items()):
        colour, sizes = CYCLE[number % len(CYCLE)], np.array([t.batch_size for t in of_name])
        medians = [1e3 * np.median(t.seconds) for t in of_name]
        ax.plot(sizes, medians, MARKERS[number % 7], color=colour, markersize=5, label=name)
        fine = np.geomspace(sizes.min(), sizes.max(), 100)
        ax.plot(fine, 1e3 * costs[name].seconds(fine), color=colour, linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set(yscale="log", xlabel="events a batch", ylabel="ms / step", title=title)
    ax.legend(fontsize="small")
    return ax


def launches(counts: dict[str, int], costs: dict[str, StepCost], *, title: str, ax=None):
    """The part of a step that no batch shares against the number of operations that it starts, a point an optimizer."""
    ax = axes(ax)
    for number, (name, count) in enumerate(counts.items()):
        launch = costs[name].launch
        bars = [[1e3 * (launch.value - launch.low)], [1e3 * (launch.high - launch.value)]]
        style = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % 7], "capsize": 2, "linestyle": ""}
        ax.errorbar([count], [1e3 * launch.value], bars, label=name, **style)
    ax.set(xlabel="operations started in a step", ylabel="a: ms / step whatever its size", title=title)
    ax.set_xlim(0, 1.1 * max(counts.values()))
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def epoch_by_cores(seconds: dict[str, dict[int, float]], gpus: dict[str, dict[str, float]], *, n_events: int, ax=None):
    """Seconds an epoch against cores, a line an optimizer, and each GPU's as broken lines in the optimizer's colour."""
    ax = axes(ax)
    for number, (optimizer, by_cores) in enumerate(seconds.items()):
        style = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % 7], "markersize": 5}
        ax.plot(list(by_cores), list(by_cores.values()), label=optimizer, **style)
    for line, (name, by_optimizer) in zip(("--", "-.", ":"), gpus.items(), strict=False):
        for optimizer, of_gpu in by_optimizer.items():
            ax.axhline(of_gpu, color=CYCLE[list(seconds).index(optimizer) % len(CYCLE)], linestyle=line, linewidth=1)
        ax.plot([], [], color="black", linestyle=line, linewidth=1, label=name)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="cores of the processor", ylabel=f"s / {n_events:,} events")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def roofline(
    points: dict[str, tuple[np.ndarray, np.ndarray]], roof: tuple[np.ndarray, np.ndarray], *, title: str, ax=None
):
    """Operations a second against operations a byte, both (k,), a line a loop, below what the device allows."""
    ax = axes(ax)
    ax.plot(*roof, color="black", linewidth=1, label="what the device allows")
    for number, (name, (intensity, operations)) in enumerate(points.items()):
        style = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % 7], "markersize": 5}
        ax.plot(intensity, operations, label=name, **style)
    ax.set(xscale="log", yscale="log", xlabel="operations / byte", ylabel="operations / s", title=title)
    ax.legend(fontsize="small")
    return ax

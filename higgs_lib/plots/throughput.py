"""Draws how fast devices train, and what their steps cost."""

import numpy as np
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from higgs_lib.performance.step_cost import StepCost
from higgs_lib.performance.throughput import Timing
from higgs_lib.performance.timing import Rate
from higgs_lib.plots.style import axes, error_bars, series_style


def rates(
    series: dict[str, dict[int, Rate]],
    *,
    title: str,
    ceiling: float | None = None,
    ceiling_label: str | None = None,
    ax=None,
):
    """Draws training events per second against the batch size; bars are the range of the repeats.

    Both axes are logarithmic; with a ceiling, the rate starts at 0 so that the distance to it can be read.

    Args:
        series: the rates of each line, by batch size.
        title: of the axes.
        ceiling: the highest possible rate, events/s.
        ceiling_label: its legend.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for number, (name, by_size) in enumerate(series.items()):
        ax.errorbar(list(by_size), *error_bars(by_size.values()), label=name, capsize=2, **series_style(number))
    ax.set_xscale("log", base=2)
    ax.set(xlabel="events per batch", ylabel="training events / s", title=title)
    if ceiling is None:
        ax.set_yscale("log")
        ax.legend(fontsize="small")
        return ax
    ax.axhline(ceiling, color="black", linestyle="--", linewidth=1, label=ceiling_label)
    sizes = sorted({size for by_size in series.values() for size in by_size})
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def step_seconds(timings: dict[str, list[Timing]], costs: dict[str, StepCost], *, title: str, ax=None):
    """Draws milliseconds per step against the batch size: medians as points, the fitted costs as lines.

    Args:
        timings: the timings of each series.
        costs: the fitted cost of each series.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for number, (name, series) in enumerate(timings.items()):
        style, sizes = series_style(number), np.array([t.batch_size for t in series])
        ax.plot(sizes, [1e3 * np.median(t.seconds) for t in series], label=name, linestyle="", **style)
        fine = np.geomspace(sizes.min(), sizes.max(), 100)
        ax.plot(fine, 1e3 * costs[name].seconds(fine), color=style["color"], linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set(yscale="log", xlabel="events per batch", ylabel="ms / step", title=title)
    ax.legend(fontsize="small")
    return ax


def launches(counts: dict[str, int], costs: dict[str, StepCost], *, title: str, ax=None):
    """Draws the constant part of a step against the number of launched operations, a point per optimizer.

    Args:
        counts: the operations of a step, by optimizer.
        costs: the fitted cost, by optimizer.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for number, (name, count) in enumerate(counts.items()):
        milliseconds, bars = error_bars([1e3 * np.array(costs[name].launch)])
        ax.errorbar([count], milliseconds, bars, label=name, capsize=2, linestyle="", **series_style(number))
    ax.set(xlabel="operations launched per step", ylabel="a: ms / step for any batch size", title=title)
    ax.set_xlim(0, 1.1 * max(counts.values()))
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def epoch_by_cores(seconds: dict[str, dict[int, float]], gpus: dict[str, dict[str, float]], *, n_events: int, ax=None):
    """Draws the seconds of an epoch against processor cores, with GPUs as horizontal lines in the optimizers' colours.

    Args:
        seconds: of an epoch on the processor, by optimizer and number of cores.
        gpus: seconds of an epoch on each GPU, by optimizer.
        n_events: events of the epoch.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    styles = {optimizer: series_style(number) for number, optimizer in enumerate(seconds)}
    for optimizer, by_cores in seconds.items():
        ax.plot(list(by_cores), list(by_cores.values()), label=optimizer, **styles[optimizer])
    for line, (name, by_optimizer) in zip(("--", "-.", ":"), gpus.items(), strict=False):
        for optimizer, gpu_seconds in by_optimizer.items():
            ax.axhline(gpu_seconds, color=styles[optimizer]["color"], linestyle=line, linewidth=1)
        ax.plot([], [], color="black", linestyle=line, linewidth=1, label=name)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="processor cores", ylabel=f"s / {n_events:,} events")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def roofline(
    points: dict[str, tuple[np.ndarray, np.ndarray]], limit: tuple[np.ndarray, np.ndarray], *, title: str, ax=None
):
    """Draws operations per second against operations per byte, below the roofline of the device.

    Args:
        points: operations/byte (k,) and operations/s (k,) of each loop.
        limit: the same of the roofline.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    ax.plot(*limit, color="black", linewidth=1, label="roofline")
    for number, (name, (intensity, operations)) in enumerate(points.items()):
        ax.plot(intensity, operations, label=name, **series_style(number))
    ax.set(xscale="log", yscale="log", xlabel="operations / byte", ylabel="operations / s", title=title)
    ax.legend(fontsize="small")
    return ax

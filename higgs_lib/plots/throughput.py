"""Draws how fast devices train, and what their steps cost."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from higgs_lib.performance.step_cost import StepCost
from higgs_lib.performance.throughput import GRAPH, KERAS, OURS, Throughput
from higgs_lib.performance.timing import Rate
from higgs_lib.plots.style import MUTED, axes, error_bars, joined, series_style

LOOPS = (OURS, KERAS, GRAPH, "higgs_lib, bfloat16", "Keras model.fit, tuned", "PyTorch loop", "JAX scan")


def _loop_style(loop: str) -> dict:
    """Returns colour and marker of a training loop, the same in every figure."""
    return series_style(LOOPS.index(loop))


def rates(series: dict[str, dict[int, Rate]], *, ceiling: float, ceiling_label: str, ax: Axes | None = None) -> Axes:
    """Draws training events per second against the batch size; bars are the range of the repeats.

    The rate starts at 0, so that the distance to the ceiling can be read. The library's loop is drawn bold.

    Args:
        series: the rates of each training loop, by batch size.
        ceiling: the highest possible rate, events/s.
        ceiling_label: its legend.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for name, by_size in series.items():
        width = 2.5 if name == OURS else 1.2
        bars = error_bars(by_size.values())
        line = {"linestyle": joined(len(by_size)), "linewidth": width, "elinewidth": 1.2}
        ax.errorbar(list(by_size), *bars, label=name, capsize=2, **line, **_loop_style(name))
    ax.axhline(ceiling, color="black", linestyle="--", linewidth=1, label=ceiling_label)
    ax.set_xscale("log", base=2)
    sizes = sorted({size for by_size in series.values() for size in by_size})
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set(xlabel="events per batch", ylabel="training events / s")
    ax.set_ylim(bottom=0)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def device_rates(measured: Throughput, optimizer: str, *, title: str, ax: Axes | None = None) -> Axes:
    """Draws training events per second of a device against the batch size, a colour per training loop.

    Args:
        measured: the measurements of the device; bars are the range of their repeats.
        optimizer: the one that is drawn bold; the others are grey.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for loop in measured.loops:
        by_optimizer = measured.rates(loop)
        bold = by_optimizer.pop(optimizer)
        for by_size in by_optimizer.values():
            medians = [rate.median for rate in by_size.values()]
            ax.plot(list(by_size), medians, color=MUTED, linewidth=1, linestyle=joined(len(by_size)), zorder=1)
        line = {"linestyle": joined(len(bold)), "linewidth": 2}
        ax.errorbar(list(bold), *error_bars(bold.values()), label=loop, capsize=2, **line, **_loop_style(loop))
    _muted_legend(ax, len(measured.optimizers) - 1)
    _batch_sizes(ax)
    ax.set(yscale="log", ylabel="training events / s", title=title)
    return ax


def device_steps(
    measured: Throughput,
    costs: dict[tuple[str, str], StepCost],
    optimizer: str,
    *,
    fitted: tuple[int, int],
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Draws milliseconds per step of a device against the batch size: medians as points, fitted costs as lines.

    The dashed line is the arithmetic of the batch at the device's peak.

    Args:
        measured: the measurements of the device.
        costs: the fitted cost by loop and optimizer.
        optimizer: the one that is drawn bold; the others are grey.
        fitted: the smallest and the largest batch size of the fit, between which the lines are drawn.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    sizes = np.array(sorted({timing.batch_size for timing in measured.timings}))
    used = sizes[(sizes >= fitted[0]) & (sizes <= fitted[1])]
    fine, line = np.geomspace(used.min(), used.max(), 100), joined(len(used))
    for loop in measured.loops:
        for name in measured.optimizers:
            if name != optimizer:
                ax.plot(fine, 1e3 * costs[loop, name].seconds(fine), color=MUTED, linewidth=1, linestyle=line)
        style, timings = _loop_style(loop), measured.select(loop, optimizer)
        ax.plot(fine, 1e3 * costs[loop, optimizer].seconds(fine), color=style["color"], linewidth=2, linestyle=line)
        medians = [1e3 * np.median(timing.seconds) for timing in timings]
        ax.plot([timing.batch_size for timing in timings], medians, label=loop, linestyle="", **style)
    arithmetic = 1e3 * sizes * measured.operations_per_event / measured.peak
    ax.plot(sizes, arithmetic, color="black", linestyle="--", linewidth=1, label="arithmetic at the peak")
    _muted_legend(ax, len(measured.optimizers) - 1)
    _batch_sizes(ax)
    ax.set(yscale="log", ylabel="ms / step", title=title)
    return ax


def _batch_sizes(ax: Axes) -> None:
    """Makes the horizontal axis one of batch sizes: logarithmic, with powers of four as numbers."""
    ax.set_xscale("log", base=4)
    ax.xaxis.set_major_locator(LogLocator(base=4))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel("events per batch")


def _muted_legend(ax: Axes, n_others: int) -> None:
    """Adds an entry for the grey lines of other optimizers, if there are any."""
    if n_others:
        ax.plot([], [], color=MUTED, linewidth=1, label="other optimizers")


def epoch_by_cores(
    seconds: dict[str, dict[int, float]],
    gpus: dict[str, float],
    *,
    optimizer: str,
    n_events: int,
    ax: Axes | None = None,
) -> Axes:
    """Draws the seconds of an epoch against processor cores, with GPUs as horizontal lines.

    Args:
        seconds: of an epoch on the processor, by optimizer and number of cores.
        gpus: seconds of an epoch on each GPU with `optimizer`.
        optimizer: the one that is drawn bold; the others are grey.
        n_events: events of the epoch.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for name, by_cores in seconds.items():
        bold = name == optimizer
        style = series_style(0) | {"linewidth": 2, "label": name} if bold else {"color": MUTED, "linewidth": 1}
        ax.plot(list(by_cores), list(by_cores.values()), linestyle=joined(len(by_cores)), zorder=1 + bold, **style)
    _muted_legend(ax, len(seconds) - 1)
    for line, (name, gpu_seconds) in zip(("--", "-.", ":"), gpus.items(), strict=False):
        ax.axhline(gpu_seconds, color="black", linestyle=line, linewidth=1, label=name)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="processor cores", ylabel=f"s / {n_events:,} events")
    ax.set_ylim(bottom=0)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def roofline(
    points: dict[str, tuple[np.ndarray, np.ndarray]],
    limit: tuple[np.ndarray, np.ndarray],
    *,
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Draws operations per second against operations per byte, below the roofline of the device.

    Args:
        points: operations/byte (k,) and operations/s (k,) of each training loop.
        limit: the same of the roofline.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    ax.plot(*limit, color="black", linestyle="--", linewidth=1, label="roofline")
    for loop, (intensity, operations) in points.items():
        ax.plot(intensity, operations, label=loop, linestyle=joined(len(intensity)), **_loop_style(loop))
    ax.set(xscale="log", yscale="log", xlabel="operations / byte", ylabel="operations / s", title=title)
    return ax

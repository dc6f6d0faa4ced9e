"""Draws asynchronous trainings: learning curves of several rules, the staleness of commits, the effect of n workers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from higgs_lib.plots.style import axes, error_bars, series_style


def learning_curves(
    curves: dict[str, tuple],
    *,
    xlabel: str,
    xscale: str = "linear",
    styles: list[str] | None = None,
    ax: Axes | None = None,
):
    """Draws AUC against what a training has spent.

    Args:
        curves: of each training, what it had spent at the end of its epochs (n,), and the AUC (n,).
        xlabel: what was spent, with its unit.
        xscale: "linear" or "log".
        styles: the names of all trainings of the page, so that each keeps its colour; None: those of `curves`.
        ax: the axes.

    Returns:
        The axes.
    """
    ax, names = axes(ax), styles or list(curves)
    for name, (spent, aucs) in curves.items():
        ax.plot(spent, aucs, label=name, **series_style(names.index(name)))
    ax.set(xlabel=xlabel, ylabel="validation AUC", xscale=xscale)
    if xscale == "linear":
        ax.set_xlim(left=0)
    return ax


def staleness(counts: dict[int, np.ndarray], *, kernel: np.ndarray | None = None, ax: Axes | None = None):
    """Draws the fraction of commits of each staleness, for each number of workers, with n - 1 as a dotted line.

    Args:
        counts: the staleness of every commit (n_commits,), by number of workers.
        kernel: the fractions of a staleness of 0, 1, ... that would be momentum (n,); None: not drawn.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for number, (n, values) in enumerate(counts.items()):
        fractions = np.bincount(values) / len(values)
        style = series_style(number)
        label = f"{n} workers, mean {np.mean(values):.2f}"
        ax.stairs(fractions, np.arange(len(fractions) + 1) - 0.5, color=style["color"], linewidth=1.5, label=label)
        ax.axvline(n - 1, color=style["color"], linestyle=":", linewidth=1)
    if kernel is not None:
        ax.plot(np.arange(len(kernel)), kernel, "ko", markersize=4, label="momentum")
    ax.set(xlabel="staleness", ylabel="fraction of commits")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize="small")
    return ax


def auc_by_workers(aucs: dict[str, dict], *, cores: int, styles: list[str] | None = None, ax: Axes | None = None):
    """Draws AUC against the number of workers, a line per rule; hollow where workers share `cores`.

    Args:
        aucs: the interval of the AUC by number of workers, of each rule.
        cores: the cores of this machine.
        styles: the names of all rules of the page, so that each keeps its colour; None: those of `aucs`.
        ax: the axes.

    Returns:
        The axes.
    """
    ax, names = axes(ax), styles or list(aucs)
    for name, by_workers in aucs.items():
        workers, style = np.array(list(by_workers)), series_style(names.index(name))
        values, lengths = error_bars(by_workers.values())
        ax.errorbar(workers, values, np.nan_to_num(lengths), capsize=2, label=name, **style)
        shared = workers > cores
        ax.plot(workers[shared], values[shared], linestyle="", zorder=3, **style | {"markerfacecolor": "white"})
    ax.set(xlabel="workers", ylabel="validation AUC")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize="small")
    return ax

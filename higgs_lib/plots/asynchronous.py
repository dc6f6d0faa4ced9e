"""Draws asynchronous trainings: learning curves of several rules, the staleness of commits, the effect of n workers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from higgs_lib.plots.style import CYCLE, MUTED, axes, error_bars, joined, series_style

REFERENCES = {"Single": ("one worker", "black", "o", 5), "synchronous": ("synchronous", "#717581", "s", 8)}
"""Legend, colour, marker and its size of the trainings with which the update rules are compared."""
RULES = ("DOWNPOUR", "ADAG", "AGN", "DynSGD", "AEASGD", "EAMSGD", "Averaging", "Ensemble")


def _style(name: str) -> dict:
    """Returns label, colour and marker of a training, the same in every figure."""
    if name in REFERENCES:
        label, colour, marker, size = REFERENCES[name]
        return {"label": label, "color": colour, "marker": marker, "markersize": size, "markerfacecolor": "none"}
    return series_style(RULES.index(name)) | {"label": name}


def learning_curves(
    curves: dict[str, tuple], *, bold: list[str], xlabel: str, xscale: str = "linear", ax: Axes | None = None
) -> Axes:
    """Draws AUC against what a training has spent; the marks of the trainings that rules are compared with are hollow.

    Args:
        curves: of each training, what it had spent at the end of its epochs (n,), and the AUC (n,).
        bold: the update rules in colour; the others are grey.
        xlabel: what was spent, with its unit.
        xscale: "linear" or "log".
        ax: the axes.

    Returns:
        The axes.
    """
    ax, others = axes(ax), [name for name in curves if name not in (*REFERENCES, *bold)]
    for name, (spent, aucs) in curves.items():
        line = joined(len(aucs))
        if name in others:
            label = "other rules" if name == others[0] else None
            ax.plot(spent, aucs, color=MUTED, marker=".", linestyle=line, zorder=1, label=label)
        else:
            ax.plot(spent, aucs, linestyle=line, linewidth=2, **_style(name))
    ax.set(xlabel=xlabel, ylabel="validation AUC", xscale=xscale)
    if xscale == "linear":
        ax.set_xlim(left=0)
        ax.locator_params(axis="x", nbins=4)
    else:
        _plain_ticks(ax)
    return ax


def _plain_ticks(ax: Axes) -> None:
    """Makes the ticks of a logarithmic axis few and plain numbers, also where it is shorter than a decade."""
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)) if high >= 10 * low else MaxNLocator(3))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def staleness(values: np.ndarray, n_workers: int, kernel: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Draws the fraction of commits of each staleness, with n - 1 and the fractions that would be momentum.

    Args:
        values: the staleness of every commit (n_commits,).
        n_workers: n.
        kernel: the fractions of a staleness of 0, 1, ... that would be momentum (k,).
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    fractions = np.bincount(values) / len(values)
    ax.stairs(fractions, np.arange(len(fractions) + 1) - 0.5, color=CYCLE[0], linewidth=2, label="counted")
    ax.plot(np.arange(len(kernel)), kernel, "ko", markersize=4, label="as momentum")
    ax.axvline(n_workers - 1, color="black", linestyle=":", linewidth=1, label="$n - 1$")
    ax.set(xlabel="staleness", ylabel="fraction of commits", title=f"{n_workers} workers")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def auc_by_workers(aucs: dict[str, dict], *, cores: int, ax: Axes | None = None) -> Axes:
    """Draws AUC against the number of workers, a line per rule; hollow where workers share `cores`.

    Args:
        aucs: the interval of the AUC by number of workers, of each rule.
        cores: the cores of this machine.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    for name, by_workers in aucs.items():
        workers, style = np.array(list(by_workers)), _style(name)
        values, lengths = error_bars(by_workers.values())
        line = joined(len(workers))
        ax.errorbar(workers, values, np.nan_to_num(lengths), capsize=2, linestyle=line, linewidth=2, **style)
        shared = workers > cores
        hollow = style | {"markerfacecolor": "white", "label": None}
        ax.plot(workers[shared], values[shared], linestyle="", zorder=3, **hollow)
    ax.set(xlabel="workers", ylabel="validation AUC")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    return ax


def losses(trainings: dict, *, title: str, ax: Axes | None = None) -> Axes:
    """Draws the validation loss of some trainings (`AsynchronousTraining`) against the events seen."""
    ax = axes(ax)
    for number, (name, training) in enumerate(trainings.items()):
        line = joined(len(training.validation_loss))
        ax.plot(training.events / 1e6, training.validation_loss, label=name, linestyle=line, **series_style(number))
    ax.set(xlabel="million events seen", ylabel="validation loss", title=title)
    ax.legend()
    return ax

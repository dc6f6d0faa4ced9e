"""Draws where networks on detector features overtake a network on hand-built masses."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from higgs_lib.metrics import Interval
from higgs_lib.plots.style import CLASSIFIER_COLOURS, PUBLISHED, axes, error_bars

MARKS = "*s"


def crossing(
    curves: Mapping[str, tuple[Sequence[int], Sequence[Interval]]],
    masses: Interval,
    here: Mapping[str, tuple[Sequence[int], Sequence[Interval]]],
    published: Mapping[str, tuple[int, float]],
    *,
    names: Mapping[str, str],
    measured_on: tuple[str, str],
    ax: Axes | None = None,
):
    """Draws the AUC of networks on detector features by training events, and that of a network on the masses.

    Args:
        curves: numbers of events (n,) and AUCs (n,) of the stored networks, by "network, features".
        masses: the AUC of the network on the masses.
        here: the same as `curves` of this run.
        published: training events and AUC of the marks, by "network, features".
        names: how the legend calls each network, by "network, features".
        measured_on: where `curves` were measured, and the events of this run.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    ax.axhspan(masses.low, masses.high, color=_colour("shallow, high"), alpha=0.3, linewidth=0)
    ax.axhline(masses.value, color=_colour("shallow, high"), label=names["shallow, high"])
    for name, (sizes, aucs) in curves.items():
        values, errors = error_bars(aucs)
        style = {"marker": "o", "markersize": 3.5, "linewidth": 1.5, "capsize": 2, "color": _colour(name)}
        ax.errorbar(sizes, values, errors, label=names[name], **style)
    for name, (sizes, aucs) in here.items():
        values, errors = error_bars(aucs)
        style = {"fmt": "D", "markersize": 5, "markerfacecolor": "white", "capsize": 2, "color": _colour(name)}
        ax.errorbar(sizes, values, errors, zorder=3, **style)
    ax.plot([], [], "o-", color="grey", markersize=3.5, label=measured_on[0])
    ax.plot([], [], "D", color="grey", markerfacecolor="white", markersize=5, label=measured_on[1])
    for marker, (name, (n, auc)) in zip(MARKS, published.items(), strict=False):
        label = f"{names[name]}, Baldi et al. [B], UCI events"
        ax.plot(n, auc, marker, color=PUBLISHED, markersize=9 if marker == "*" else 6, label=label, zorder=4)
    ax.set(xscale="log", xlabel="training events", ylabel="test AUC")
    ax.legend(fontsize=8.5, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def _colour(name: str) -> str:
    """Returns the colour of a classifier, of "network, features"."""
    return CLASSIFIER_COLOURS[name.split(", ")[0]]

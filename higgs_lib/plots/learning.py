"""Draws where networks on detector features overtake a network on hand-built masses."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from higgs_lib.metrics import Interval
from higgs_lib.plots.style import CLASSIFIER_COLOURS, PUBLISHED, axes, error_bars

MASSES = "shallow, high"
MARKS = (("*", 9), ("s", 6))  # and their sizes


def crossing(
    curves: Mapping[str, tuple[Sequence[int], Sequence[Interval]]],
    masses: Interval,
    here: Mapping[str, tuple[Sequence[int], Sequence[Interval]]],
    published: Mapping[str, tuple[int, float]],
    *,
    names: Mapping[str, str],
    measured_on: tuple[str, str],
    ax: Axes | None = None,
) -> Axes:
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
    ax, handles = axes(ax), []
    for name, (sizes, aucs) in curves.items():
        values, errors = error_bars(aucs)
        style = {"marker": "o", "markersize": 3.5, "linewidth": 1.5, "capsize": 2, "color": _colour(name)}
        handles.append(ax.errorbar(sizes, values, errors, label=names[name], **style))
    of_masses = _colour(MASSES)
    ax.axhspan(masses.low, masses.high, color=of_masses, alpha=0.3, linewidth=0)
    handles.append(ax.axhline(masses.value, color=of_masses, label=names[MASSES]))
    for name, (sizes, aucs) in here.items():
        values, errors = error_bars(aucs)
        style = {"fmt": "D", "markersize": 5, "markerfacecolor": "white", "capsize": 2, "color": _colour(name)}
        ax.errorbar(sizes, values, errors, zorder=3, **style)
    for label, style in zip(measured_on, ({"marker": "o"}, {"marker": "D", "markerfacecolor": "white"}), strict=True):
        handles += ax.plot([], [], label=label, color="0.65", linestyle="", markersize=5, **style)
    for (marker, size), (name, (n, auc)) in zip(MARKS, published.items(), strict=False):
        style = {"color": PUBLISHED, "marker": marker, "markersize": size, "linestyle": "", "zorder": 4}
        handles += ax.plot(n, auc, label=f"{names[name]}: [B], UCI events", **style)
    ax.set(xscale="log", xlabel="training events", ylabel="test AUC")
    ax.legend(handles=handles, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.46, -0.17), ncols=2)
    return ax


def _colour(name: str) -> str:
    """Returns the colour of a classifier, of "network, features"."""
    return CLASSIFIER_COLOURS[name.split(", ")[0]]

"""Draws results of several classifiers side by side, with published values."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from higgs_lib.metrics import Interval
from higgs_lib.plots.style import PUBLISHED, axes, error_bars

PUBLISHED_MARKERS = "sD^v"
SPACING = 0.2  # of the series of a group, in units of the distance of the groups


def compared(
    series: Mapping[str, Mapping[str, Interval]],
    *,
    colours: Mapping[str, str],
    xlabel: str,
    published: Mapping[str, Mapping[tuple[str, str], float]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws values with their intervals in groups of rows, top down, each series in its colour.

    Args:
        series: the intervals of each series by the name of the group; all have the same groups.
        colours: of the series.
        xlabel: name of the value.
        published: published values by series and group, for each source, drawn as black marks.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    groups = list(next(iter(series.values())))
    offsets = {name: SPACING * ((len(series) - 1) / 2 - number) for number, name in enumerate(series)}
    places = np.arange(len(groups))[::-1]
    for name, intervals in series.items():
        values, errors = error_bars(intervals[group] for group in groups)
        style = {"fmt": "o", "markersize": 5, "capsize": 3, "color": colours[name], "label": name}
        ax.errorbar(values, places + offsets[name], xerr=errors, **style)
    for marker, (source, marks) in zip(PUBLISHED_MARKERS, (published or {}).items(), strict=False):
        rows = [places[groups.index(group)] + offsets[name] for name, group in marks]
        style = {"markersize": 6, "markerfacecolor": "none", "linestyle": "", "label": source}
        ax.plot(list(marks.values()), rows, marker=marker, color=PUBLISHED, **style)
    ax.set_yticks(places, groups)
    ax.set(xlabel=xlabel, ylim=(-0.6, len(groups) - 0.4))
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.grid(axis="x", alpha=0.3)
    ax.legend(fontsize="small")
    return ax

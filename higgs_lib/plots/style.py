"""Colours, markers and the look of all figures."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib_inline.backend_inline import set_matplotlib_formats

SIGNAL, BACKGROUND = "#3f90da", "#bd1f01"  # M. Petroff's colour-blind safe cycle (arXiv:2107.02270), as CMS uses it
FEATURE_COLOURS = {"low": "#ffa90e", "high": "#832db6", "complete": "#a96b59"}
CLASSIFIER_COLOURS = {
    "shallow": "#717581",
    "deep": "#e76300",
    "modern": "#00876c",
    "trees": "#b9ac70",
    "kinematic": "#1b3a6b",
}
PUBLISHED = "black"  # marks of published values
CYCLE = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"]
MARKERS = "osD^vP*Xhp"
WIDTH = 9.0  # inches, of the report's column on a screen of 1280 pixels; wider figures are shown with smaller text


def use_style() -> None:
    """Sets the look of all figures: vector graphics, text as large as the page's, a colour-blind safe cycle.

    It starts from matplotlib's own settings, so that a matplotlibrc of the user changes nothing.
    """
    plt.rcdefaults()
    sns.set_theme(style="ticks", context="paper")
    plt.rcParams.update(
        {
            "figure.figsize": (6, 4),
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.title_fontsize": 9,
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.w_pad": 0.06,  # inches, so that 1.0 and 0.0 of neighbours stay apart
            "axes.prop_cycle": plt.cycler(color=CYCLE),
            "xtick.direction": "in",
            "ytick.direction": "in",
            "xtick.top": True,
            "ytick.right": True,
            "legend.frameon": False,
            "svg.fonttype": "path",
            "svg.hashsalt": "higgs_lib",  # the same figure gives the same file
        }
    )
    set_matplotlib_formats("svg", metadata={"Date": None})


def axes(ax: Axes | None) -> Axes:
    """Returns `ax`, or the current axes for None."""
    return ax if ax is not None else plt.gca()


def shades(number: int) -> list:
    """Returns `number` colours, from dark to light, of series that have no colour of their own."""
    return list(plt.get_cmap("viridis")(np.linspace(0, 0.88, number)))


def shared_legend(figure: Figure, columns: int = 6) -> Legend:
    """Draws one legend below a figure, with each entry once, in place of those of its axes.

    `columns` is the number of entries in a row, at most.
    """
    entries = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
        if ax.get_legend():
            ax.get_legend().remove()
    style = {"loc": "outside lower center", "ncols": min(columns, len(entries))}
    return figure.legend(entries.values(), entries.keys(), **style)


def legend_below(ax: Axes, columns: int = 3) -> Legend:
    """Draws the legend of one axes below it, in `columns`."""
    return ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns)


def series_style(number: int) -> dict:
    """Returns colour and marker of a figure's series of this number, from 0; they repeat after ten."""
    return {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % len(MARKERS)], "markersize": 5}


MUTED = "#bdbdbd"  # of the series that a figure does not single out


def joined(n_points: int) -> str:
    """Returns the line style of measured points: a line joins three or more, as one through two says nothing."""
    return "-" if n_points >= 3 else ""


def outer_labels(figure: Figure) -> None:
    """Labels the shared axes of a figure once, and removes axes without data."""
    for ax in figure.axes:
        if ax.has_data():
            ax.label_outer()
        else:
            ax.remove()


def error_bars(intervals) -> tuple[np.ndarray, np.ndarray]:
    """Splits (value, low, high) of each point into values (n,) and lengths (2, n) of the bars below and above."""
    value, low, high = np.array(list(intervals)).T
    return value, np.array([value - low, high - value])

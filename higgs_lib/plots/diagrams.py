"""Draws Feynman diagrams of the signal and of the background."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from higgs_lib.plots.style import BACKGROUND, SIGNAL

WIGGLE = 0.14  # amplitude of a boson's wave and of a gluon's curls
SCALAR, FERMION, BOSON, GLUON = "scalar", "fermion", "boson", "gluon"


class Line(NamedTuple):
    """One particle of a diagram."""

    start: tuple[float, float]
    """The vertex at which it begins, in the units of the axes."""
    end: tuple[float, float]
    """The vertex at which it ends."""
    particle: str
    """What is drawn: "scalar", "fermion", "boson" or "gluon"."""
    symbol: str
    """Its symbol in matplotlib's mathtext."""
    place: tuple[float, float]
    """The centre of the symbol."""


TOP_QUARKS = ("$t$", r"$\bar{t}$")

INCOMING = (
    Line((0, 5), (1.5, 3), GLUON, "$g$", (0.95, 4.55)),
    Line((0, 1), (1.5, 3), GLUON, "$g$", (0.95, 1.45)),
)
LEPTONIC_W = ((r"$\ell$", 0.55), (r"$\nu$", -0.55))
HADRONIC_W = (("$q$", 0.5), (r"$\bar{q}'$", -0.5))


def _decay(vertex: tuple[float, float], products: tuple[tuple[str, float], ...], end: float = 8.6) -> list[Line]:
    """Returns the fermions into which a particle decays at a vertex; their symbols stand at their ends."""
    y = vertex[1]
    return [Line(vertex, (end, y + up), FERMION, symbol, (end + 0.35, y + up)) for symbol, up in products]


HIGGS_CASCADE = (
    *INCOMING,
    Line((1.5, 3), (3.3, 3), SCALAR, "$H^0$", (2.4, 3.5)),
    Line((3.3, 3), (5.9, 4.9), BOSON, r"$W^\mp$", (4.4, 4.5)),
    Line((3.3, 3), (5.0, 2.1), SCALAR, r"$H^\pm$", (4.0, 2.1)),
    *_decay((5.9, 4.9), LEPTONIC_W),
    Line((5.0, 2.1), (6.8, 2.9), BOSON, r"$W^\pm$", (5.75, 3.05)),
    *_decay((6.8, 2.9), HADRONIC_W),
    Line((5.0, 2.1), (6.8, 0.9), SCALAR, "$h^0$", (5.7, 1.1)),
    *_decay((6.8, 0.9), (("$b$", 0.5), (r"$\bar{b}$", -0.5))),
)

TOP_PAIR = (
    *INCOMING,
    Line((1.5, 3), (3.1, 3), GLUON, "$g$", (2.3, 3.5)),
    Line((3.1, 3), (4.9, 4.4), FERMION, TOP_QUARKS[0], (3.8, 4.05)),
    Line((3.1, 3), (4.9, 1.6), FERMION, TOP_QUARKS[1], (3.8, 1.95)),
    *_decay((4.9, 4.4), (("$b$", 1.2),)),
    Line((4.9, 4.4), (6.7, 4.1), BOSON, "$W^+$", (5.75, 3.8)),
    *_decay((6.7, 4.1), LEPTONIC_W),
    Line((4.9, 1.6), (6.7, 1.9), BOSON, "$W^-$", (5.75, 2.25)),
    *_decay((6.7, 1.9), HADRONIC_W),
    *_decay((4.9, 1.6), ((r"$\bar{b}$", -1.2),)),
)


def processes(axes: tuple[Axes, Axes]) -> tuple[Axes, Axes]:
    """Draws the diagrams of the signal and of the background, with the particles that only one of them has in colour.

    Returns the axes.
    """
    for ax, lines, title, colour in zip(
        axes,
        (HIGGS_CASCADE, TOP_PAIR),
        ("signal: a cascade of Higgs bosons", "background: a pair of top quarks"),
        (SIGNAL, BACKGROUND),
        strict=True,
    ):
        for line in lines:
            own = line.particle == SCALAR or line.symbol in TOP_QUARKS
            _draw(ax, line, colour if own else "black")
        for vertex in {line.start for line in lines[2:]}:
            ax.plot(*vertex, "o", color="black", markersize=3)
        ax.set(xlim=(-0.2, 9.3), ylim=(-0.2, 6.2), aspect="equal")
        ax.set_title(title, color=colour)
        ax.set_axis_off()
    return axes


def _draw(ax: Axes, line: Line, colour: str) -> None:
    """Draws one particle with its symbol: waves for W bosons, curls for gluons, arrows for fermions."""
    start, end = np.array(line.start), np.array(line.end)
    length = np.hypot(*(end - start))
    along = (end - start) / length
    across = np.array([-along[1], along[0]])
    t = np.linspace(0, 1, 400)[:, None]
    points, style = start + t * (end - start), "-"
    if line.particle == BOSON:
        points = points + WIGGLE * np.sin(2 * np.pi * round(length / 0.45) * t) * across
    elif line.particle == GLUON:
        turn = 2 * np.pi * round(length / 0.3) * t
        points = points + WIGGLE * (np.sin(turn) * across + (1 - np.cos(turn)) * along * np.sin(np.pi * t))
    elif line.particle == SCALAR:
        style = "--"
    ax.plot(*points.T, linestyle=style, color=colour, linewidth=1.3)
    if line.particle == FERMION:
        forward = -1 if "bar" in line.symbol or line.symbol == r"$\nu$" else 1  # an antiparticle's arrow points back
        middle, tip = (start + part * (end - start) for part in (0.5 - 0.05 * forward, 0.5 + 0.05 * forward))
        ax.annotate("", tip, middle, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.3})
    ax.text(*line.place, line.symbol, color=colour, ha="center", va="center", fontsize=11)

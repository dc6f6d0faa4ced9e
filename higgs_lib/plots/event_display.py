"""Draws single events as the detector measures them, in the plane transverse to the beam."""

import numpy as np
from matplotlib import patheffects
from matplotlib.patches import Wedge

from higgs_lib.data.kinematics import FourVectors
from higgs_lib.plots.style import axes

HALF_ANGLE = 0.2  # rad, of a jet's wedge; a jet of radius 0.5 is wider
JET, B_JET = "#d3d9d8", "#92dadd"
TAGS = ("", "(b)", "b")  # none, loose, tight


def transverse_view(vectors: FourVectors, event: int, *, title: str, ax=None):
    """Draws the jets, the lepton and the missing transverse momentum of one event along their azimuthal angles.

    The length of each is its transverse momentum. Jets are wedges, coloured and labelled where they have a b-tag; the
    lepton is a line, and the missing transverse momentum a dashed arrow.

    Args:
        vectors: the four-vectors of n events.
        event: which of the n.
        title: of the axes.
        ax: the axes.

    Returns:
        The axes.
    """
    ax = axes(ax)
    lepton, missing = vectors.lepton[event], vectors.missing[event]
    size = 1.25 * float(max(*vectors.jets.pt[:, event], lepton.pt, missing.pt))  # GeV, half the width of the axes
    for jet, tag in zip(vectors.jets[:, event], vectors.b_tags[:, event], strict=True):
        angles = np.degrees([jet.phi - HALF_ANGLE, jet.phi + HALF_ANGLE])
        colour = B_JET if tag else JET
        ax.add_patch(Wedge((0, 0), jet.pt, *angles, facecolor=colour, edgecolor="black", linewidth=0.8, alpha=0.9))
        _label(ax, TAGS[tag], jet.pt, jet.phi, size)
    ax.plot([0, lepton.px], [0, lepton.py], color="black", linewidth=2.5, solid_capstyle="butt")
    _label(ax, r"$\ell$", lepton.pt, lepton.phi, size)
    arrow = {"arrowstyle": "->", "linestyle": "--", "color": "black", "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (missing.px, missing.py), (0, 0), arrowprops=arrow)
    _label(ax, r"$E_T^{\mathrm{miss}}$", missing.pt, missing.phi, size)
    ax.set(xlim=(-size, size), ylim=(-size, size), aspect="equal", title=title)
    ax.set(xlabel="$p_x$ [GeV]", ylabel="$p_y$ [GeV]")
    return ax


def _label(ax, text: str, pt: float, phi: float, size: float) -> None:
    """Writes a label beyond the end of an object."""
    radius = pt + 0.09 * size
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    place = radius * np.cos(phi), radius * np.sin(phi)
    ax.text(*place, text, ha="center", va="center", fontsize=9, path_effects=halo)

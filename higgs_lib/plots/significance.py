"""Draws significances against the cut, by every definition."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from higgs_lib.plots.style import FEATURE_COLOURS

FORMULAS = {
    "S/√B": r"$S/\sqrt{B}$",
    "S/√(S+B)": r"$S/\sqrt{S+B}$",
    "S/√(S+B+σ_B²)": r"$S/\sqrt{S+B+\sigma_B^2}$",
    "Asimov": "Asimov, $B$ known",
    "Asimov, σ_B": r"Asimov, $B \pm \sigma_B$",
}
"""How figures write the definitions."""


def by_definition(
    cuts: np.ndarray,
    values: Mapping[str, Mapping[str, np.ndarray]],
    best: Mapping[str, Mapping[str, float]],
    *,
    axes: Sequence[Axes],
) -> Sequence[Axes]:
    """Draws the significance against the cut, a panel for each definition and a line for each feature set.

    Args:
        cuts: on the network output (n,).
        values: the significances (n,), by definition and feature set; nan is not drawn.
        best: the chosen cut, by definition and feature set.
        axes: one for each definition, and one for the legend.

    Returns:
        The axes.
    """
    for ax, (definition, by_features) in zip(axes, values.items(), strict=False):
        for features, of_features in by_features.items():
            colour = FEATURE_COLOURS[features]
            ax.plot(cuts, of_features, color=colour, label=f"{features} features")
            ax.axvline(best[definition][features], color=colour, linestyle=":", linewidth=1)
        ax.set(title=FORMULAS[definition], xlim=(0, 1))
        ax.tick_params(labelbottom=True)
    axes[0].plot([], [], color="grey", linestyle=":", linewidth=1, label="cut chosen on validation events")
    axes[-1].set_axis_off()
    axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="center")
    return axes

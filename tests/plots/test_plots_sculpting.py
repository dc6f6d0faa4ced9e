import matplotlib.pyplot as plt
import numpy as np
import pytest

from higgs_lib import plots


def test_shapes_have_area_one_and_a_marked_mass():
    rng = np.random.default_rng(1)
    background, signal = rng.uniform(0, 100, 500), rng.normal(50, 5, 300)
    _, axes = plt.subplots(1, 2, sharey=True)
    edges = np.linspace(0, 100, 11)
    plots.sculpting.background_shapes(
        background, signal, [background[:50], background[50:70]], edges, label="m [GeV]", axes=axes, mass=50.0
    )
    assert [ax.get_xlabel() for ax in axes] == ["m [GeV]"] * 2
    for ax in axes:
        assert ax.lines[0].get_xdata()[0] == 50.0
        filled = ax.patches[0].get_xy()
        assert filled[:, 1].max() == pytest.approx(np.histogram(background, edges, density=True)[0].max())
    labels = axes[0].get_legend_handles_labels()[1]
    assert set(labels) >= {"all background", "signal", "most signal-like background"}
    plt.close("all")

import matplotlib.pyplot as plt
import numpy as np

from higgs_lib import plots
from higgs_lib.metrics import Experiment


def test_every_definition_has_a_formula_without_raw_underscores():
    assert list(plots.significance.FORMULAS) == list(Experiment().definitions())
    assert not any("σ_" in formula for formula in plots.significance.FORMULAS.values())


def test_a_panel_for_each_definition_and_a_line_for_each_feature_set():
    cuts, names = np.array([0.1, 0.5, 0.9]), ["S/√B", "Asimov"]
    values = {name: {"low": np.array([1.0, 2.0, np.nan]), "high": np.array([2.0, 3.0, 1.0])} for name in names}
    best = {name: {"low": 0.5, "high": 0.4} for name in names}
    _, axes = plt.subplots(1, 3)
    plots.significance.by_definition(cuts, values, best, axes=axes)
    assert [ax.get_title() for ax in axes[:2]] == [r"$S/\sqrt{B}$", "Asimov, $B$ known"]
    assert [line.get_color() for line in axes[1].lines[::2]] == [plots.FEATURE_COLOURS[f] for f in ("low", "high")]
    assert [line.get_xdata()[0] for line in axes[1].lines[1::2]] == [0.5, 0.4]
    texts = [text.get_text() for text in axes[2].get_legend().get_texts()]
    assert texts == ["low features", "high features", "cut chosen on validation events"]
    plt.close("all")

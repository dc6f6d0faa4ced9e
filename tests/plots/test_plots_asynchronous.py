import numpy as np

from higgs_lib.metrics import Interval
from higgs_lib.plots import asynchronous
from higgs_lib.plots.style import series_style


def test_learning_curves_keep_the_colours_of_the_page(ax):
    curves = {"AGN": ([1.0, 2.0], [0.6, 0.7]), "Single": ([2.0, 4.0], [0.6, 0.7])}
    asynchronous.learning_curves(curves, xlabel="wall-clock time, s", styles=["Single", "DOWNPOUR", "AGN"], ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xlim()[0]) == ("wall-clock time, s", "validation AUC", 0)
    assert [line.get_label() for line in ax.lines] == ["AGN", "Single"]
    assert [line.get_color() for line in ax.lines] == [series_style(2)["color"], series_style(0)["color"]]
    asynchronous.learning_curves(curves, xlabel="MB", xscale="log", ax=ax)
    assert ax.get_xscale() == "log"


def test_staleness_is_drawn_as_fractions_with_the_expected_mean(ax, legend):
    asynchronous.staleness({4: np.array([3, 3, 2, 4])}, kernel=np.array([0.25, 0.2]), ax=ax)
    assert legend() == ["4 workers, mean 3.00", "momentum"]
    assert ax.patches[0].get_data().values.tolist() == [0, 0, 0.25, 0.5, 0.25]
    assert ax.lines[0].get_xdata() == [3, 3]


def test_workers_that_share_cores_are_hollow(ax, legend):
    aucs = {"ADAG": {1: Interval(0.8, 0.79, 0.81), 2: Interval(0.79, 0.78, 0.8), 4: Interval(0.5, np.nan, np.nan)}}
    asynchronous.auc_by_workers(aucs, cores=2, ax=ax)
    assert legend() == ["ADAG"]
    hollow = [line.get_xdata().tolist() for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert hollow == [[4]]
    assert ax.containers[0].lines[0].get_ydata().tolist() == [0.8, 0.79, 0.5]

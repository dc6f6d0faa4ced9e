import matplotlib.pyplot as plt
import numpy as np

from higgs_lib import plots
from higgs_lib.metrics import Interval
from higgs_lib.plots import style


def test_the_style_sets_the_cycle_and_vector_graphics():
    with plt.rc_context():
        plots.use_style()
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == plots.CYCLE
        assert plt.rcParams["svg.hashsalt"] == "higgs_lib"


def test_axes_default_to_the_current_ones(ax):
    assert style.axes(None) is plt.gca()
    assert style.axes(ax) is ax


def test_ten_series_differ_in_colour_and_marker():
    styles = [style.series_style(number) for number in range(11)]
    assert len({s["color"] for s in styles[:10]}) == len({s["marker"] for s in styles[:10]}) == 10
    assert styles[10] == styles[0]


def test_error_bars_are_distances_from_the_value():
    values, bars = style.error_bars([Interval(2.0, 1.5, 3.0), Interval(4.0, 4.0, 4.5)])
    assert values.tolist() == [2, 4]
    assert np.array_equal(bars, [[0.5, 0], [1, 0.5]])

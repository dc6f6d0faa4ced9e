import numpy as np

from higgs_lib import plots
from higgs_lib.metrics import Interval

NAMES = {"deep, low": "deep", "shallow, high": "shallow, on masses"}


def test_the_crossing_says_which_events_each_mark_is(ax, legend):
    curve = ([10_000, 1_000_000], [Interval(0.60, 0.59, 0.61), Interval(0.80, 0.79, 0.81)])
    here = {"deep, low": ([500_000], [Interval(0.75, 0.74, 0.76)])}
    published = {"deep, low": (10_000_000, 0.880), "shallow, high": (10_000_000, 0.777)}
    measured_on = ("built-in events, a GPU", "UCI events, this run")
    masses = Interval(0.79, 0.785, 0.795)
    plots.learning.crossing({"deep, low": curve}, masses, here, published, names=NAMES, measured_on=measured_on, ax=ax)
    assert legend() == [
        *("deep", "shallow, on masses", *measured_on),
        *("deep: [B], UCI events", "shallow, on masses: [B], UCI events"),
    ]
    marks = [line for line in ax.lines if line.get_color() == plots.PUBLISHED and len(line.get_xdata())]
    assert [(np.atleast_1d(m.get_xdata())[0], np.atleast_1d(m.get_ydata())[0]) for m in marks] == [
        *((10_000_000, 0.880), (10_000_000, 0.777))
    ]
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().y1 < ax.get_window_extent().y0  # below, where no point lies
    assert ax.get_xscale() == "log"

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from higgs_lib import plots
from higgs_lib.performance import scaling
from higgs_lib.performance.curve_fit import Timings

WORKERS = np.repeat([1, 2, 4], 2)
SUMMARIES = {
    "adam": scaling.summary(Timings(WORKERS, np.array([4.0, 4.2, 2.2, 2.4, 1.4, 1.5]))),
    "sgd": scaling.summary(Timings(WORKERS, np.array([3.0, 3.2, 1.8, 1.9, 1.2, 1.3]))),
}


def hollow(ax):
    return [line.get_xdata().tolist() for line in ax.lines if line.get_markerfacecolor() == "white"]


def test_seconds_per_epoch_have_a_line_per_optimizer(ax, legend):
    assert plots.scaling.epoch_seconds(SUMMARIES, cores=2, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("workers", "s per epoch")
    assert legend() == ["adam", "sgd"]
    assert ax.containers[0].lines[0].get_ydata() == pytest.approx([4.1, 2.3, 1.45])
    assert hollow(ax) == [[4], [4]]


def test_relative_seconds_are_drawn_beside_the_ideal(ax, legend):
    plots.scaling.relative_seconds(SUMMARIES, ax=ax)
    assert ax.get_ylabel() == "time relative to the fewest workers"
    assert set(legend()) == {"ideal", "adam", "sgd"}
    assert ax.containers[0].lines[0].get_ydata()[0] == 1
    assert hollow(ax) == [[], []]


def test_a_predicted_speed_up_has_the_colour_of_its_points(ax, legend):
    timings = Timings(WORKERS, np.array([4.0, 4.2, 2.2, 2.4, 1.4, 1.5]))
    curves = {name: scaling.predict(scaling.fit_law(scaling.AMDAHL, timings), [1, 2, 4]) for name in ("adam", "8 more")}
    plots.scaling.speed_up({"adam": SUMMARIES["adam"]}, predicted=curves, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("workers", "speed-up")
    assert set(legend()) == {"adam", "8 more", "ideal"}
    points = ax.containers[0].lines[0]
    assert points.get_linestyle() == "None"
    assert next(line.get_color() for line in ax.lines if line.get_linewidth() == 1) == points.get_color()
    assert sum(isinstance(collection, PolyCollection) for collection in ax.collections) == 2  # the bands


def test_phases_are_stacked_bars(ax, legend):
    means = {"1 x 100": {"input": 1, "compute": 5, "transfer": 0, "waiting": 0, "evaluation": 2}}
    means["2 x 50"] = {"input": 1, "compute": 3, "transfer": 1, "waiting": 0.5, "evaluation": 1}
    plots.scaling.phases(means, xlabel="workers x events per worker and step", ax=ax)
    assert ax.get_ylabel() == "s per epoch, mean over workers"
    assert legend() == ["input", "compute", "gradient all-reduce", "waiting for other workers", "evaluation"]
    assert [bar.get_y() + bar.get_height() for bar in ax.containers[-1]] == [8, 6.5]


def test_networks_are_solid_and_dashed_with_a_dot_where_they_limit(ax, legend):
    workers = np.array([1, 2, 4, 8])
    curves = {"1 Gb/s": (workers**0.5, 4), "1 Gb/s, network alone": (workers**0.9, np.inf)}
    plots.scaling.predicted_speed_up(workers, curves, title="[T]", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("workers", "predicted speed-up", "[T]")
    assert legend() == ["1 Gb/s", "ideal"]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "None", "--", ":"]
    assert ax.lines[0].get_color() == ax.lines[2].get_color()
    assert ax.lines[1].get_xydata().tolist() == [[4, 2]]

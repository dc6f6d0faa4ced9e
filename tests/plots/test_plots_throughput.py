import numpy as np
import pytest

from higgs_lib import plots
from higgs_lib.metrics import Interval
from higgs_lib.performance.step_cost import StepCost
from higgs_lib.performance.throughput import OURS, Timing
from higgs_lib.performance.timing import Rate

RATES = {
    "higgs_lib": {100: Rate(20_000, 19_000, 22_000), 1000: Rate(90_000, 80_000, 95_000)},
    "Keras model.fit": {100: Rate(5000, 4000, 6000), 1000: Rate(40_000, 40_000, 41_000)},
}
COST = StepCost(Interval(2e-3, 1e-3, 4e-3), Interval(1e-5, 1e-5, 1e-5), 0.1)


def test_rates_are_logarithmic_with_the_range_as_bars(ax, legend):
    assert plots.throughput.rates(RATES, title="deep", ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("events per batch", "training events / s", "deep")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert legend() == ["higgs_lib", "Keras model.fit"]
    bars = np.array(ax.containers[0].lines[2][0].get_segments())
    assert bars[:, :, 1] == pytest.approx(np.array([[19_000, 22_000], [80_000, 95_000]]))


def test_rates_below_a_ceiling_start_at_zero_and_name_the_batch_sizes(ax, legend):
    plots.throughput.rates(RATES, title="deep", ceiling=2e5, ceiling_label="matrix products", ax=ax)
    assert (ax.get_yscale(), ax.get_ylim()[0]) == ("linear", 0)
    assert set(legend()) == {"matrix products", "higgs_lib", "Keras model.fit"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["100", "1,000"]
    assert max(line.get_ydata()[0] for line in ax.lines) == 2e5


def test_the_seconds_of_a_step_are_points_on_a_line(ax, legend):
    timings = [Timing(OURS, "adam", size, [2e-3 + 1e-5 * size]) for size in (100, 1000)]
    plots.throughput.step_seconds({"adam": timings}, {"adam": COST}, title="deep", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("events per batch", "ms / step")
    assert legend() == ["adam"]
    points, line = ax.lines
    assert points.get_ydata() == pytest.approx([3, 12])
    assert line.get_ydata()[[0, -1]] == pytest.approx([3, 12])


def test_launches_have_a_point_per_optimizer(ax, legend):
    plots.throughput.launches({"sgd": 100, "adam": 200}, {"sgd": COST, "adam": COST}, title="graph", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("operations launched per step", "a: ms / step for any batch size")
    assert legend() == ["sgd", "adam"]
    assert [container.lines[0].get_xydata().tolist() for container in ax.containers] == [[[100, 2]], [[200, 2]]]


def test_gpus_are_horizontal_lines_in_the_colours_of_the_optimizers(ax, legend):
    seconds = {"sgd": {1: 8.0, 2: 5.0}, "adam": {1: 9.0, 2: 6.0}}
    plots.throughput.epoch_by_cores(seconds, {"H100": {"sgd": 1.0, "adam": 1.2}}, n_events=1_000_000, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("processor cores", "s / 1,000,000 events")
    assert legend() == ["sgd", "adam", "H100"]
    colours = [line.get_color() for line in ax.lines]
    assert colours[:2] == colours[2:4]


def test_loops_are_drawn_below_the_roofline(ax, legend):
    limit = np.array([1, 10, 100]), np.array([1e9, 1e10, 5e10])
    points = {"higgs_lib": (np.array([5.0, 50.0]), np.array([1e9, 2e10]))}
    plots.throughput.roofline(points, limit, title="processor", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("operations / byte", "operations / s")
    assert legend() == ["roofline", "higgs_lib"]

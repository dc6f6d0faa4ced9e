import numpy as np
import pytest

from higgs_lib import plots
from higgs_lib.metrics import Interval
from higgs_lib.performance.step_cost import StepCost
from higgs_lib.performance.throughput import KERAS, OURS, Throughput, Timing
from higgs_lib.performance.timing import Rate

RATES = {
    OURS: {100: Rate(20_000, 19_000, 22_000), 1000: Rate(90_000, 80_000, 95_000), 4096: Rate(95_000, 9e4, 1e5)},
    KERAS: {100: Rate(5000, 4000, 6000), 1000: Rate(40_000, 40_000, 41_000)},
}
COST = StepCost(Interval(2e-3, 1e-3, 4e-3), Interval(1e-5, 1e-5, 1e-5), 0.1)
SIZES = (64, 1024, 4096)
MEASURED = Throughput(
    "processor",
    2,
    "tensorflow",
    {},
    [Timing(loop, name, n, [2e-3 + 1e-5 * n]) for loop in (OURS, KERAS) for name in ("sgd", "adam") for n in SIZES],
    1_000_000,
    1e11,
    1e10,
    {},
    {},
    {},
)


def labelled(ax):
    return ax.get_legend_handles_labels()[1]


def test_rates_below_a_ceiling_start_at_zero_and_name_the_batch_sizes(ax, legend):
    assert plots.throughput.rates(RATES, ceiling=2e5, ceiling_label="matrix products", ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("events per batch", "training events / s")
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_ylim()[0]) == ("log", "linear", 0)
    assert set(legend()) == {"matrix products", OURS, KERAS}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["100", "1,000", "4,096"]
    bars = np.array(ax.containers[1].lines[2][0].get_segments())
    assert bars[:, :, 1] == pytest.approx(np.array([[4000, 6000], [40_000, 41_000]]))
    assert [container.lines[0].get_linestyle() for container in ax.containers] == ["-", "None"]


def test_one_optimizer_of_a_device_is_singled_out(ax):
    plots.throughput.device_rates(MEASURED, "adam", title="processor", ax=ax)
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_title()) == ("log", "log", "processor")
    assert set(labelled(ax)) == {OURS, KERAS, "other optimizers"}
    assert ax.containers[0].lines[0].get_ydata() == pytest.approx([n / (2e-3 + 1e-5 * n) for n in SIZES])
    assert sum(line.get_color() == plots.style.MUTED and len(line.get_xdata()) == 3 for line in ax.lines) == 2
    ax.figure.canvas.draw()
    assert {"64", "1,024", "4,096"} <= {label.get_text() for label in ax.get_xticklabels()}


def test_the_seconds_of_a_step_are_points_on_a_line_above_the_arithmetic(ax):
    costs = {(loop, name): COST for loop in (OURS, KERAS) for name in ("sgd", "adam")}
    plots.throughput.device_steps(MEASURED, costs, "adam", fitted=(64, 2048), title="processor", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("events per batch", "ms / step")
    assert set(labelled(ax)) == {OURS, KERAS, "arithmetic at the peak", "other optimizers"}
    points = next(line for line in ax.lines if line.get_label() == OURS)
    assert points.get_ydata() == pytest.approx([2 + 1e-2 * n for n in SIZES])
    arithmetic = next(line for line in ax.lines if line.get_label() == "arithmetic at the peak")
    assert arithmetic.get_ydata()[[0, -1]] == pytest.approx([1e3 * n * 1e6 / 1e11 for n in (64, 4096)])


@pytest.mark.parametrize(("fitted", "line"), [((64, 4096), "-"), ((64, 2048), "None")])
def test_the_line_of_a_step_ends_where_its_fit_does_and_is_not_drawn_through_two_sizes(ax, fitted, line):
    costs = {(loop, name): COST for loop in (OURS, KERAS) for name in ("sgd", "adam")}
    plots.throughput.device_steps(MEASURED, costs, "adam", fitted=fitted, title="processor", ax=ax)
    fits = [each for each in ax.lines if len(each.get_xdata()) == 100]
    assert {each.get_linestyle() for each in fits} == {line}
    assert {each.get_xdata()[-1] for each in fits} == {max(n for n in SIZES if n <= fitted[1])}


def test_gpus_are_horizontal_lines(ax, legend):
    seconds = {"sgd": {1: 8.0, 2: 5.0, 4: 3.0}, "adam": {1: 9.0, 2: 6.0, 4: 4.0}}
    plots.throughput.epoch_by_cores(seconds, {"H100": 1.2}, optimizer="adam", n_events=1_000_000, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("processor cores", "s / 1,000,000 events")
    assert set(legend()) == {"adam", "other optimizers", "H100"}
    assert ax.lines[0].get_color() == plots.style.MUTED
    assert next(line for line in ax.lines if line.get_label() == "H100").get_ydata() == [1.2, 1.2]


def test_loops_are_drawn_below_the_roofline(ax):
    limit = np.array([1, 10, 100]), np.array([1e9, 1e10, 5e10])
    points = {OURS: (np.array([5.0, 50.0]), np.array([1e9, 2e10]))}
    plots.throughput.roofline(points, limit, title="processor", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("operations / byte", "operations / s")
    assert labelled(ax) == ["roofline", OURS]
    assert ax.lines[1].get_linestyle() == "None"  # two points

import matplotlib.pyplot as plt
import numpy as np
import pytest

from higgs_lib import plots
from higgs_lib.performance import scaling
from higgs_lib.performance.curve_fit import Timings

WORKERS = np.repeat([1, 2, 4], 2)
SUMMARIES = {
    "adam": scaling.summary(Timings(WORKERS, np.array([4.0, 4.2, 2.2, 2.4, 1.4, 1.5]))),
    "sgd": scaling.summary(Timings(WORKERS, np.array([3.0, 3.2, 1.8, 1.9, 1.2, 1.3]))),
    "adamax": scaling.summary(Timings(WORKERS, np.array([3.5, 3.7, 2.0, 2.1, 1.3, 1.4]))),
}
TWO = {"adam": scaling.summary(Timings(WORKERS[:4], np.array([4.0, 4.2, 2.2, 2.4])))}


def hollow(ax):
    return [line.get_xdata().tolist() for line in ax.lines if line.get_markerfacecolor() == "white"]


def test_the_first_optimizer_is_singled_out(ax, legend):
    assert plots.scaling.epoch_seconds(SUMMARIES, cores=2, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("workers", "s per epoch")
    assert legend() == ["adam", "other optimizers"]
    assert [container.lines[0].get_color() == plots.style.MUTED for container in ax.containers] == [False, True, True]
    assert ax.containers[0].lines[0].get_ydata() == pytest.approx([4.1, 2.3, 1.45])
    assert hollow(ax) == [[4]] * 3


def test_relative_seconds_are_drawn_beside_the_ideal(ax, legend):
    plots.scaling.relative_seconds(SUMMARIES, ax=ax)
    assert ax.get_ylabel() == "time relative to the fewest workers"
    assert set(legend()) == {"ideal", "adam", "other optimizers"}
    assert ax.containers[0].lines[0].get_ydata()[0] == 1
    assert hollow(ax) == [[]] * 3


def test_no_line_joins_two_numbers_of_workers(ax):
    plots.scaling.epoch_seconds(TWO, ax=ax)
    assert ax.containers[0].lines[0].get_linestyle() == "None"
    plots.scaling.epoch_seconds(SUMMARIES, ax=ax)
    assert ax.containers[1].lines[0].get_linestyle() == "-"


def test_speed_ups_are_all_in_colour_beside_the_ideal(ax, legend):
    plots.scaling.speed_up(SUMMARIES, title="strong scaling", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("workers", "speed-up", "strong scaling")
    assert set(legend()) == {"adam", "sgd", "adamax", "ideal"}
    assert ax.containers[0].lines[0].get_ydata() == pytest.approx([1, 4.1 / 2.3, 4.1 / 1.45])
    ideal = next(line for line in ax.lines if line.get_label() == "ideal")
    assert ideal.get_xdata().tolist() == ideal.get_ydata().tolist() == [1, 2, 4]


def test_axes_that_are_shared_end_above_the_data_of_both():
    left, right = plt.subplots(1, 2, sharey=True)[1]
    plots.scaling.speed_up(TWO, title="two workers", ax=left)
    plots.scaling.speed_up(SUMMARIES, title="four workers", ax=right)
    assert left.get_ylim()[0] == 0
    assert left.get_ylim()[1] > 4
    plt.close("all")


def test_phases_are_stacked_bars(ax, legend):
    means = {"1 x 100": {"input": 1, "compute": 5, "transfer": 0, "waiting": 0, "evaluation": 2}}
    means["2 x 50"] = {"input": 1, "compute": 3, "transfer": 1, "waiting": 0.5, "evaluation": 1}
    plots.scaling.phases(means, xlabel="workers x events per worker and step", ax=ax)
    assert ax.get_ylabel() == "s per epoch, mean over workers"
    assert legend() == ["input", "compute", "gradient all-reduce", "waiting for other workers", "evaluation"]
    assert [bar.get_y() + bar.get_height() for bar in ax.containers[-1]] == [8, 6.5]


def test_networks_are_solid_and_dashed_on_linear_axes(ax):
    workers = np.array([1, 2, 4, 8])
    plots.scaling.predicted_speed_up(workers, {"1 Gb/s": (workers**0.5, workers**0.6)}, title="3 x 300", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("workers", "predicted speed-up", "3 x 300")
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlim()) == ("linear", "linear", (1, 8))
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["1 Gb/s", "ideal", "message time as measured here", "network alone"]
    solid, dashed, ideal, *_ = ax.lines
    assert (solid.get_linestyle(), dashed.get_linestyle(), ideal.get_linestyle()) == ("-", "--", ":")
    assert solid.get_color() == dashed.get_color()
    assert ideal.get_xdata().tolist() == [1, 2]  # no further than the curves reach

import numpy as np
import pytest

from higgs_lib import plots
from higgs_lib.metrics import Interval
from higgs_lib.plots import asynchronous


def labelled(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_some_rules_are_singled_out_and_references_have_colours_of_their_own(ax):
    epochs = [1.0, 2.0, 3.0]
    curves = {name: (epochs, [0.6, 0.7, 0.75]) for name in ("Single", "synchronous", "AGN", "ADAG", "DynSGD")}
    asynchronous.learning_curves(curves, bold=["ADAG"], xlabel="wall-clock time, s", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xlim()[0]) == ("wall-clock time, s", "validation AUC", 0)
    lines = labelled(ax)
    assert set(lines) == {"one worker", "synchronous", "ADAG", "other rules"}
    assert lines["one worker"].get_color() == "black"
    assert sum(line.get_color() == plots.style.MUTED for line in ax.lines) == 2
    asynchronous.learning_curves(curves, bold=["ADAG"], xlabel="MB", xscale="log", ax=ax)
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize("spent", [(30, 32, 44), (20, 90, 900)])
def test_a_logarithmic_axis_has_few_plain_ticks(ax, spent):
    asynchronous.learning_curves({"ADAG": (spent, [0.6, 0.7, 0.75])}, bold=[], xlabel="MB", xscale="log", ax=ax)
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    shown = [label.get_text() for label in ax.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert 2 <= len(shown) <= 5
    assert all(low <= float(text.replace(",", "")) <= high for text in shown)
    assert not list(ax.get_xticklabels(minor=True))


def test_the_marks_of_one_worker_are_seen_behind_equal_ones_of_synchronous_training(ax):
    curves = {name: ([1, 2], [0.6, 0.7]) for name in ("Single", "synchronous")}
    asynchronous.learning_curves(curves, bold=[], xlabel="s", ax=ax)
    assert [line.get_markerfacecolor() for line in ax.lines] == ["none", "none"]
    assert ax.lines[0].get_markersize() < ax.lines[1].get_markersize()


@pytest.mark.parametrize(("n_epochs", "line"), [(2, "None"), (3, "-")])
def test_no_line_joins_two_epochs(ax, n_epochs, line):
    curves = {"ADAG": (np.arange(n_epochs), np.linspace(0.5, 0.8, n_epochs))}
    asynchronous.learning_curves(curves, bold=["ADAG"], xlabel="s", ax=ax)
    assert [each.get_linestyle() for each in ax.lines] == [line]


def test_staleness_is_drawn_as_fractions_with_the_expected_mean(ax):
    asynchronous.staleness(np.array([3, 3, 2, 4]), 4, np.array([0.25, 0.2]), ax=ax)
    assert ax.get_title() == "4 workers"
    assert ax.patches[0].get_data().values.tolist() == [0, 0, 0.25, 0.5, 0.25]
    assert labelled(ax)["$n - 1$"].get_xdata() == [3, 3]
    assert labelled(ax)["as momentum"].get_ydata().tolist() == [0.25, 0.2]


def test_workers_that_share_cores_are_hollow(ax, legend):
    aucs = {"ADAG": {1: Interval(0.8, 0.79, 0.81), 2: Interval(0.79, 0.78, 0.8), 4: Interval(0.5, np.nan, np.nan)}}
    asynchronous.auc_by_workers(aucs, cores=2, ax=ax)
    assert legend() == ["ADAG"]
    hollow = [line.get_xdata().tolist() for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert hollow == [[4]]
    assert ax.containers[0].lines[0].get_ydata().tolist() == [0.8, 0.79, 0.5]


def test_losses_have_a_line_per_training(ax, legend):
    class Training:
        events, validation_loss = np.array([1e6, 2e6, 3e6]), [0.7, 0.6, 0.5]

    asynchronous.losses({"2 workers": Training, "plain SGD": Training}, title="2 workers", ax=ax)
    assert legend() == ["2 workers", "plain SGD"]
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3]

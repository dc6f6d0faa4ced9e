import matplotlib.pyplot as plt
import numpy as np
import pytest

from higgs_lib import metrics, plots
from higgs_lib.metrics import Histogram, Interval

HISTOGRAM = Histogram(np.linspace(0, 1, 5), np.array([1, 2, 3, 4]), np.array([4, 3, 2, 1]))


@pytest.mark.parametrize(("measure", "label"), [("loss", "mean loss"), ("auc", "AUC"), ("accuracy", "accuracy")])
def test_epochs_have_a_solid_and_a_dashed_line_per_seed_and_a_legend_that_says_so(ax, legend, measure, label):
    rows = np.array([[0.6, 0.5, np.nan], [0.7, 0.6, 0.5]])
    for name in ("low", "high"):
        plots.by_epoch(rows, rows, measure=measure, name=name, colour="red", ax=ax)
    drawn = [line for line in ax.lines if len(line.get_xdata())]
    assert [line.get_linestyle() for line in drawn] == ["-", "-", "--", "--"] * 2
    assert (ax.get_xlabel(), ax.get_ylabel(), legend()) == ("epoch", label, ["validation", "training", "low", "high"])


def test_a_single_epoch_is_a_mark_and_no_line_in_the_legend_too(ax):
    plots.by_epoch(np.array([[0.6]]), np.array([[0.5]]), measure="loss", name="low", colour="red", ax=ax)
    drawn = [line for line in ax.lines if len(line.get_xdata())]
    assert [(line.get_marker(), line.get_linestyle()) for line in drawn] == [("o", "None"), ("x", "None")]
    assert {handle.get_linestyle() for handle in ax.get_legend_handles_labels()[0]} == {"None"}


def test_roc_is_rejection_against_efficiency(ax, legend):
    curve = metrics.roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]))
    plots.roc(curve, label="deep", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("signal efficiency", "background rejection")
    assert np.array_equal(ax.lines[0].get_xydata(), np.stack([curve.signal_efficiency, curve.background_rejection], 1))
    assert legend() == ["deep"]


def test_roc_of_the_inverse_efficiency_ends_where_no_background_is_left(ax):
    curve = metrics.roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]))
    plots.roc(curve, label="deep", inverse=True, ax=ax)
    assert (ax.get_ylabel(), ax.get_yscale()) == ("1 / background efficiency", "log")
    # no background passes the first two cuts; half of it the next two, all of it the last
    assert ax.lines[0].get_ydata() == pytest.approx([np.nan, np.nan, 2, 2, 1], nan_ok=True)


def test_the_band_of_a_roc_curve_has_its_colour(ax, legend):
    sample = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
    band = metrics.roc_band(*sample, n_points=5)
    plots.roc(metrics.roc(*sample), label="deep", colour="red", band=band, ax=ax)
    (drawn,) = ax.collections
    assert drawn.get_facecolor()[0][:3] == pytest.approx((1, 0, 0))
    corners = drawn.get_paths()[0].vertices
    assert {(x, y) for x, y in zip(band.signal_efficiency, band.low, strict=True)} <= set(map(tuple, corners))
    assert {(x, y) for x, y in zip(band.signal_efficiency, band.high, strict=True)} <= set(map(tuple, corners))
    assert legend() == ["deep"]


@pytest.mark.parametrize(
    ("deviation", "values", "label"),
    [(False, [0.3, 0.7], "fraction of signal"), (True, [0.1, -0.1], "fraction of signal - score")],
)
def test_reliability_is_the_fraction_against_the_score(ax, legend, deviation, values, label):
    score, fraction = np.array([0.2, 0.8]), np.array([0.3, 0.7])
    curve = metrics.Reliability(score, fraction, fraction - 0.1, fraction + 0.2, np.array([5, 5]))
    assert plots.reliability(curve, label="deep", deviation=deviation, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel(), legend()) == ("mean score", label, ["deep"])
    points, _, (bars,) = ax.containers[0].lines
    assert points.get_xydata() == pytest.approx(np.stack([score, values], 1))
    ends = np.array(bars.get_segments())[:, :, 1]
    assert ends == pytest.approx(np.array(values)[:, None] + [[-0.1, 0.2]])
    diagonal = ax.lines[-1].get_ydata()
    assert list(diagonal) == [0, 0 if deviation else 1]


@pytest.mark.parametrize(("normalised", "label"), [(True, "density"), (False, "events")])
def test_scores_of_both_classes(ax, legend, normalised, label):
    plots.scores(HISTOGRAM, title="deep", normalised=normalised, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("network output", label, "deep")
    assert legend() == ["signal", "background"]


def test_expected_events_are_all_on_the_axis(ax, legend):
    plots.expected(HISTOGRAM, signal=20, background=100, title="deep", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("network output", "expected events", "log")
    assert set(legend()) == {"background, 100", "signal, 20"}
    drawn = [patch.get_data().values.tolist() for patch in ax.patches if hasattr(patch, "get_data")]
    assert pytest.approx([40, 30, 20, 10]) in drawn
    assert pytest.approx([2, 4, 6, 8]) in drawn
    assert ax.get_ylim()[0] < 2


def test_half_an_expected_background_event_is_above_the_bottom(ax):
    few = Histogram(np.linspace(0, 1, 3), np.array([1, 99]), np.array([1999, 1]))
    plots.expected(few, signal=100, background=1000, title="deep", ax=ax)
    assert ax.get_ylim()[0] < 1000 * 1 / 2000


def test_scores_fit_the_highest_of_axes_that_share_their_height():
    figure, axes = plt.subplots(1, 2, sharey=True)
    for ax, signal in zip(axes, ([1, 2, 3, 4], [0, 0, 0, 10]), strict=True):
        plots.scores(HISTOGRAM._replace(signal=np.array(signal)), title="", ax=ax)
    assert axes[0].get_ylim()[1] > 10 / 10 / 0.25
    plt.close(figure)


def test_a_measure_against_the_cut_marks_the_best_one(ax, legend):
    plots.against_cut(np.array([0.1, 0.9]), np.array([1, 2]), label="low", ylabel="FOM", best=0.9, colour="red", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), legend()) == ("cut on the network output", "FOM", ["low"])
    assert len(ax.lines) == 2
    assert ax.lines[1].get_xdata()[0] == 0.9


def test_intervals_have_a_row_each_and_marks_of_references(ax, legend):
    rows = {"deep": Interval(0.8, 0.79, 0.82), "trees": Interval(0.7, 0.69, 0.71)}
    plots.intervals(rows, xlabel="test AUC", references={"[B]": [0.81, np.nan]}, ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["deep", "trees"]
    assert ax.get_xlabel() == "test AUC"
    assert set(legend()) == {"[B]", "this study, 95 % interval"}
    bars = ax.containers[0].lines[2][0].get_segments()
    assert np.array(bars)[:, :, 0] == pytest.approx(np.array([[0.79, 0.82], [0.69, 0.71]]))


def test_a_learning_curve_is_logarithmic_in_events(ax, legend):
    aucs = [Interval(0.7, 0.69, 0.71), Interval(0.8, 0.79, 0.82)]
    plots.learning_curve([100, 1000], aucs, label="low", colour="red", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("training events", "test AUC", "log")
    assert legend() == ["low"]
    assert np.array(ax.containers[0].lines[2][0].get_segments())[:, :, 1] == pytest.approx(
        np.array([[0.69, 0.71], [0.79, 0.82]])
    )


def test_a_prediction_band_holds_the_intervals(ax, legend):
    predicted = [Interval(0.7, 0.69, 0.71), Interval(0.8, 0.79, 0.82)]
    plots.prediction_band([100, 1000], predicted, colour="red", label="fit", ax=ax)
    assert ax.lines[0].get_ydata().tolist() == [0.7, 0.8]
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices.round(6).tolist()}
    assert {(100, 0.69), (100, 0.71), (1000, 0.79), (1000, 0.82)} <= corners
    assert ax.get_xscale() == "log"


def test_r_squared_is_written_into_its_cells(ax):
    plots.r_squared(np.array([[0.1, 0.2], [0.3, 0.4]]), ["features", "hidden 1"], ["a", "b"], title="deep", ax=ax)
    assert [text.get_text() for text in ax.texts] == ["0.10", "0.20", "0.30", "0.40"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["features", "hidden 1"]

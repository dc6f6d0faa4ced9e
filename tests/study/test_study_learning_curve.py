import math
import re

import numpy as np
import pytest
from scipy import optimize, stats

from higgs_lib import metrics
from higgs_lib.metrics import Interval
from higgs_lib.study import learning_curve
from higgs_lib.study.learning_curve import HeldOut, Measured, Pair

SIZES = [62_500, 250_000, 1_000_000, 2_000_000, 4_000_000]


def truth(n_events, limit=0.9):
    return limit - 0.1 * (n_events / SIZES[0]) ** -0.4


def measured(error, noise=0.0, seed=1, limit=0.9, common=0.0):
    """AUCs of a known power law, with independent noise and errors, and an error that is common to all."""
    rng = np.random.default_rng(seed)
    values = [truth(size, limit) + noise * rng.normal() for size in SIZES]
    covariance = error**2 * np.eye(5) + common**2
    return Measured(np.array(SIZES), np.array(values), covariance, np.zeros(5), np.zeros(5, int))


def test_a_power_law_without_noise_is_recovered():
    curve = learning_curve.fit(measured(1e-6), seed=1)
    assert curve.predict(10_000_000).value == pytest.approx(truth(10_000_000), abs=1e-5)
    assert curve.limit.value == pytest.approx(0.9, abs=1e-4)
    assert curve.amplitude.value == pytest.approx(0.1, abs=1e-4)
    assert curve.exponent.value == pytest.approx(0.4, rel=0.004)


def test_the_fit_agrees_with_scipys():
    points = measured(1e-3, 1e-3, 2)
    points = points._replace(covariance=np.diag([4, 1, 1, 2, 1]) * 1e-6)
    curve = learning_curve.fit(points, seed=1)
    sizes = np.array(SIZES) / SIZES[0]
    solution, _ = optimize.curve_fit(
        lambda n, a, b, c: a - b * n**-c, sizes, points.auc, (0.9, 0.1, 0.5), sigma=points.errors
    )
    ours = [p.value for p in (curve.limit, curve.amplitude, curve.exponent)]
    assert ours == pytest.approx(solution, rel=0.01)


def test_the_interval_covers_the_truth_and_grows_with_the_distance():
    curves = [learning_curve.fit(measured(1e-3, 1e-3, seed), seed=1) for seed in range(20)]
    inside = [curve.predict(1e7).low < truth(1e7) < curve.predict(1e7).high for curve in curves]
    near, far = (curves[0].predict(n) for n in (1e7, 1e9))
    assert far.high - far.low > near.high - near.low
    assert np.mean(inside) >= 0.8


def test_points_that_scatter_more_than_their_errors_widen_the_interval():
    curve = learning_curve.fit(measured(1e-5, 2e-3), seed=1)
    assert curve.scale > 10
    assert learning_curve.fit(measured(1e-2, 2e-3), seed=1).scale == 1


def test_an_error_common_to_all_sizes_moves_the_curve_and_not_the_comparison_with_the_largest():
    alone, shared = (learning_curve.hold_out(measured(1e-4, 0, common=c), seed=1) for c in (0, 3e-3))
    width = [held.predicted.high - held.predicted.low for held in (alone, shared)]
    assert width[1] > 2 * width[0]
    width = [held.difference.high - held.difference.low for held in (alone, shared)]
    assert width[1] == pytest.approx(width[0], rel=0.2)
    assert alone.held
    assert shared.held


def test_a_largest_size_off_the_curve_is_not_held():
    points = measured(1e-4, 1e-5)
    points.auc[-1] += 0.01
    held = learning_curve.hold_out(points, seed=1)
    assert not held.held
    assert held.difference.value == pytest.approx(-0.01, abs=1e-3)


def test_draws_are_seeded():
    one, same = (learning_curve.fit(measured(1e-3), seed=3).predict(1e7) for _ in range(2))
    assert one == same


def test_too_few_sizes_are_refused():
    with pytest.raises(ValueError, match="a learning curve needs 4 numbers of training events, not 3"):
        learning_curve.fit(measured(1e-3).first(3), seed=1)


def test_trainings_with_equally_many_events_are_averaged_and_their_spread_counts():
    covariance = np.full((4, 4), 1e-6)
    points = Measured.from_trainings([200, 100, 100, 50], [0.8, 0.72, 0.70, 0.6], covariance)
    assert points.n_training.tolist() == [50, 100, 200]
    assert points.auc == pytest.approx([0.6, 0.71, 0.8])
    # 0.0002 is the variance of 0.72 and 0.70
    assert points.covariance == pytest.approx(np.full((3, 3), 1e-6))
    assert points.spread == pytest.approx([2e-4, 1e-4, 2e-4])
    assert points.degrees.tolist() == [1, 1, 1]


def test_a_stored_benchmark_is_read_network_by_network():
    trained = [("deep", "low", 100, 0.6), ("shallow", "high", 100, 0.7), ("deep", "low", 200, 0.65)]
    names = ("preset", "features", "n_training", "auc")
    trainings = [dict(zip(names, row, strict=True)) for row in trained]
    trainings = [row | {"test_auc": {"value": row["auc"], "low": 0, "high": 1}} for row in trainings]
    covariances = {"deep, low": [[1e-6, 5e-7], [5e-7, 1e-6]], "shallow, high": [[4e-6]]}
    networks = learning_curve.benchmarked({"trainings": trainings, "covariances": covariances})
    assert networks["deep, low"].n_training.tolist() == [100, 200]
    assert networks["deep, low"].auc.tolist() == [0.6, 0.65]
    assert networks["deep, low"].covariance[0, 1] == 5e-7
    assert networks["shallow, high"].errors == pytest.approx([2e-3])


def test_of_scores_the_intervals_are_those_of_delong():
    rng = np.random.default_rng(1)
    labels = np.repeat([0.0, 1.0], 500)
    scores = rng.normal(np.outer([0.5, 1.0], labels))
    points = Measured.from_scores([100, 200], labels, scores)
    for ours, one in zip(points.intervals, scores, strict=True):
        assert ours == pytest.approx(metrics.auc_interval(labels, one), abs=1e-5)


def test_the_interval_of_repeated_trainings_is_that_of_students_t():
    values = [0.70, 0.72, 0.73]
    points = Measured.from_trainings([100] * 3, values, np.zeros((3, 3)))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert points.intervals[0][1:] == pytest.approx(expected)
    assert "Student's *t*" in learning_curve.describe_intervals(points)
    alone = Measured.from_trainings([100, 200], values[:2], 1e-6 * np.eye(2))
    assert "test events alone: no sample" in learning_curve.describe_intervals(alone)


def test_the_spread_of_few_trainings_widens_the_curve_as_students_t():
    normal = measured(1e-3)
    of_three = normal._replace(covariance=np.zeros((5, 5)), spread=np.full(5, 1e-6), degrees=np.full(5, 2))
    width = [
        np.subtract(*learning_curve.fit(points, seed=1).predict(SIZES[-1])[:0:-1]) for points in (normal, of_three)
    ]
    assert 1.3 < width[1] / width[0] < 4.303 / 1.96 * 1.2  # the quantiles of t and of the normal distribution


def test_differences_are_those_of_the_paired_auc():
    rng = np.random.default_rng(1)
    labels = np.repeat([0.0, 1.0], 500)
    common = rng.normal(labels)
    one, other = (common + rng.normal(0, 0.5, (2, 1000)) for _ in range(2))
    pair = Pair.from_scores(([200, 100], [100, 300]), labels, (one, other))
    ((n, difference),) = pair.differences().items()
    assert n == 100
    assert difference == pytest.approx(metrics.auc_difference(labels, one[1], other[0]), abs=1e-5)
    apart = Pair.independent(pair.one, pair.other).differences()[100]
    assert apart.high - apart.low > 1.5 * (difference.high - difference.low)


def test_an_error_common_to_two_classifiers_does_not_move_their_crossing():
    one = measured(1e-4, common=3e-3)
    other = one._replace(auc=np.array([0.875 - 0.01 * (size / SIZES[0]) ** -0.4 for size in SIZES]))
    together = Pair(one, other, np.full((5, 5), 9e-6))
    widths = []
    for pair in (together, Pair.independent(one, other)):
        crossed = learning_curve.crossing(*pair.fit(seed=1), SIZES[0], 10**8)
        widths.append(math.log(crossed.high / crossed.low))
    assert widths[1] > 3 * widths[0]


def test_curves_cross_where_they_are_equal():
    rising = learning_curve.fit(measured(1e-6), seed=1)
    flat = learning_curve.fit(measured(1e-6)._replace(auc=np.full(5, 0.88)), seed=1)
    crossed = learning_curve.crossing(rising, flat, SIZES[0], 10**7)
    expected = SIZES[0] * (0.1 / 0.02) ** (1 / 0.4)
    assert crossed.value == pytest.approx(expected, rel=0.02)
    assert learning_curve.describe_crossing("one", "another", crossed, 10**7).startswith(
        "one overtakes another at 3,500,000 ["
    )
    assert learning_curve.crossing(flat, rising, SIZES[0], 10**6).value == SIZES[0]
    assert learning_curve.crossing(rising, flat, 5 * 10**6, 10**7) == (5 * 10**6,) * 3
    never = learning_curve.crossing(flat, rising, SIZES[0], 10**7)
    assert never == (math.inf,) * 3
    text = learning_curve.describe_crossing("one", "another", never, 10**7)
    assert text == "one does not overtake another up to 10,000,000 training events"
    text = learning_curve.describe_crossing("one", "another", Interval(2e5, 1e5, math.inf), 10**7)
    assert text.endswith(" at 200,000 [100,000, more than 10,000,000] training events")
    text = learning_curve.describe_crossing("one", "another", Interval(math.inf, 1.23e5, math.inf), 10**7)
    assert text.endswith(" up to 10,000,000 training events, though within the interval it may from 120,000 on")


def slow(error=1e-4):
    """AUCs that rise less than those of `measured`, which overtake them at 3.5 million events."""
    values = [0.885 - 0.01 * (size / SIZES[0]) ** -0.4307 for size in SIZES]
    return measured(error)._replace(auc=np.array(values))


def overtaking(one, other, n_events=10**7):
    return learning_curve.describe_overtaking("one", "another", Pair.independent(one, other), n_events, 400, seed=1)


def test_a_crossing_is_stated_where_both_curves_hold():
    text = overtaking(measured(1e-4), slow())
    assert (
        "From 4,000,000 training events, the most that both were given, in 400 steps, the AUC of one less that" in text
    )
    assert re.search(
        r"By the fitted curves one overtakes another at [\d,]+ \[[\d,]+, [\d,]+\] training events, in", text
    )
    high = slow()._replace(auc=slow().auc - 0.09)
    assert overtaking(measured(1e-4), high).endswith("one is better from 62,500 training events on, in as many steps.")


def test_no_crossing_is_stated_where_a_curve_cannot_be_trusted():
    falls = measured(1e-4)
    falls.auc[-1] -= 0.01
    text = overtaking(falls, slow())
    assert (
        "Where one overtakes another is not told by these curves: the curve of one does not predict the largest" in text
    )
    text = overtaking(measured(1e-4), slow().first(4))
    assert "From 2,000,000 training events" in text
    assert text.endswith("the curve of another is unchecked, as 4 sizes are too few to leave one out.")
    steep = measured(1e-4)._replace(auc=np.array([0.8, 0.88, 0.88, 0.88, 0.88]))
    assert "the curve of another is not determined" in overtaking(measured(1e-4), steep)


def test_no_crossing_is_stated_where_the_measured_difference_is_negative():
    one, other = measured(1e-2), slow(1e-2)  # the errors are so large that the curves hold
    one.auc[:-1] += 0.008
    one.auc[-1] = other.auc[-1] - 1e-4
    text = overtaking(one, other)
    assert "is -0.0001 [" in text
    assert text.endswith("they cross below 4,000,000 training events, where the measured difference is still negative.")


def test_doubts_name_the_fault_of_a_curve():
    assert learning_curve.doubt(measured(1e-4), seed=1) == ""
    steep = measured(1e-3)._replace(auc=np.array([0.6, 0.8, 0.8, 0.8, 0.8]))
    assert "at a bound of the fit" in learning_curve.doubt(steep, seed=1)
    bent = measured(1e-4)._replace(auc=np.array([0.8, 0.84, 0.875, 0.8755, 0.88]))
    assert learning_curve.doubt(bent, seed=1).startswith("does not fit, as the AUCs scatter about it ")
    missing = measured(1e-3)
    missing.auc[-1] -= 0.004
    assert learning_curve.doubt(missing, seed=1).startswith("does not predict the largest sample from the others (pre")


def test_a_gain_is_the_difference_of_the_curve_and_has_the_steps():
    points = measured(1e-4, common=3e-3)
    gain = learning_curve.fit(points, seed=1).gain(4_000_000, 10_000_000)
    assert gain.value == pytest.approx(truth(10_000_000) - truth(4_000_000), abs=1e-4)
    assert gain.high - gain.low < 3e-3  # without the error that all have in common
    text = learning_curve.describe_gain("the network", points, 10_000_000, 400, seed=1)
    assert text.startswith("In 400 steps the network reaches 0.881 [")
    assert "By its curve 10,000,000 would bring +0.006 [" in text
    assert text.endswith("].")
    text = learning_curve.describe_gain("the network", points.first(4), 10_000_000, 400, seed=1)
    assert text.endswith("is to be distrusted: the curve is unchecked, as 4 sizes are too few to leave one out.")


def test_checks_are_counted_and_misses_have_their_direction():
    any_auc = Interval(0.8, 0.79, 0.81)
    tests = {
        "held": HeldOut(100, any_auc, any_auc, Interval(0.001, -0.001, 0.002), 1.0),
        "high": HeldOut(100, any_auc, any_auc, Interval(0.02, 0.01, 0.03), 3.0),
        "low": HeldOut(100, any_auc, any_auc, Interval(-0.02, -0.03, -0.01), 1.5),
    }
    text = learning_curve.describe_checks(tests)
    assert "within its interval for 1 of 3 curves. Predicted less measured, the others give +0.0200 [" in text
    assert "+0.0300] (high); -0.0200 [-0.0300, -0.0100] (low)." in text
    assert "more than was measured for 2 of 3 (predicted less measured -0.0200 to +0.0200)" in text
    assert text.endswith(
        "1.0 to 3.0 times as much as their errors say. For 1 of 3 it is more than 2 times, so that a power law does "
        "not fit within these errors."
    )


@pytest.mark.parametrize("n_training", [100, 999, 5000, 12_345, 25_600])
def test_every_size_gets_as_many_steps(n_training):
    epochs, n_events = learning_curve.equal_steps(n_training, 128, 400, shortest=20)
    assert n_events >= n_training
    assert n_events % 128 == 0
    assert 400 - epochs < epochs * n_events // 128 <= 400


def test_fewer_steps_than_an_epoch_are_refused():
    with pytest.raises(ValueError, match="10 steps are fewer than the 11 of an epoch of 1300 training events"):
        learning_curve.equal_steps(1300, 128, 10)

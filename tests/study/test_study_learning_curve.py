import math

import numpy as np
import pytest
from scipy import optimize

from higgs_lib import metrics
from higgs_lib.metrics import Interval
from higgs_lib.study import learning_curve
from higgs_lib.study.learning_curve import Measured

SIZES = [62_500, 250_000, 1_000_000, 2_000_000, 4_000_000]


def truth(n_events, limit=0.9):
    return limit - 0.1 * (n_events / SIZES[0]) ** -0.4


def measured(error, noise=0.0, seed=1, limit=0.9, common=0.0):
    """AUCs of a known power law, with independent noise and errors, and an error that is common to all."""
    rng = np.random.default_rng(seed)
    values = [truth(size, limit) + noise * rng.normal() for size in SIZES]
    return Measured(np.array(SIZES), np.array(values), error**2 * np.eye(5) + common**2)


def test_a_power_law_without_noise_is_found():
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
    assert points.covariance - 1e-6 == pytest.approx(np.diag([2e-4, 1e-4, 2e-4]))


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


def test_curves_cross_where_they_are_equal():
    rising = learning_curve.fit(measured(1e-6), seed=1)
    flat = learning_curve.fit(measured(1e-6)._replace(auc=np.full(5, 0.88)), seed=1)
    crossed = learning_curve.crossing(rising, flat, 10**7)
    expected = SIZES[0] * (0.1 / 0.02) ** (1 / 0.4)
    assert crossed.value == pytest.approx(expected, rel=0.02)
    assert learning_curve.describe_crossing("one", "another", crossed, 10**7).startswith(
        "one overtakes another at 3,500,000 ["
    )
    assert learning_curve.crossing(flat, rising, 10**6).value == SIZES[0]
    never = learning_curve.crossing(flat, rising, 10**7)
    assert never == (math.inf,) * 3
    text = learning_curve.describe_crossing("one", "another", never, 10**7)
    assert text == "one does not overtake another up to 10,000,000 training events"
    text = learning_curve.describe_crossing("one", "another", Interval(2e5, 1e5, math.inf), 10**7)
    assert text.endswith(" at 200,000 [100,000, more than 10,000,000] training events")
    text = learning_curve.describe_crossing("one", "another", Interval(math.inf, 1.23e5, math.inf), 10**7)
    assert text.endswith(" up to 10,000,000 training events, though within the interval it may from 120,000 on")


def test_a_curve_that_its_largest_sample_contradicts_is_doubted():
    rising, flat = measured(1e-4), measured(1e-4)._replace(auc=np.full(5, 0.88))
    text = learning_curve.describe_overtaking("one", "another", (rising, flat), 10**7, seed=1)
    assert "From 4,000,000 training events, the most that both were given, the AUC of one less that of another" in text
    assert "is +0.0011 [+0.0008, +0.0013]" in text
    assert text.endswith("training events.")
    rising.auc[-1] -= 0.01
    text = learning_curve.describe_overtaking("one", "another", (rising, flat.first(4)), 10**7, seed=1)
    assert "From 2,000,000 training events" in text
    assert text.endswith("but not both curves predict their largest sample from the others.")


@pytest.mark.parametrize("n_training", [100, 999, 5000, 12_345, 25_600])
def test_every_size_gets_as_many_steps(n_training):
    epochs, n_events = learning_curve.equal_steps(n_training, 128, 400, shortest=20)
    assert n_events >= n_training
    assert n_events % 128 == 0
    assert 400 - epochs < epochs * n_events // 128 <= 400


def test_fewer_steps_than_an_epoch_are_refused():
    with pytest.raises(ValueError, match="10 steps are fewer than the 11 of an epoch of 1300 training events"):
        learning_curve.equal_steps(1300, 128, 10)

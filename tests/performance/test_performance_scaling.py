import numpy as np
import pytest
from scipy import stats

from higgs_lib.performance import scaling
from higgs_lib.performance.scaling import Timings


def toy(seed, *, scatter=0.03, repeats=6):
    """Epochs whose speed-up is 1, 1.6, 2.5 with 1, 2, 4 workers."""
    workers = np.repeat([1, 2, 4], repeats)
    seconds = 12 / np.repeat([1, 1.6, 2.5], repeats)
    return Timings(workers, seconds * np.exp(np.random.default_rng(seed).normal(0, scatter, len(workers))))


def test_mean_seconds_have_students_interval():
    timings = toy(1)
    for workers, found in zip((1, 2, 4), scaling.summary(timings).seconds, strict=True):
        of_scipy = stats.ttest_1samp(timings.seconds[timings.workers == workers], 0).confidence_interval(0.95)
        assert found[1:] == pytest.approx((of_scipy.low, of_scipy.high))


def test_the_speed_ups_interval_is_that_of_welchs_test_of_logarithms():
    timings = toy(2, scatter=0.01)
    one, four = (np.log(timings.seconds[timings.workers == n]) for n in (1, 4))
    of_scipy = stats.ttest_ind(one, four, equal_var=False).confidence_interval(0.95)
    found = scaling.summary(timings).speed_up[-1]
    assert np.log(found[1:]) == pytest.approx((of_scipy.low, of_scipy.high), abs=2e-4)


def test_efficiency_and_gain_follow_from_the_speed_up():
    found = scaling.summary(toy(3, scatter=1e-6))
    assert [e.value for e in found.efficiency] == pytest.approx([1, 0.8, 0.625], rel=1e-4)
    assert [g.value for g in found.gain_per_node[1:]] == pytest.approx([0.6, (2.5 / 1.6) ** 0.5 - 1], rel=1e-4)
    assert [r.value for r in found.relative_seconds] == pytest.approx([1, 1 / 1.6, 1 / 2.5], rel=1e-4)
    assert np.isnan(found.gain_per_node[0].value)


def test_without_one_worker_the_fewest_are_the_reference():
    timings = toy(4, scatter=1e-6)
    several = timings.workers > 1
    found = scaling.summary(Timings(timings.workers[several], timings.seconds[several]))
    assert found.speed_up[1].value == pytest.approx(2.5 / 1.6, rel=1e-4)
    assert found.efficiency[1].value == pytest.approx(2.5 / 1.6 / 2, rel=1e-4)


def test_intervals_cover_as_often_as_they_say():
    summaries = [scaling.summary(toy(seed, repeats=4)) for seed in range(200)]
    speed_up = sum(found.speed_up[1].low <= 1.6 <= found.speed_up[1].high for found in summaries)
    gain = sum(found.gain_per_node[1].low <= 0.6 <= found.gain_per_node[1].high for found in summaries)
    low, high = stats.binom.interval(0.999, 200, 0.95)
    assert low <= speed_up <= high
    assert low <= gain <= high


def test_a_single_repeat_has_no_interval():
    found = scaling.summary(Timings(np.array([1, 2, 2]), np.array([3.0, 2.0, 2.2])))
    assert found.seconds[0].value == 3
    assert np.isnan([*found.seconds[0][1:], *found.speed_up[1][1:]]).all()
    assert not np.isnan(found.seconds[1].low)


@pytest.mark.parametrize(
    ("workers", "seconds"), [([1, 2], [1.0]), ([], []), ([1, 2], [1.0, 0.0]), ([1, 2], [1.0, np.nan]), ([0], [1.0])]
)
def test_unusable_timings_are_refused(workers, seconds):
    with pytest.raises(ValueError, match="timings"):
        scaling.summary(Timings(np.array(workers), np.array(seconds)))

import numpy as np
import pytest
from scipy import stats

from higgs_lib.performance import scaling
from higgs_lib.performance.curve_fit import Timings
from higgs_lib.performance.scaling import AMDAHL, LATENCY_BANDWIDTH, LAWS, UNIVERSAL_SCALABILITY


def toy(seed, *, scatter=0.03, repeats=6):
    """Epochs whose speed-up is 1, 1.6, 2.5 with 1, 2, 4 workers."""
    workers = np.repeat([1, 2, 4], repeats)
    seconds = 12 / np.repeat([1, 1.6, 2.5], repeats)
    return Timings(workers, seconds * np.exp(np.random.default_rng(seed).normal(0, scatter, len(workers))))


def select(timings, workers):
    chosen = np.isin(timings.workers, workers)
    return Timings(timings.workers[chosen], timings.seconds[chosen])


def test_mean_seconds_have_students_interval():
    timings = select(toy(1), [4])
    expected = stats.ttest_1samp(timings.seconds, 0).confidence_interval(0.95)
    assert scaling.summary(timings).seconds[0][1:] == pytest.approx((expected.low, expected.high))


def test_the_interval_of_the_speed_up_is_that_of_students_test_of_logarithms():
    timings = select(toy(2, scatter=0.01), [1, 4])
    one, four = (np.log(timings.seconds[timings.workers == n]) for n in (1, 4))
    expected = stats.ttest_ind(one, four).confidence_interval(0.95)
    assert np.log(scaling.summary(timings).speed_up[-1][1:]) == pytest.approx((expected.low, expected.high), abs=2e-4)


def test_the_scatter_is_pooled_over_configurations():
    """As the residual of an analysis of variance of logarithms, with a level for each configuration."""
    series = [toy(5, scatter=0.01), toy(6, scatter=0.01, repeats=2)]
    residuals = np.concatenate([np.log(s) - np.log(s).mean() for t in series for s in np.split(t.seconds, 3)])
    scatter = scaling.pooled_scatter(series)
    assert scatter.degrees == 3 * 5 + 3 * 1
    assert scatter.variance == pytest.approx(np.sum(residuals**2) / scatter.degrees, rel=0.02)
    factor = stats.t.ppf(0.975, scatter.degrees) * np.sqrt(scatter.variance / 2)
    mean = scaling.summary(series[1], scatter).seconds[0]
    assert mean.high / mean.value - 1 == pytest.approx(factor)


def test_efficiency_and_gain_follow_from_the_speed_up():
    summary = scaling.summary(toy(3, scatter=1e-6))
    assert [e.value for e in summary.efficiency] == pytest.approx([1, 0.8, 0.625], rel=1e-4)
    assert [g.value for g in summary.gain_per_worker[1:]] == pytest.approx([0.6, (2.5 / 1.6) ** 0.5 - 1], rel=1e-4)
    assert [r.value for r in summary.relative_seconds] == pytest.approx([1, 1 / 1.6, 1 / 2.5], rel=1e-4)
    assert np.isnan(summary.gain_per_worker[0].value)


def test_without_one_worker_the_fewest_are_the_reference():
    timings = toy(4, scatter=1e-6)
    several = timings.workers > 1
    summary = scaling.summary(Timings(timings.workers[several], timings.seconds[several]))
    assert summary.speed_up[1].value == pytest.approx(2.5 / 1.6, rel=1e-4)
    assert summary.efficiency[1].value == pytest.approx(2.5 / 1.6 / 2, rel=1e-4)


def test_intervals_have_their_coverage():
    summaries = [scaling.summary(toy(seed, repeats=4)) for seed in range(200)]
    speed_up = sum(summary.speed_up[1].low <= 1.6 <= summary.speed_up[1].high for summary in summaries)
    gain = sum(summary.gain_per_worker[1].low <= 0.6 <= summary.gain_per_worker[1].high for summary in summaries)
    low, high = stats.binom.interval(0.999, 200, 0.95)
    assert low <= speed_up <= high
    assert low <= gain <= high


def test_without_any_repeat_there_is_no_interval():
    single = Timings(np.array([1, 2]), np.array([3.0, 2.0]))
    summary = scaling.summary(single)
    assert summary.seconds[0].value == 3
    assert np.isnan([*summary.seconds[0][1:], *summary.speed_up[1][1:]]).all()
    repeated = Timings(np.array([1, 2, 2]), np.array([3.0, 2.0, 2.2]))
    assert np.isfinite(scaling.summary(repeated).seconds[0]).all()  # its relative scatter is that with two workers


@pytest.mark.parametrize(
    ("workers", "seconds"), [([1, 2], [1.0]), ([], []), ([1, 2], [1.0, 0.0]), ([1, 2], [1.0, np.nan]), ([0], [1.0])]
)
def test_invalid_timings_are_an_error(workers, seconds):
    with pytest.raises(ValueError, match="timings"):
        scaling.summary(Timings(np.array(workers), np.array(seconds)))


WORKERS = np.array([1, 2, 3, 4, 6, 8])
TRUTHS = {
    "Amdahl": (12.0, 0.15),
    "universal scalability": (12.0, 0.1, 0.015),
    "latency and bandwidth": (12.0, 0.09, 0.6),
}


def law_timings(law, values, seed, *, scatter=0.03, workers=WORKERS, repeats=3):
    workers = np.repeat(workers, repeats)
    noise = np.random.default_rng(seed).normal(0, scatter, len(workers))
    return Timings(workers, law.seconds(workers, *values) * np.exp(noise))


def test_exact_limits():
    n = np.arange(1, 100)
    assert 1 / scaling.amdahl(n, 1, 0) == pytest.approx(n)
    assert 1 / scaling.amdahl(n, 1, 1) == pytest.approx(1)
    assert scaling.universal_scalability(n, 5, 0.1, 0) == pytest.approx(scaling.amdahl(n, 5, 0.1))
    assert scaling.latency_bandwidth(n, 5, 0, 0) == pytest.approx(5 / n)
    # Gunther, chapter 4: the maximum of the speed-up, here at 49 workers
    assert scaling.universal_scalability(n, 1, 0.04, 0.0004).argmin() + 1 == round(np.sqrt(0.96 / 0.0004))


def test_latency_and_bandwidth_are_contention_and_coherency():
    n = np.arange(1, 100)
    as_law = scaling.universal_scalability(n, 12, 2 * 0.6 / 12, 2 * 0.09 / 12)
    assert scaling.latency_bandwidth(n, 12, 0.09, 0.6) == pytest.approx(as_law)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_fit_recovers_the_parameters(law):
    truth = TRUTHS[law.name]
    assert scaling.fit_law(law, law_timings(law, truth, 1, scatter=1e-5)).values == pytest.approx(truth, rel=2e-3)


@pytest.mark.parametrize("law", [AMDAHL, UNIVERSAL_SCALABILITY], ids=lambda law: law.name)
def test_aicc_selects_the_law_of_the_timings(law):
    selected = [
        scaling.compare_laws(law_timings(law, TRUTHS[law.name], seed), (AMDAHL, UNIVERSAL_SCALABILITY))[0].law
        for seed in range(30)
    ]
    assert selected.count(law) >= 22


def test_a_law_with_more_parameters_than_numbers_of_workers_is_an_error():
    timings = law_timings(AMDAHL, (12.0, 0.15), 8, workers=[1, 2])
    assert scaling.is_identifiable(AMDAHL, timings)
    assert not scaling.is_identifiable(LATENCY_BANDWIDTH, timings)
    with pytest.raises(ValueError, match="timed with 1, 2 workers only: time them with 3 different numbers"):
        scaling.fit_law(UNIVERSAL_SCALABILITY, timings)
    assert [fit.law for fit in scaling.compare_laws(timings)] == [AMDAHL]


def test_best_workers():
    truth = 12.0, 0.04, 0.0144  # sqrt(0.96 / 0.0144) = 8.2
    best = scaling.best_workers(scaling.fit_law(UNIVERSAL_SCALABILITY, law_timings(UNIVERSAL_SCALABILITY, truth, 10)))
    assert best.low <= 8 <= best.high
    assert best.low < best.value < best.high < np.inf
    amdahl = scaling.fit_law(AMDAHL, law_timings(AMDAHL, (12.0, 0.04), 11))
    assert scaling.best_workers(amdahl, up_to=50) == (np.inf, np.inf, np.inf)


def test_the_predicted_speed_up_narrows_to_one_worker():
    fit = scaling.fit_law(UNIVERSAL_SCALABILITY, law_timings(UNIVERSAL_SCALABILITY, (12.0, 0.1, 0.015), 12))
    prediction = scaling.predict(fit, [1, 4, 16])
    assert prediction.speed_up[0] == (1, 1, 1)
    assert prediction.seconds[0] == pytest.approx(fit.intervals()["T1"], rel=1e-4)
    widths = [(s.high - s.low) / s.value for s in prediction.speed_up]
    assert widths[0] < widths[1] < widths[2]
    assert [s.value for s in prediction.seconds] == pytest.approx(fit.predict([1, 4, 16]))

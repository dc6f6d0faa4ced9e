import numpy as np
import pytest
from scipy import optimize, stats

from higgs_lib.performance import scaling_laws
from higgs_lib.performance.scaling import Timings
from higgs_lib.performance.scaling_laws import AMDAHL, LATENCY_BANDWIDTH, LAWS, UNIVERSAL_SCALABILITY

WORKERS = np.array([1, 2, 3, 4, 6, 8])
TRUTHS = {
    "Amdahl": (12.0, 0.15),
    "universal scalability": (12.0, 0.1, 0.015),
    "latency and bandwidth": (12.0, 0.09, 0.6),
}


def toy(law, values, seed, *, scatter=0.03, workers=WORKERS, repeats=3):
    workers = np.repeat(workers, repeats)
    noise = np.random.default_rng(seed).normal(0, scatter, len(workers))
    return Timings(workers, law.seconds(workers, *values) * np.exp(noise))


def test_exact_limits():
    n = np.arange(1, 100)
    assert 1 / scaling_laws.amdahl(n, 1, 0) == pytest.approx(n)
    assert 1 / scaling_laws.amdahl(n, 1, 1) == pytest.approx(1)
    assert scaling_laws.universal_scalability(n, 5, 0.1, 0) == pytest.approx(scaling_laws.amdahl(n, 5, 0.1))
    assert scaling_laws.latency_bandwidth(n, 5, 0, 0) == pytest.approx(5 / n)
    # of Gunther's chapter 4: the speed-up at its greatest, here with 49 workers
    assert scaling_laws.universal_scalability(n, 1, 0.04, 0.0004).argmin() + 1 == round(np.sqrt(0.96 / 0.0004))


def test_latency_and_bandwidth_are_contention_and_coherency():
    n = np.arange(1, 100)
    as_law = scaling_laws.universal_scalability(n, 12, 2 * 0.6 / 12, 2 * 0.09 / 12)
    assert scaling_laws.latency_bandwidth(n, 12, 0.09, 0.6) == pytest.approx(as_law)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_parameters_are_those_that_made_the_timings(law):
    truth = TRUTHS[law.name]
    assert scaling_laws.fit(law, toy(law, truth, 1, scatter=1e-5)).values == pytest.approx(truth, rel=2e-3)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_small_scatter_gives_curve_fits_values_and_intervals(law):
    timings = toy(law, TRUTHS[law.name], 2, scatter=0.003)
    values, covariance = optimize.curve_fit(
        lambda n, *p: np.log(law.seconds(n, *p)), timings.workers, np.log(timings.seconds), p0=TRUTHS[law.name]
    )
    found = scaling_laws.fit(law, timings)
    assert found.values == pytest.approx(values, rel=1e-4)
    half = stats.t.ppf(0.975, len(timings.seconds) - len(values)) * np.sqrt(np.diag(covariance))
    for value, width, interval in zip(values, half, found.intervals().values(), strict=True):
        assert interval[1:] == pytest.approx((value - width, value + width), abs=0.03 * width)


def test_the_interval_ends_where_the_profile_likelihood_says():
    """Beside a root of the profile, found with the other parameter in closed form: log T1 is a mean of logarithms."""
    timings = toy(AMDAHL, (12.0, 0.15), 3, scatter=0.1)
    degrees = len(timings.seconds) - 2

    def least_squares(serial):
        return len(timings.seconds) * np.var(np.log(timings.seconds / scaling_laws.amdahl(timings.workers, 1, serial)))

    best = optimize.minimize_scalar(least_squares, bounds=(0, 1), options={"xatol": 1e-10})
    allowed = best.fun * (1 + stats.t.ppf(0.975, degrees) ** 2 / degrees)
    ends = [optimize.brentq(lambda s: least_squares(s) - allowed, best.x, end) for end in (0, 1)]
    found = scaling_laws.fit(AMDAHL, timings).intervals()["s"]
    assert found == pytest.approx((best.x, *ends), abs=1e-4)


def test_intervals_cover_as_often_as_they_say():
    truth = 12.0, 0.15
    inside = np.zeros(2)
    for seed in range(200):
        found = scaling_laws.fit(AMDAHL, toy(AMDAHL, truth, seed, workers=[1, 2, 4], repeats=2)).intervals()
        inside += [i.low <= t <= i.high for i, t in zip(found.values(), truth, strict=True)]
    low, high = stats.binom.interval(0.999, 200, 0.95)
    assert np.all((low <= inside) & (inside <= high))


def test_an_interval_ends_at_a_bound():
    found = scaling_laws.fit(UNIVERSAL_SCALABILITY, toy(AMDAHL, (12.0, 0.15), 5)).intervals()["b"]
    assert found.low == pytest.approx(0, abs=1e-9)
    assert found.high > 1e-4


@pytest.mark.parametrize("law", [AMDAHL, UNIVERSAL_SCALABILITY], ids=lambda law: law.name)
def test_aicc_is_that_of_scipys_log_normal_density(law):
    timings = toy(law, TRUTHS[law.name], 6)
    found = scaling_laws.fit(law, timings)
    predicted = found.predict(timings.workers)
    scatter = np.sqrt(np.mean(np.log(timings.seconds / predicted) ** 2))
    log_likelihood = stats.lognorm.logpdf(timings.seconds, scatter, scale=predicted).sum()
    n, k = 18, len(law.parameters) + 1
    assert found.aicc == pytest.approx(-2 * log_likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def test_aicc_is_infinite_without_enough_timings():
    timings = toy(AMDAHL, (12.0, 0.15), 7, workers=[1, 2, 4, 8], repeats=1)
    assert scaling_laws.fit(AMDAHL, timings).aicc == np.inf


@pytest.mark.parametrize("law", [AMDAHL, UNIVERSAL_SCALABILITY], ids=lambda law: law.name)
def test_aicc_picks_the_law_that_made_the_timings(law):
    picked = [
        scaling_laws.compare(toy(law, TRUTHS[law.name], seed), (AMDAHL, UNIVERSAL_SCALABILITY))[0].law
        for seed in range(30)
    ]
    assert picked.count(law) >= 22


def test_a_law_with_too_many_parameters_is_refused():
    timings = toy(AMDAHL, (12.0, 0.15), 8, workers=[1, 2])
    assert scaling_laws.is_identifiable(AMDAHL, timings)
    assert not scaling_laws.is_identifiable(LATENCY_BANDWIDTH, timings)
    with pytest.raises(ValueError, match="timed with 1, 2 workers only: time them with 3 different numbers"):
        scaling_laws.fit(UNIVERSAL_SCALABILITY, timings)
    assert [found.law for found in scaling_laws.compare(timings)] == [AMDAHL]


def test_without_a_timing_to_spare_there_is_no_interval():
    found = scaling_laws.fit(AMDAHL, toy(AMDAHL, (12.0, 0.15), 9, workers=[1, 2], repeats=1))
    assert found.values == pytest.approx((12.0, 0.15), rel=0.5)
    assert np.isnan([end for i in found.intervals().values() for end in i[1:]]).all()
    assert np.isnan(scaling_laws.best_workers(found)[1:]).all()


def test_best_workers():
    truth = 12.0, 0.04, 0.0144  # sqrt(0.96 / 0.0144) = 8.2
    best = scaling_laws.best_workers(scaling_laws.fit(UNIVERSAL_SCALABILITY, toy(UNIVERSAL_SCALABILITY, truth, 10)))
    assert best.low <= 8 <= best.high
    assert best.low < best.value < best.high < np.inf
    amdahl = scaling_laws.fit(AMDAHL, toy(AMDAHL, (12.0, 0.04), 11))
    assert scaling_laws.best_workers(amdahl, up_to=50) == (np.inf, np.inf, np.inf)


def test_the_predicted_speed_up_narrows_to_one_worker():
    fit = scaling_laws.fit(UNIVERSAL_SCALABILITY, toy(UNIVERSAL_SCALABILITY, (12.0, 0.1, 0.015), 12))
    found = scaling_laws.predicted(fit, [1, 4, 16])
    assert found.speed_up[0] == (1, 1, 1)
    assert found.seconds[0] == pytest.approx(fit.intervals()["T1"], rel=1e-4)
    widths = [(s.high - s.low) / s.value for s in found.speed_up]
    assert widths[0] < widths[1] < widths[2]
    assert [s.value for s in found.seconds] == pytest.approx(fit.predict([1, 4, 16]))

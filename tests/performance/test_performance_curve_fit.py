import numpy as np
import pytest
from scipy import optimize, stats

from higgs_lib.performance import scaling
from higgs_lib.performance.curve_fit import Timings, maximum_likelihood
from higgs_lib.performance.scaling import AMDAHL, LAWS, UNIVERSAL_SCALABILITY

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


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_for_a_small_scatter_values_and_intervals_are_those_of_curve_fit(law):
    timings = toy(law, TRUTHS[law.name], 2, scatter=0.003)
    values, covariance = optimize.curve_fit(
        lambda n, *p: np.log(law.seconds(n, *p)), timings.workers, np.log(timings.seconds), p0=TRUTHS[law.name]
    )
    fit = scaling.fit_law(law, timings)
    assert fit.values == pytest.approx(values, rel=1e-4)
    half = stats.t.ppf(0.975, len(timings.seconds) - len(values)) * np.sqrt(np.diag(covariance))
    for value, width, interval in zip(values, half, fit.intervals().values(), strict=True):
        assert interval[1:] == pytest.approx((value - width, value + width), abs=0.03 * width)


def test_the_interval_is_that_of_the_profile_likelihood():
    """A root of the profile has the other parameter in closed form: log T1 is a mean of logarithms."""
    timings = toy(AMDAHL, (12.0, 0.15), 3, scatter=0.1)
    degrees = len(timings.seconds) - 2

    def least_squares(serial):
        return len(timings.seconds) * np.var(np.log(timings.seconds / scaling.amdahl(timings.workers, 1, serial)))

    best = optimize.minimize_scalar(least_squares, bounds=(0, 1), options={"xatol": 1e-10})
    allowed = best.fun * (1 + stats.t.ppf(0.975, degrees) ** 2 / degrees)
    ends = [optimize.brentq(lambda s: least_squares(s) - allowed, best.x, end) for end in (0, 1)]
    interval = scaling.fit_law(AMDAHL, timings).intervals()["s"]
    assert interval == pytest.approx((best.x, *ends), abs=1e-4)


def test_intervals_have_their_coverage():
    truth = 12.0, 0.15
    inside = np.zeros(2)
    for seed in range(200):
        intervals = scaling.fit_law(AMDAHL, toy(AMDAHL, truth, seed, workers=[1, 2, 4], repeats=2)).intervals()
        inside += [i.low <= t <= i.high for i, t in zip(intervals.values(), truth, strict=True)]
    low, high = stats.binom.interval(0.999, 200, 0.95)
    assert np.all((low <= inside) & (inside <= high))


def test_an_interval_ends_at_a_bound():
    interval = scaling.fit_law(UNIVERSAL_SCALABILITY, toy(AMDAHL, (12.0, 0.15), 5)).intervals()["b"]
    assert interval.low == pytest.approx(0, abs=1e-9)
    assert interval.high > 1e-4


@pytest.mark.parametrize("law", [AMDAHL, UNIVERSAL_SCALABILITY], ids=lambda law: law.name)
def test_aicc_agrees_with_scipys_log_normal_density(law):
    timings = toy(law, TRUTHS[law.name], 6)
    fit = scaling.fit_law(law, timings)
    predicted = fit.predict(timings.workers)
    scatter = np.sqrt(np.mean(np.log(timings.seconds / predicted) ** 2))
    log_likelihood = stats.lognorm.logpdf(timings.seconds, scatter, scale=predicted).sum()
    n, k = 18, len(law.parameters) + 1
    assert fit.aicc == pytest.approx(-2 * log_likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def test_aicc_is_infinite_without_enough_timings():
    timings = toy(AMDAHL, (12.0, 0.15), 7, workers=[1, 2, 4, 8], repeats=1)
    assert scaling.fit_law(AMDAHL, timings).aicc == np.inf


def test_intervals_are_nan_for_as_many_timings_as_parameters():
    fit = scaling.fit_law(AMDAHL, toy(AMDAHL, (12.0, 0.15), 9, workers=[1, 2], repeats=1))
    assert fit.values == pytest.approx((12.0, 0.15), rel=0.5)
    assert np.isnan([end for i in fit.intervals().values() for end in i[1:]]).all()
    assert np.isnan(scaling.best_workers(fit)[1:]).all()


@pytest.mark.parametrize(
    ("workers", "seconds"),
    [
        ([1, 2], [1.0]),
        ([], []),
        ([[1], [2]], [[1.0], [0.6]]),
        ([1, 2], [1.0, 0.0]),
        ([1, 2], [1.0, np.nan]),
        ([0, 2], [1.0, 0.6]),
        ([np.nan, 2], [1.0, 0.6]),
        ([1, np.inf], [1.0, 0.6]),
    ],
)
def test_timings_that_cannot_be_are_not_fitted(workers, seconds):
    with pytest.raises(ValueError, match=r"give one each|leave out failed epochs"):
        maximum_likelihood(AMDAHL, Timings(np.array(workers), np.array(seconds)), np.array([1.0, 0.1]))

import numpy as np
import pytest
from scipy import stats

from higgs_lib import metrics
from higgs_lib.metrics import Interval


@pytest.fixture(scope="module")
def bootstrap():
    """20,000 events with two scores each, and the AUCs (700, 2) of resampled events; the scores have ties."""
    rng = np.random.default_rng(2)
    labels = (rng.random(20_000) < 0.5).astype(np.float32)
    scores = rng.normal(labels, 1.0).astype(np.float32).round(2)
    others = (scores + rng.normal(0, 0.5, len(scores))).astype(np.float32).round(2)
    rows = [rng.integers(len(labels), size=len(labels)) for _ in range(700)]
    return labels, scores, others, np.array([[metrics.auc(labels[r], s[r]) for s in (scores, others)] for r in rows])


def test_delongs_interval_agrees_with_the_bootstrap(bootstrap):
    labels, scores, _, draws = bootstrap
    interval = metrics.auc_interval(labels, scores)
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * draws[:, 0].std(), rel=0.1)
    assert interval.low < interval.value < interval.high


def test_the_paired_difference_agrees_with_the_bootstrap_and_is_narrower(bootstrap):
    labels, scores, others, draws = bootstrap
    interval = metrics.auc_difference(labels, scores, others)
    assert interval.value == pytest.approx(metrics.auc(labels, scores) - metrics.auc(labels, others))
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * np.diff(draws).std(), rel=0.1)
    single = metrics.auc_interval(labels, scores)
    assert interval.high - interval.low < 0.7 * (single.high - single.low)


def test_the_mean_over_seeds_adds_their_spread():
    alike = [Interval(0.8, 0.79, 0.81)] * 3
    assert metrics.mean_interval(alike) == pytest.approx((0.8, 0.79, 0.81))
    apart = [Interval(0.80, 0.79, 0.81), Interval(0.84, 0.83, 0.85)]
    half = np.hypot(0.01, 12.7062 * 0.02)  # Student's t with one degree of freedom
    assert metrics.mean_interval(apart) == pytest.approx((0.82, 0.82 - half, 0.82 + half), abs=1e-5)
    assert metrics.mean_interval(apart[:1]) == pytest.approx(apart[0])  # one seed: the events only


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 1.0, 5.0])
def test_the_mean_over_few_seeds_covers(n_seeds, spread):
    """The error of the events is common to all seeds; `spread` is the standard deviation of seeds in units of it."""
    rng = np.random.default_rng(n_seeds)
    n = 2000
    values = rng.normal(size=(n, 1)) + spread * rng.normal(size=(n, n_seeds))
    means = [metrics.mean_interval([Interval(v, v - 1.96, v + 1.96) for v in row]) for row in values]
    assert 0.93 <= np.mean([mean.low <= 0 <= mean.high for mean in means]) <= 0.999


def test_jeffreys_intervals_cover_and_end_at_the_ends():
    counts = np.random.default_rng(6).binomial(50, 0.2, 5000)
    low, high = metrics.jeffreys_interval(counts, 50)
    assert np.mean((low <= 0.2) & (high >= 0.2)) == pytest.approx(0.95, abs=0.02)
    assert (metrics.jeffreys_interval(0, 50)[0], metrics.jeffreys_interval(50, 50)[1]) == (0, 1)


def test_the_difference_of_independent_values_adds_in_quadrature():
    difference = Interval(0.8, 0.77, 0.83).minus(Interval(0.7, 0.66, 0.74))
    assert difference == pytest.approx((0.1, 0.05, 0.15))


def test_the_interval_of_draws_holds_their_central_part():
    draws = np.random.default_rng(4).normal(2.0, 3.0, 100_000)
    interval = Interval.from_draws(2.5, draws, level=0.9)
    assert interval == pytest.approx((2.5, *stats.norm(2.0, 3.0).interval(0.9)), abs=0.06)


def test_the_complement_of_an_auc_is_that_of_reversed_scores(scored):
    labels, scores = scored
    assert metrics.auc_interval(labels, scores).complement() == pytest.approx(metrics.auc_interval(labels, -scores))


def test_the_covariance_agrees_with_the_intervals_of_aucs_and_differences(scored):
    labels, scores = scored
    others = scores + np.random.default_rng(1).normal(0, 1, len(scores))
    covariance = metrics.auc_covariance(labels, np.stack([scores, others]))
    for one, variance in zip((scores, others), np.diag(covariance), strict=True):
        interval = metrics.auc_interval(labels, one)
        assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(np.sqrt(variance), rel=1e-4)
    difference = metrics.auc_difference(labels, scores, others)
    variance = np.array([1, -1]) @ covariance @ np.array([1, -1])
    assert (difference.high - difference.low) / (2 * 1.96) == pytest.approx(np.sqrt(variance), rel=1e-4)

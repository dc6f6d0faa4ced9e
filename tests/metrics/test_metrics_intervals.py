import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from higgs_lib import metrics
from higgs_lib.metrics import Interval


def test_delongs_interval_agrees_with_the_bootstrap(scored):
    labels, scores = scored
    rng = np.random.default_rng(2)
    draws = []
    for _ in range(400):
        rows = rng.integers(len(labels), size=len(labels))
        draws.append(sk.roc_auc_score(labels[rows], scores[rows]))
    interval = metrics.auc_interval(labels, scores)
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * np.std(draws), rel=0.12)
    assert interval.low < interval.value < interval.high


def test_the_paired_difference_agrees_with_the_bootstrap_and_is_narrower(scored):
    labels, scores = scored
    rng = np.random.default_rng(3)
    others = scores + rng.normal(0, 0.05, len(scores))
    draws = []
    for _ in range(400):
        rows = rng.integers(len(labels), size=len(labels))
        draws.append(sk.roc_auc_score(labels[rows], scores[rows]) - sk.roc_auc_score(labels[rows], others[rows]))
    interval = metrics.auc_difference(labels, scores, others)
    assert interval.value == pytest.approx(metrics.auc(labels, scores) - metrics.auc(labels, others))
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * np.std(draws), rel=0.15)
    single = metrics.auc_interval(labels, scores)
    assert interval.high - interval.low < 0.5 * (single.high - single.low)


def test_the_mean_over_seeds_adds_their_spread():
    alike = [Interval(0.8, 0.79, 0.81)] * 3
    assert metrics.mean_interval(alike) == pytest.approx((0.8, 0.79, 0.81))
    apart = [Interval(0.80, 0.79, 0.81), Interval(0.84, 0.83, 0.85)]
    half = np.hypot(0.01, 1.96 * 0.02)
    assert metrics.mean_interval(apart) == pytest.approx((0.82, 0.82 - half, 0.82 + half))


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

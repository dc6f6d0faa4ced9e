import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from higgs_lib import metrics
from higgs_lib.metrics import Ranking

RNG = np.random.default_rng(4)
LABELS = (RNG.random(3000) < 0.4).astype(np.float32)
NORMAL = RNG.normal(LABELS, 1.0)
TINY = np.float32(1e-45)  # the smallest float32

SCORES = {
    "probabilities": (1 / (1 + np.exp(-NORMAL))).astype(np.float32),
    "of both signs": NORMAL.astype(np.float32),
    "negative": (NORMAL - 10).astype(np.float32),
    "with ties": NORMAL.astype(np.float32).round(1),
    "two values": (NORMAL > 0).astype(np.float32),
    "all equal": np.full(3000, 0.5, np.float32),
    "both zeros": np.where(NORMAL > 1, 1.0, np.where(RNG.random(3000) < 0.5, -0.0, 0.0)).astype(np.float32),
    "tiny": (NORMAL.round(2) * 1e6).astype(np.float32) * TINY,
    "huge": (NORMAL * 1e34).astype(np.float32),
    "float64": NORMAL,
    "float64 closer than float32 can tell": 1 + NORMAL * 1e-12,
    "float64 of both zeros": np.where(NORMAL > 0, 0.0, np.where(RNG.random(3000) < 0.5, -0.0, -1.0)),
    "every second element of an array": np.repeat(NORMAL.astype(np.float32), 2)[::2],
    "integers": NORMAL.round().astype(int),
}


def delong_by_pairs(labels, *scores) -> np.ndarray:
    """Returns the covariance of the AUCs of `scores` from all pairs, as in DeLong's paper."""
    signal, background = ([s[labels == c].astype(float) for s in scores] for c in (1, 0))
    pairs = [(x[:, None] > y) + 0.5 * (x[:, None] == y) for x, y in zip(signal, background, strict=True)]
    by_signal, by_background = (np.atleast_2d(np.cov([p.mean(axis) for p in pairs])) for axis in (1, 0))
    return by_signal / len(signal[0]) + by_background / len(background[0])


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
def test_the_curve_and_its_area_agree_with_scikit_learn(scores):
    background, signal, cut = sk.roc_curve(LABELS, scores)
    curve = metrics.roc(LABELS, scores)
    np.testing.assert_array_equal(curve.cut, cut)
    np.testing.assert_allclose(curve.signal_efficiency, signal, rtol=0, atol=1e-15)
    np.testing.assert_allclose(curve.background_rejection, 1 - background, rtol=0, atol=1e-15)
    assert metrics.auc(LABELS, scores) == pytest.approx(sk.roc_auc_score(LABELS, scores), abs=1e-12)
    u = stats.mannwhitneyu(*(scores[c == LABELS].astype(float) for c in (1, 0))).statistic
    assert metrics.auc(LABELS, scores) == pytest.approx(u / (LABELS.sum() * (1 - LABELS).sum()), abs=1e-12)


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
def test_variances_agree_with_delongs_sums_over_pairs(scores):
    half = 1.959963984540054 * np.sqrt(delong_by_pairs(LABELS, scores)[0, 0])
    interval = metrics.auc_interval(LABELS, scores)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, abs=1e-10)
    others = SCORES["with ties"][::-1]
    covariance = delong_by_pairs(LABELS, scores, others)
    difference = metrics.auc_difference(LABELS, scores, others)
    assert difference.value == pytest.approx(metrics.auc(LABELS, scores) - metrics.auc(LABELS, others), abs=1e-12)
    half = 1.959963984540054 * np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert (difference.high - difference.low) / 2 == pytest.approx(half, abs=1e-10)


def test_events_at_or_above_a_cut_pass():
    for scores in (SCORES["with ties"], SCORES["float64"]):
        ranking = Ranking.from_scores(LABELS, scores)
        assert len(ranking.cut) == len(np.unique(scores)) + 1
        assert (ranking.signal[0], ranking.background[0]) == (0, 0)
        for place in (1, len(ranking.cut) // 2, -1):
            passes = scores >= ranking.cut[place]
            assert ranking.signal[place] == (passes & (LABELS == 1)).sum()
            assert ranking.background[place] == (passes & (LABELS == 0)).sum()


def test_infinite_scores_are_ranked():
    labels, scores = np.array([1, 0, 1, 0]), np.array([np.inf, 0.0, 0.0, -np.inf], np.float32)
    assert metrics.auc(labels, scores) == metrics.auc(labels, scores.astype(float)) == 0.875


def test_a_perfect_and_a_reversed_order():
    labels = np.array([0, 0, 1, 1])
    assert metrics.auc_interval(labels, np.arange(4.0)) == (1, 1, 1)
    assert metrics.auc_interval(labels, -np.arange(4.0)) == (0, 0, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [metrics.auc, metrics.roc, metrics.auc_interval])
def test_invalid_labels_and_scores_are_errors(function, dtype):
    scores = NORMAL.astype(dtype)
    with pytest.raises(ValueError, match="one length"):
        function(LABELS[:-1], scores)
    with pytest.raises(ValueError, match="both classes"):
        function(np.zeros(3000), scores)
    scores[[17, 200]] = np.nan, -np.float32(np.nan)
    with pytest.raises(ValueError, match="2 of 3000 scores are NaN, the first that of event 17"):
        function(LABELS, scores)
    with pytest.raises(ValueError, match="NaN"):
        metrics.efficiencies(LABELS, scores, np.array([0.5]))

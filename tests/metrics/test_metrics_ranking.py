import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from higgs_lib import metrics
from higgs_lib.metrics import Ranking

RNG = np.random.default_rng(4)
LABELS = (RNG.random(3000) < 0.4).astype(np.float32)
NORMAL = RNG.normal(LABELS, 1.0)
TINY = np.float32(1e-45)  # the smallest there is

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
    "every second of an array": np.repeat(NORMAL.astype(np.float32), 2)[::2],
    "integers": NORMAL.round().astype(int),
}


def delong_by_pairs(labels, *scores) -> np.ndarray:
    """Covariance of the AUC of each of `scores`, from all pairs, as DeLong's paper writes it."""
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
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=1e-9, abs=1e-12)
    others = SCORES["with ties"][::-1]
    covariance = delong_by_pairs(LABELS, scores, others)
    difference = metrics.auc_difference(LABELS, scores, others)
    assert difference.value == pytest.approx(metrics.auc(LABELS, scores) - metrics.auc(LABELS, others), abs=1e-12)
    half = 1.959963984540054 * np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert (difference.high - difference.low) / 2 == pytest.approx(half, rel=1e-9)


def test_every_cut_lets_pass_what_stands_at_or_above_it():
    for scores in (SCORES["with ties"], SCORES["float64"]):
        ranking = Ranking.of(LABELS, scores)
        assert len(ranking.cut) == len(np.unique(scores)) + 1
        assert (ranking.signal[0], ranking.background[0]) == (0, 0)
        for place in (1, len(ranking.cut) // 2, -1):
            passed = scores >= ranking.cut[place]
            assert ranking.signal[place] == (passed & (LABELS == 1)).sum()
            assert ranking.background[place] == (passed & (LABELS == 0)).sum()


def test_infinite_scores_are_ranked():
    labels, scores = np.array([1, 0, 1, 0]), np.array([np.inf, 0.0, 0.0, -np.inf], np.float32)
    assert metrics.auc(labels, scores) == metrics.auc(labels, scores.astype(float)) == 0.875


def test_a_perfect_and_a_reversed_order():
    labels = np.array([0, 0, 1, 1])
    assert metrics.auc_interval(labels, np.arange(4.0)) == (1, 1, 1)
    assert metrics.auc_interval(labels, -np.arange(4.0)) == (0, 0, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("of", [metrics.auc, metrics.roc, metrics.auc_interval])
def test_what_cannot_be_ranked_is_refused(of, dtype):
    scores = NORMAL.astype(dtype)
    with pytest.raises(ValueError, match="one length"):
        of(LABELS[:-1], scores)
    with pytest.raises(ValueError, match="both classes"):
        of(np.zeros(3000), scores)
    scores[[17, 200]] = np.nan, -np.float32(np.nan)
    with pytest.raises(ValueError, match="2 of 3000 scores are NaN, first that of event 17"):
        of(LABELS, scores)
    with pytest.raises(ValueError, match="NaN"):
        metrics.efficiencies(LABELS, scores, np.array([0.5]))

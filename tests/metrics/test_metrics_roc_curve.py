import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from higgs_lib import metrics


def test_values_computed_by_hand():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
    assert metrics.auc(labels, scores) == 0.75  # three of four pairs are in order
    assert metrics.accuracy(labels, scores) == 0.5
    assert metrics.auc(labels, np.zeros(4)) == 0.5


def test_agreement_with_scikit_learn(scored):
    labels, scores = scored
    assert metrics.auc(*scored) == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert metrics.auc_interval(*scored).value == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert metrics.accuracy(*scored) == sk.accuracy_score(labels, scores > 0.5)
    curve = metrics.roc(*scored)
    assert sk.auc(curve.signal_efficiency, curve.background_rejection) == pytest.approx(metrics.auc(*scored), abs=1e-9)


def test_background_rejection_is_the_fraction_below_the_cut(scored):
    labels, scores = scored
    for efficiency in (0.3, 0.5, 0.7):
        rejection = metrics.background_rejection(labels, scores, efficiency)
        cut = np.quantile(scores[labels == 1], 1 - efficiency)
        assert rejection == pytest.approx((scores[labels == 0] < cut).mean(), abs=0.01)


def test_thinning_keeps_the_curve(scored):
    curve = metrics.roc(*scored)
    thin = curve.thinned(100)
    assert len(thin.cut) <= 100
    assert np.interp(0.4, thin.signal_efficiency, thin.background_rejection) == pytest.approx(
        np.interp(0.4, curve.signal_efficiency, curve.background_rejection), abs=0.01
    )


def test_one_class_alone_is_an_error():
    with pytest.raises(ValueError, match="both classes"):
        metrics.auc(np.ones(5), np.arange(5))


def test_efficiencies_and_figure_of_merit_count_events(scored):
    labels, scores = scored
    counts = metrics.efficiencies(labels, scores, np.array([0.0, 0.5, 2.0]))
    assert counts.signal[0] == counts.background[0] == 1
    s, b = ((scores >= 0.5) & (labels == c) for c in (1, 0))
    assert (counts.n_signal_passed[1], counts.n_background_passed[1]) == (s.sum(), b.sum())
    fom = metrics.figure_of_merit(counts)
    assert fom[1] == pytest.approx(s.sum() / np.sqrt(b.sum()))
    assert fom[2] == 0


def test_the_best_cut_leaves_enough_background(scored):
    cuts = np.linspace(0, 1, 201)
    counts = metrics.efficiencies(*scored, cuts)
    best = metrics.best_figure_of_merit(counts)
    assert counts.n_background_passed[best] >= metrics.MIN_BACKGROUND_PASSED
    allowed = counts.n_background_passed >= metrics.MIN_BACKGROUND_PASSED
    assert metrics.figure_of_merit(counts)[best] == metrics.figure_of_merit(counts)[allowed].max()
    with pytest.raises(ValueError, match="more validation events"):
        metrics.best_figure_of_merit(metrics.efficiencies(*scored, np.array([1.5])))


def test_rejections_at_several_efficiencies_are_those_at_each(scored):
    expected = [metrics.background_rejection(*scored, at) for at in (0.3, 0.5, 0.7)]
    assert metrics.background_rejection(*scored, (0.3, 0.5, 0.7)).tolist() == expected


def test_the_band_agrees_with_the_bootstrap():
    """Events of both classes are drawn again; pointwise, within a tenth."""
    rng = np.random.default_rng(8)
    labels = np.repeat([0.0, 1.0], (8000, 12_000))
    scores = rng.normal(1.5 * labels).astype(np.float32)
    at = np.linspace(0.1, 0.9, 9)
    draws = []
    for _ in range(700):
        rows = rng.integers(len(labels), size=len(labels))
        draws.append(metrics.background_rejection(labels[rows], scores[rows], at))
    band = metrics.roc_band(labels, scores, n_points=11)
    assert band.signal_efficiency[1:-1] == pytest.approx(at)
    assert ((band.high - band.low)[1:-1] / 2).mean() == pytest.approx(1.96 * np.std(draws, 0).mean(), rel=0.05)
    assert (band.high - band.low)[1:-1] / 2 == pytest.approx(1.96 * np.std(draws, 0), rel=0.1)


def test_the_band_covers_the_true_curve_and_stays_within_zero_and_one():
    rng, at = np.random.default_rng(9), np.linspace(0, 1, 11)
    truth = stats.norm.cdf(stats.norm.isf(at) + 1)  # of normal scores one apart
    inside = []
    for _ in range(400):
        labels = np.repeat([0, 1], 300)
        band = metrics.roc_band(labels, rng.normal(labels), n_points=11)
        assert band.low.min() >= 0
        assert band.high.max() <= 1
        inside.append((band.low <= truth) & (truth <= band.high))
    assert np.mean(inside, 0)[1:-1] == pytest.approx(0.95, abs=0.035)


def test_the_interval_of_the_accuracy_is_that_of_jeffreys():
    labels, scores = np.repeat([0, 1], 50), np.append(np.full(50, 0.5), np.repeat([0.4, 0.6], [30, 20]))
    interval = metrics.accuracy_interval(labels, scores)
    assert interval == pytest.approx((0.7, *stats.beta.ppf([0.025, 0.975], 70.5, 30.5)))
    assert metrics.accuracy_interval(labels, scores, 0.5).low == pytest.approx(stats.beta.ppf(0.25, 70.5, 30.5))
    assert metrics.accuracy_interval(labels, labels) == pytest.approx((1, stats.beta.ppf(0.025, 100.5, 0.5), 1))

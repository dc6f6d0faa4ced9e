import numpy as np
import pytest
from sklearn import metrics as sk

from higgs_lib import metrics
from higgs_lib.metrics import Interval


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(1)
    labels = (rng.random(4000) < 0.53).astype(np.float32)
    scores = 1 / (1 + np.exp(-rng.normal(labels - 0.5, 1.0)))
    return labels, scores.astype(np.float32).round(3)  # rounded, so that there are ties


def test_by_hand():
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


def test_background_rejection_is_what_the_cut_leaves(scored):
    labels, scores = scored
    for wanted in (0.3, 0.5, 0.7):
        rejection = metrics.background_rejection(labels, scores, wanted)
        cut = np.quantile(scores[labels == 1], 1 - wanted)
        assert rejection == pytest.approx((scores[labels == 0] < cut).mean(), abs=0.01)


def test_thinning_keeps_the_curve(scored):
    curve = metrics.roc(*scored)
    thin = curve.thinned(100)
    assert len(thin.cut) <= 100
    assert np.interp(0.4, thin.signal_efficiency, thin.background_rejection) == pytest.approx(
        np.interp(0.4, curve.signal_efficiency, curve.background_rejection), abs=0.01
    )


def test_delongs_interval_agrees_with_the_bootstrap(scored):
    labels, scores = scored
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(400):
        chosen = rng.integers(len(labels), size=len(labels))
        drawn.append(sk.roc_auc_score(labels[chosen], scores[chosen]))
    interval = metrics.auc_interval(labels, scores)
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.12)
    assert interval.low < interval.value < interval.high


def test_the_paired_difference_agrees_with_the_bootstrap_and_is_narrower(scored):
    labels, scores = scored
    rng = np.random.default_rng(3)
    others = scores + rng.normal(0, 0.05, len(scores))
    drawn = []
    for _ in range(400):
        chosen = rng.integers(len(labels), size=len(labels))
        drawn.append(
            sk.roc_auc_score(labels[chosen], scores[chosen]) - sk.roc_auc_score(labels[chosen], others[chosen])
        )
    interval = metrics.auc_difference(labels, scores, others)
    assert interval.value == pytest.approx(metrics.auc(labels, scores) - metrics.auc(labels, others))
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.15)
    single = metrics.auc_interval(labels, scores)
    assert interval.high - interval.low < 0.5 * (single.high - single.low)


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="both classes"):
        metrics.auc(np.ones(5), np.arange(5))


def test_the_mean_over_seeds_adds_their_spread():
    alike = [Interval(0.8, 0.79, 0.81)] * 3
    assert metrics.mean_interval(alike) == pytest.approx((0.8, 0.79, 0.81))
    apart = [Interval(0.80, 0.79, 0.81), Interval(0.84, 0.83, 0.85)]
    half = np.hypot(0.01, 1.96 * 0.02)
    assert metrics.mean_interval(apart) == pytest.approx((0.82, 0.82 - half, 0.82 + half))


def test_efficiencies_and_figure_of_merit_count_events(scored):
    labels, scores = scored
    passed = metrics.efficiencies(labels, scores, np.array([0.0, 0.5, 2.0]))
    assert passed.signal[0] == passed.background[0] == 1
    s, b = ((scores >= 0.5) & (labels == c) for c in (1, 0))
    assert (passed.n_signal_passed[1], passed.n_background_passed[1]) == (s.sum(), b.sum())
    fom = metrics.figure_of_merit(passed)
    assert fom[1] == pytest.approx(s.sum() / np.sqrt(b.sum()))
    assert fom[2] == 0


def test_the_best_cut_leaves_enough_background(scored):
    cuts = np.linspace(0, 1, 201)
    passed = metrics.efficiencies(*scored, cuts)
    best = metrics.best_figure_of_merit(passed)
    assert passed.n_background_passed[best] >= metrics.MIN_BACKGROUND_PASSED
    allowed = passed.n_background_passed >= metrics.MIN_BACKGROUND_PASSED
    assert metrics.figure_of_merit(passed)[best] == metrics.figure_of_merit(passed)[allowed].max()
    with pytest.raises(ValueError, match="more validation events"):
        metrics.best_figure_of_merit(metrics.efficiencies(*scored, np.array([1.5])))


def test_histograms_count_each_class(scored):
    histogram = metrics.histogram(*scored, np.linspace(0, 1, 11))
    assert histogram.signal.sum() == scored[0].sum()
    assert histogram.background.sum() == (1 - scored[0]).sum()


def test_the_peak_of_a_skewed_distribution():
    values = np.random.default_rng(1).gamma(9.0, 10.0, 200_000)  # its mode is 80
    peak = metrics.peak(values, seed=1)
    assert peak.low < 80.5
    assert peak.high > 79.5
    assert peak.value == pytest.approx(80, abs=1.5)


def test_the_difference_of_independent_values_adds_in_quadrature():
    difference = Interval(0.8, 0.77, 0.83).minus(Interval(0.7, 0.66, 0.74))
    assert difference == pytest.approx((0.1, 0.05, 0.15))


def test_rejections_at_several_efficiencies_are_those_at_each(scored):
    wanted = [metrics.background_rejection(*scored, at) for at in (0.3, 0.5, 0.7)]
    assert metrics.background_rejection(*scored, (0.3, 0.5, 0.7)).tolist() == wanted

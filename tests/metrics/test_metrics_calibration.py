import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from higgs_lib import metrics


def events(n, true_probability, seed=1):
    """Scores in (0, 1), and labels that are 1 with the true probability of each score."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1.5, 1.2, n)
    return (rng.random(n) < true_probability(scores)).astype(float), scores


def exact(scores):
    return scores


def too_low(scores):
    return scores + 0.03 * np.sin(np.pi * scores) / np.pi  # mean deviation known by integration


def far_too_low(scores):
    return scores + 0.4 * scores * (1 - scores)


def test_the_curve_agrees_with_scikit_learn(scored):
    for n_bins in (7, 20):
        fraction, score = calibration_curve(*scored, n_bins=n_bins, strategy="quantile")
        curve = metrics.reliability(*scored, n_bins=n_bins)
        assert curve.fraction == pytest.approx(fraction, abs=1e-12)
        assert curve.score == pytest.approx(score, abs=1e-6)  # scikit-learn's are float32
        assert curve.n_events.sum() == len(scored[0])
        assert np.ptp(curve.n_events) < 0.1 * curve.n_events.mean()


def test_the_brier_score_agrees_with_scikit_learn_and_the_bootstrap(scored):
    labels, scores = scored
    brier = metrics.brier_score(labels, scores)
    assert brier.value == pytest.approx(sk.brier_score_loss(labels, scores), abs=1e-9)
    rows = np.random.default_rng(2).integers(len(labels), size=(1000, len(labels)))
    spread = ((scores - labels) ** 2)[rows].mean(1).std()
    assert (brier.high - brier.low) / 2 == pytest.approx(1.96 * spread, rel=0.1)


def test_ties_leave_bins_out():
    labels, scores = np.tile([0, 1, 1], 40), np.repeat([0.2, 0.8], 60)
    curve = metrics.reliability(labels, scores, n_bins=10)
    assert (curve.score.tolist(), curve.n_events.tolist()) == (pytest.approx([0.2, 0.8]), [60, 60])


def test_exact_probabilities_lie_within_the_intervals():
    """Of 20 bins in 40 samples about 95 % of the intervals contain the mean score."""
    curves = [metrics.reliability(*events(4000, exact, seed)) for seed in range(40)]
    inside = [(curve.low <= curve.score) & (curve.score <= curve.high) for curve in curves]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_the_interval_of_exact_probabilities_contains_zero():
    """In 97.5 % of samples, which are those whose uncorrected error is not above its limit."""
    errors = [metrics.calibration_error(*events(1000, exact, seed), seed=seed, n_draws=200) for seed in range(250)]
    excluded = [measured.error.low > 0 for measured in errors]
    assert excluded == [measured.uncorrected > measured.if_calibrated for measured in errors]
    assert sum(excluded) <= stats.binom.isf(0.001, len(errors), 0.025)
    assert all(measured.error.low <= measured.error.value <= measured.error.high for measured in errors)
    typical = np.median([measured.uncorrected for measured in errors])
    assert np.median([measured.error.value for measured in errors]) < 0.2 * typical
    assert min(measured.error.high for measured in errors) > 0.5 * typical  # not by a downward fluctuation


def test_the_interval_of_a_large_calibration_error_covers_it():
    _, scores = events(1_000_000, exact)
    truth = np.abs(far_too_low(scores) - scores).mean()
    samples = [events(10_000, far_too_low, seed) for seed in range(100)]
    errors = [metrics.calibration_error(*sample, seed=seed, n_draws=300).error for seed, sample in enumerate(samples)]
    assert min(error.low for error in errors) > 0
    covered = sum(error.low <= truth <= error.high for error in errors)
    assert stats.binom.ppf(0.001, len(errors), 0.95) <= covered
    assert np.mean([error.value for error in errors]) == pytest.approx(truth, rel=0.03)


def test_scores_that_are_the_labels_have_no_calibration_error():
    labels = np.repeat([0.0, 1.0], 50)
    assert metrics.calibration_error(labels, labels, seed=1) == ((0, 0, 0), 0, 0)


def test_a_small_calibration_error_is_measured():
    _, scores = events(1_000_000, too_low)
    truth = np.abs(too_low(scores) - scores).mean()
    samples = [events(40_000, too_low, seed) for seed in range(60)]
    errors = [metrics.calibration_error(*sample, seed=seed, n_draws=300).error for seed, sample in enumerate(samples)]
    assert np.median([error.value for error in errors]) == pytest.approx(truth, rel=0.2)
    assert np.mean([error.low <= truth <= error.high for error in errors]) >= 0.9


def test_what_is_no_probability_is_an_error():
    with pytest.raises(ValueError, match="use a sigmoid output"):
        metrics.reliability(np.array([0, 1]), np.array([-0.1, 0.5]))
    with pytest.raises(ValueError, match="both classes"):
        metrics.brier_score(np.ones(3), np.ones(3))

import math

import numpy as np
import pytest
from scipy import stats

from higgs_lib import metrics
from higgs_lib.metrics import AucTest, Interval

RNG = np.random.default_rng(5)
LABELS = (RNG.random(1500) < 0.5).astype(np.float32)
SCORES = RNG.normal(LABELS).round(1)
OTHERS = (SCORES + RNG.normal(0, 0.7, len(SCORES))).round(1)


def delong_by_pairs(labels, one, other):
    """The paired test straight from DeLong et al. 1988: structural components from all pairs, ties a half."""

    def components(scores):
        x, y = scores[labels == 1][:, None], scores[labels == 0][None, :]
        psi = (y < x) + 0.5 * (y == x)
        return psi.mean(1), psi.mean(0), psi.mean()

    (v10, v01, theta), (w10, w01, eta) = components(one), components(other)
    s10 = sum((v10 - theta) ** 2 + (w10 - eta) ** 2 - 2 * (v10 - theta) * (w10 - eta)) / (len(v10) - 1)
    s01 = sum((v01 - theta) ** 2 + (w01 - eta) ** 2 - 2 * (v01 - theta) * (w01 - eta)) / (len(v01) - 1)
    error = np.sqrt(s10 / len(v10) + s01 / len(v01))
    return theta - eta, error, 2 * stats.norm.sf(abs(theta - eta) / error)


def test_the_paired_test_is_delongs():
    difference, error, p_value = delong_by_pairs(LABELS, SCORES, OTHERS)
    test = metrics.auc_test(LABELS, SCORES, OTHERS)
    assert test.difference.value == pytest.approx(difference, abs=1e-10)
    assert (test.difference.high - test.difference.low) / 2 / stats.norm.isf(0.025) == pytest.approx(error, abs=1e-10)
    assert test.p_value == pytest.approx(p_value, rel=1e-8)
    assert metrics.auc_test(LABELS, OTHERS, SCORES).p_value == pytest.approx(p_value, rel=1e-8)


def test_p_values_of_equal_classifiers_are_uniform():
    p_values = []
    for _ in range(400):
        labels, scores = np.repeat([0, 1], 200), RNG.normal(size=(3, 400))
        p_values.append(metrics.auc_test(labels, scores[0] + 2 * scores[1], scores[0] + 2 * scores[2]).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_equal_scores_do_not_differ_and_an_enormous_difference_has_no_chance():
    assert metrics.auc_test(LABELS, SCORES, SCORES) == ((0, 0, 0), 1.0)
    assert metrics.auc_test(LABELS, LABELS, -LABELS).p_value == 0.0


def test_over_seeds_the_p_value_belongs_to_the_interval():
    """Where the interval of the mean just reaches zero, p is 5 %; with no error of the events it is Student's."""
    values = np.array([0.010, 0.014, 0.009])
    half = metrics.mean_interval([Interval(v, v - 0.004, v + 0.004) for v in values]).high - values.mean()
    moved = values - values.mean() + half
    assert AucTest.from_seeds([Interval(v, v - 0.004, v + 0.004) for v in moved]).p_value == pytest.approx(0.05)
    exact = AucTest.from_seeds([Interval(v, v, v) for v in values]).p_value
    assert exact == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_holms_correction_by_hand():
    corrected = metrics.holm([0.01, 0.04, 0.03, 0.005])  # the example of Holm's method in textbooks: x4, x3, x2, x1
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert metrics.holm([0.6, 0.9]).tolist() == [1.0, 1.0]


def test_holms_correction_limits_the_chance_of_any_false_claim():
    p_values = RNG.random((4000, 6))
    any_claim = np.mean([(metrics.holm(row) < 0.05).any() for row in p_values])
    assert any_claim == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(
    ("difference", "words"),
    [(0.0, "negligible"), (0.002, "small"), (-0.0099, "small"), (0.01, "moderate"), (-0.03, "large"), (0.5, "large")],
)
def test_sizes_in_words(difference, words):
    assert metrics.effect_size(difference) == words
    assert AucTest(Interval(difference, difference, difference), 1.0).effect_size == words


def scored_by(n_both, n_first, n_second, n_neither):
    """Labels, and the scores of two classifiers that are right on so many events both, alone or not at all."""
    counts = (n_both, n_first, n_second, n_neither)
    right = [np.repeat(values, counts) for values in ((True, True, False, False), (True, False, True, False))]
    labels = np.arange(sum(counts)) % 2
    return labels, *(np.where(one == (labels == 1), 0.9, 0.2) for one in right)


def test_the_difference_of_accuracies_is_that_of_a_published_table():
    """Approval ratings, A. Agresti, Categorical Data Analysis (2002), table 10.1: 794, 150, 86, 570 of 1600."""
    test = metrics.accuracy_test(*scored_by(794, 86, 150, 570))
    assert test.difference.value == pytest.approx(-0.04)
    assert (test.difference.high - test.difference.low) / 2 / 1.96 == pytest.approx(0.0095, abs=5e-5)
    assert stats.norm.isf(test.p_value / 2) == pytest.approx(4.17, abs=0.06)  # his z is not continuity-corrected


@pytest.mark.parametrize(("n_first", "n_second"), [(25, 10), (3, 3), (0, 7), (2, 1)])
def test_the_p_value_of_accuracies_is_the_exact_one(n_first, n_second):
    """The probability that of all events on which the two differ one side gets as few, from the binomial sum."""
    n_differing = n_first + n_second
    tail = sum(math.comb(n_differing, k) for k in range(min(n_first, n_second) + 1)) / 2**n_differing
    test = metrics.accuracy_test(*scored_by(30, n_first, n_second, 5))
    assert test.p_value == pytest.approx(min(1, 2 * tail))
    swapped = metrics.accuracy_test(*scored_by(30, n_second, n_first, 5))
    assert swapped.p_value == pytest.approx(test.p_value)
    assert swapped.difference.value == -test.difference.value


def test_the_interval_of_the_difference_of_accuracies_agrees_with_the_bootstrap():
    labels, scores, others = scored_by(600, 250, 100, 550)
    test = metrics.accuracy_test(labels, scores, others)
    rng = np.random.default_rng(3)
    rows = rng.integers(len(labels), size=(1000, len(labels)))
    right = [(one > 0.5) == (labels == 1) for one in (scores, others)]
    draws = right[0][rows].mean(1) - right[1][rows].mean(1)
    assert (test.difference.high - test.difference.low) / 2 == pytest.approx(1.96 * draws.std(), rel=0.1)
    narrow = metrics.accuracy_test(labels, scores, others, level=0.5)
    assert (narrow.difference.high - narrow.difference.value) / draws.std() == pytest.approx(0.674, rel=0.1)


def test_classifiers_that_are_right_on_the_same_events_do_not_differ():
    labels, scores, others = scored_by(10, 0, 0, 3)
    assert metrics.accuracy_test(labels, scores, others) == ((0, 0, 0), 1.0)

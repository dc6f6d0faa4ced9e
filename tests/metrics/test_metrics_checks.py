"""What the functions of `metrics` refuse, and that they compute in float64 whatever they are given."""

import re

import numpy as np
import pytest

from higgs_lib import metrics
from higgs_lib.metrics import Efficiencies, Experiment, Interval

LABELS, SCORES = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
OF_SCORES = {
    "accuracy": metrics.accuracy,
    "auc": metrics.auc,
    "auc_covariance": lambda labels, scores: metrics.auc_covariance(labels, [scores]),
    "auc_difference": lambda labels, scores: metrics.auc_difference(labels, scores, scores),
    "auc_interval": metrics.auc_interval,
    "auc_test": lambda labels, scores: metrics.auc_test(labels, scores, scores),
    "background_rejection": lambda labels, scores: metrics.background_rejection(labels, scores, 0.5),
    "brier_score": metrics.brier_score,
    "calibration_error": lambda labels, scores: metrics.calibration_error(labels, scores, seed=1, n_draws=10),
    "efficiencies": lambda labels, scores: metrics.efficiencies(labels, scores, [0.5]),
    "histogram": lambda labels, scores: metrics.histogram(labels, scores, [0, 0.5, 1]),
    "ranking": metrics.Ranking.from_scores,
    "reliability": metrics.reliability,
    "roc": metrics.roc,
    "roc_band": metrics.roc_band,
}
DEFINITIONS = {
    "asimov": metrics.asimov,
    "asimov_with_uncertainty": lambda s, b: metrics.asimov_with_uncertainty(s, b, 0.1),
    "signal_over_root_background": metrics.signal_over_root_background,
    "signal_over_root_total": metrics.signal_over_root_total,
    "signal_over_root_total_with_uncertainty": lambda s, b: metrics.signal_over_root_total_with_uncertainty(s, b, 0.1),
}
INFINITE = {"asimov", "asimov_with_uncertainty", "signal_over_root_background"}  # for a signal without background


def each(functions):
    """Runs a test with each function, under its name."""
    return pytest.mark.parametrize("function", functions.values(), ids=functions)


@each(OF_SCORES)
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (LABELS, SCORES[:, None], r"labels \(4,\) and (scores|values) \(4, 1\) must be of one length"),
        (LABELS, SCORES[:3], "must be of one length"),
        ([[0, 1], [0, 1]], [[0.1, 0.2], [0.3, 0.4]], "must be of one length"),
        (LABELS, 0.5, "must be of one length"),
        ([], [], "there are no events"),
        (LABELS, [0.1, np.nan, 0.4, np.nan], "2 of 4 (scores|values) are NaN, the first that of event 1"),
        (LABELS, ["a", "b", "c", "d"], "must be numbers"),
        (LABELS, [0.1, None, 0.4, "x"], "must be numbers"),
        (LABELS, SCORES + 1j, "must be numbers, not complex128"),
    ],
)
def test_what_are_no_scores_is_refused(function, labels, scores, message):
    with pytest.raises(ValueError, match=message):
        function(labels, scores)


@each(OF_SCORES)
@pytest.mark.parametrize("label", [np.nan, -1, 2, 0.5, np.inf])
def test_labels_are_0_or_1(function, label):
    with pytest.raises(ValueError, match=f"labels must be 1 for signal or 0 for background, not {label}"):
        function([0, 1, 1, label], SCORES)


@each({name: function for name, function in OF_SCORES.items() if name not in ("accuracy", "histogram")})
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused(function, label):
    with pytest.raises(ValueError, match=f"needs both classes, but all 4 labels are {label}"):
        function([label] * 4, SCORES)


@pytest.mark.parametrize("function", [metrics.auc_difference, metrics.auc_test])
def test_the_scores_of_the_other_classifier_are_checked_too(function):
    for others in (SCORES[:3], SCORES[:, None], [0.1, np.nan, 0.4, 0.5]):
        with pytest.raises(ValueError, match=r"of one length|are NaN"):
            function(LABELS, SCORES, others)


def test_the_class_of_a_single_event_is_named():
    for label in (0, 1):
        with pytest.raises(ValueError, match=f"^a ROC curve needs both classes, but all 1 labels are {label}$"):
            metrics.auc([label], [0.5])


def test_one_class_has_an_accuracy():
    assert metrics.accuracy([1, 1, 1, 1], SCORES) == 0.5
    assert metrics.accuracy([0, 0, 0, 0], SCORES) == 0.5


@each(OF_SCORES)
def test_any_type_of_number_gives_what_float64_gives(function):
    labels, scores = np.tile([0, 1, 1], 20), np.tile([0, 1, 0, 1, 1], 12)
    expected = function(labels, scores.astype(float))
    for of_labels, of_scores in ((bool, np.int8), (np.uint8, bool), (np.float32, np.float32), (float, object)):
        given = function(labels.astype(of_labels), scores.astype(of_scores))
        np.testing.assert_equal(given, expected)
    np.testing.assert_equal(function(labels.tolist(), scores.tolist()), expected)


def test_cuts_are_not_rounded_to_an_integer_score():
    counts = metrics.efficiencies(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2]), np.array([0.5, 1.0, 1.5]))
    assert counts.cut.tolist() == [0.5, 1.0, 1.5]
    assert counts.n_signal_passed.tolist() == [2, 2, 1]
    assert counts.n_background_passed.tolist() == [1, 1, 0]


def test_a_cut_at_a_float32_score_passes_it():
    scores = np.array([0.1, 0.7], np.float32)
    assert metrics.efficiencies([0, 1], scores, [0.7]).n_signal_passed == [1]
    with pytest.raises(ValueError, match="a cut is NaN"):
        metrics.efficiencies([0, 1], scores, [0.7, np.nan])


@pytest.mark.parametrize("level", [0, 1, -0.5, 1.5, 95, np.nan, (0.9, 0.95)])
@each(
    {
        "auc_interval": lambda level: metrics.auc_interval(LABELS, SCORES, level),
        "auc_difference": lambda level: metrics.auc_difference(LABELS, SCORES, SCORES, level),
        "brier_score": lambda level: metrics.brier_score(LABELS, SCORES, level),
        "from_draws": lambda level: Interval.from_draws(0.5, [0.4, 0.6], level),
        "jeffreys_interval": lambda level: metrics.jeffreys_interval(1, 2, level),
        "peak": lambda level: metrics.peak(np.arange(100.0), seed=1, level=level),
        "reliability": lambda level: metrics.reliability(LABELS, SCORES, level=level),
        "roc_band": lambda level: metrics.roc_band(LABELS, SCORES, level=level),
    }
)
def test_a_confidence_level_is_between_0_and_1(function, level):
    with pytest.raises(ValueError, match="a confidence level is above 0 and below 1"):
        function(level)


@each(
    {
        "calibration_error n_draws": lambda n: metrics.calibration_error(LABELS, SCORES, seed=1, n_draws=n),
        "equivalent_luminosity n_draws": lambda n: metrics.equivalent_luminosity(
            LABELS, SCORES > 0, SCORES > 0, Experiment(), "Asimov", seed=1, n_draws=n
        ),
        "peak n_draws": lambda n: metrics.peak(np.arange(100.0), seed=1, n_draws=n),
        "reliability n_bins": lambda n: metrics.reliability(LABELS, SCORES, n_bins=n),
        "roc_band n_points": lambda n: metrics.roc_band(LABELS, SCORES, n_points=n),
        "significance_interval n_draws": lambda n: metrics.significance_interval(
            metrics.efficiencies(LABELS, SCORES, [0.5]), Experiment(), "Asimov", seed=1, n_draws=n
        ),
        "thinned n_points": lambda n: metrics.roc(LABELS, SCORES).thinned(n),
    }
)
@pytest.mark.parametrize("n", [0, -3, 2.5, np.nan, np.inf, "3"])
def test_numbers_of_bins_points_and_draws_are_whole(function, n, request):
    argument = request.node.callspec.id.split()[1].split("-")[0]
    least = 2 if argument == "n_points" else 1
    with pytest.raises(ValueError, match=f"^{argument} must be a whole number of at least {least}, not {n}$"):
        function(n)


def test_the_least_numbers_of_bins_points_and_draws():
    assert len(metrics.reliability(LABELS, SCORES, n_bins=1).score) == 1
    assert len(metrics.roc_band(LABELS, SCORES, n_points=2).low) == 2
    assert metrics.calibration_error(LABELS, SCORES, seed=1, n_draws=1).uncorrected > 0
    for function in (metrics.roc_band, lambda *events, n_points: metrics.roc(*events).thinned(n_points)):
        with pytest.raises(ValueError, match="n_points must be a whole number of at least 2, not 1"):
            function(LABELS, SCORES, n_points=1)


@pytest.mark.parametrize("labels", [[0, 1, 1], [0, 0, 1]])
def test_an_interval_needs_two_events_of_each_class(labels):
    scores = np.array([0.1, 0.2, 0.3])
    assert metrics.auc(labels, scores) == 1
    for function in ("auc_interval", "auc_difference", "auc_covariance", "auc_test"):
        with pytest.raises(ValueError, match="at least two events of each class, not"):
            OF_SCORES[function](labels, scores)
    with pytest.raises(ValueError, match="at least one classifier"):
        metrics.auc_covariance(labels, [])


@pytest.mark.parametrize("efficiency", [-0.1, 1.1, np.nan, [0.5, np.inf], "half"])
def test_a_signal_efficiency_is_a_fraction(efficiency):
    with pytest.raises(ValueError, match="signal efficiencies must be"):
        metrics.background_rejection(LABELS, SCORES, efficiency)


@pytest.mark.parametrize("edges", [10, [0.5], [0, 0, 1], [1, 0], [[0, 1]], [0, np.nan, 1], [0, np.inf], []])
def test_bin_edges_rise(edges):
    with pytest.raises(ValueError, match="bin edges must be"):
        metrics.histogram(LABELS, SCORES, edges)


@pytest.mark.parametrize("values", [[], [1.0], [2.0] * 10, [1.0, np.nan, 3.0], [1.0, np.inf, 3.0]])
def test_what_has_no_peak_is_refused(values):
    with pytest.raises(ValueError, match=r"have no peak|values must be finite"):
        metrics.peak(values, seed=1)


@pytest.mark.parametrize(
    ("n_passed", "n_total"), [(3, 2), (-1, 2), (np.nan, 2), (1, np.nan), (1, -2), ([0, 3], [3, 2]), (np.inf, np.inf)]
)
def test_no_more_events_pass_than_there_are(n_passed, n_total):
    with pytest.raises(ValueError, match=r"numbers of events|more events pass"):
        metrics.jeffreys_interval(n_passed, n_total)


def test_jeffreys_interval_of_unsigned_counts_and_of_no_events():
    small = metrics.jeffreys_interval(np.array([3, 5], np.uint8), np.uint8(200))
    assert np.array_equal(small, metrics.jeffreys_interval(np.array([3.0, 5.0]), 200.0))
    assert tuple(map(float, metrics.jeffreys_interval(0, 0))) == (0, 1)


@pytest.mark.parametrize("p_values", [[0.1, np.nan], [-0.1], [1.1], 0.5, [[0.1, 0.2]], ["a"]])
def test_p_values_are_probabilities(p_values):
    with pytest.raises(ValueError, match="p-values must be"):
        metrics.holm(p_values)


def test_no_tests_and_certain_ones_are_corrected():
    assert metrics.holm([]).tolist() == []
    assert metrics.holm([0, 1]).tolist() == [0, 1]


@pytest.mark.parametrize("difference", [np.nan, np.inf, 1.1, -2, [0.1, 0.2]])
def test_a_difference_of_aucs_is_at_most_1(difference):
    with pytest.raises(ValueError, match="difference of AUCs"):
        metrics.effect_size(difference)


@pytest.mark.parametrize("intervals", [[], [Interval(0.8, np.nan, 0.9)], [Interval(np.inf, 0, 1)]])
def test_a_mean_is_of_finite_intervals(intervals):
    for function in (metrics.mean_interval, metrics.AucTest.from_seeds):
        with pytest.raises(ValueError, match=r"at least one interval|must be finite"):
            function(intervals)


@pytest.mark.parametrize("draws", [[], [1.0, np.nan]])
def test_draws_without_quantiles_are_refused(draws):
    with pytest.raises(ValueError, match="draws are NaN: they have no quantiles"):
        Interval.from_draws(1.0, draws)


@pytest.mark.parametrize("values", [[1, 2, 3], [1, np.nan], [[1, 2]]])
def test_the_best_cut_has_one_value_for_each_cut(values):
    with pytest.raises(ValueError, match="one number for each of the cuts"):
        metrics.best_working_point(Efficiencies(*np.array([[0, 1], [30, 20], [300, 40]]), 50, 500), values)


@each(DEFINITIONS)
@pytest.mark.parametrize(
    ("signal", "background"),
    [(-5, 100), (5, -100), (np.nan, 100), (5, np.nan), (np.inf, 100), (5, np.inf), ([1, -1], [100, 100]), ("x", 1)],
)
def test_expected_numbers_are_finite_and_not_negative(function, signal, background):
    with pytest.raises(ValueError, match=r"expected (signal|background) must be"):
        function(signal, background)


@pytest.mark.parametrize("relative", [-0.1, np.nan, np.inf, [0.1, -0.1]])
def test_a_relative_uncertainty_is_finite_and_not_negative(relative):
    for function in (metrics.asimov_with_uncertainty, metrics.signal_over_root_total_with_uncertainty):
        with pytest.raises(ValueError, match="relative uncertainties must be finite and at least 0"):
            function(5, 100, relative)
    if np.ndim(relative) == 0:
        with pytest.raises(ValueError, match="uncertainty of the background must be finite and at least 0"):
            Experiment(background_uncertainty=relative)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_without_background_each_definition_has_its_limit(name):
    signal = np.array([0, 4])
    expected = [0, np.inf if name in INFINITE else 2]
    assert DEFINITIONS[name](signal, 0).tolist() == expected
    assert DEFINITIONS[name](signal, [1e-9, 1e-9])[0] == 0


@each(DEFINITIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint8, np.int64, object])
def test_significances_are_computed_in_float64(function, dtype):
    signal, background = np.array([1, 100], dtype), np.array([100, 100], dtype)
    expected = function(signal.astype(float), background.astype(float))
    assert function(signal, background).tolist() == expected.tolist()
    assert expected.dtype == np.float64
    assert isinstance(function(signal[0], background[0]), float)


@pytest.mark.parametrize("name", ["signal", "background"])
@pytest.mark.parametrize("number", [-100, 0, np.nan, np.inf, "many"])
def test_an_experiment_expects_events(name, number):
    with pytest.raises(ValueError, match=f"the expected {name} "):
        Experiment(**{name: number})


def test_an_experiment_of_unknown_definition_or_efficiency_is_refused():
    with pytest.raises(ValueError, match="unknown definition 'asimov' of significance: choose S/√B; "):
        Experiment().significance("asimov", 0.5, 0.5)
    for efficiencies in ((1.2, 0.5), (0.5, -0.1), (np.nan, 0.5)):
        with pytest.raises(ValueError, match="efficiencies must be finite and from 0 to 1"):
            Experiment().significance("Asimov", *efficiencies)


def test_an_interval_of_a_significance_belongs_to_one_cut():
    counts = metrics.efficiencies(LABELS, SCORES, [0.3, 0.5])
    with pytest.raises(ValueError, match="belongs to one cut, not to 2"):
        metrics.significance_interval(counts, Experiment(), "Asimov", seed=1)


ALL = np.ones(4, bool)


@pytest.mark.parametrize(
    ("labels", "one", "other", "definition", "message"),
    [
        (LABELS, ALL, ALL, "Asimov, σ_B", "does not grow with the square root of the luminosity"),
        (LABELS, ALL, ALL, "S/√(S+B+σ_B²)", "does not grow with the square root"),
        (LABELS, ALL, ALL.astype(int), "Asimov", "must be bool, not int"),
        (LABELS, SCORES, ALL, "Asimov", "must be bool, not float64"),
        (LABELS, ALL, ALL[:3], "Asimov", r"^labels \(4,\) and selections \(3,\) must be of one length$"),
        ([0, 0, 1, 2], ALL, ALL, "Asimov", "labels must be"),
        (
            LABELS,
            ALL,
            LABELS == 1,
            "Asimov",
            "^no signal or no background passes a selection: its significance is not measured$",
        ),
        (LABELS, LABELS == 0, ALL, "Asimov", "no signal or no background passes"),
    ],
)
def test_selections_that_have_no_ratio_of_luminosities(labels, one, other, definition, message):
    with pytest.raises(ValueError, match=message):
        metrics.equivalent_luminosity(labels, one, other, Experiment(), definition, seed=1)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: metrics.effect_size(2), "a difference of AUCs must be finite and from -1 to 1, not 2"),
        (lambda: metrics.holm([2]), "p-values must be finite and from 0 to 1, not 2"),
        (lambda: metrics.auc_covariance(LABELS, []), "there are no scores: give those of at least one classifier"),
        (lambda: metrics.jeffreys_interval(0, -1), "numbers of events must be finite and at least 0, not -1"),
        (lambda: metrics.jeffreys_interval(-1, 1), "numbers of events that pass must be finite and at least 0, not -1"),
        (lambda: metrics.jeffreys_interval(2, 1), "more events pass than there are: n_passed must be at most n_total"),
        (lambda: metrics.mean_interval([]), "a mean needs at least one interval"),
        (lambda: metrics.mean_interval([Interval(0, 0, np.nan)]), "intervals must be finite, not nan"),
        (lambda: metrics.efficiencies(LABELS, SCORES, ["x"]), "cuts must be numbers, not <U1"),
        (lambda: metrics.efficiencies(LABELS, SCORES, np.nan), "a cut is NaN, at which no event passes or fails"),
        (lambda: metrics.histogram(LABELS, SCORES[:3], [0, 1]), "labels (4,) and values (3,) must be of one length"),
        (lambda: metrics.histogram([], [], [0, 1]), "there are no events: labels and values are empty"),
        (
            lambda: metrics.auc_interval([0, 1], [0.1, 0.2]),
            "an interval needs at least two events of each class, not 1 of signal and 1 of background",
        ),
        (
            lambda: metrics.auc_interval(LABELS, SCORES, 95),
            "a confidence level is above 0 and below 1, such as 0.95, not 95",
        ),
    ],
)
def test_the_sentence_says_what_would_be_right(refused, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        refused()

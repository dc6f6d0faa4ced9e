import math
from itertools import product

import numpy as np
import pytest

from higgs_lib import data, metrics, models, training
from higgs_lib.data import FEATURE_SETS, Origin
from higgs_lib.metrics import AucTest, Experiment, Interval
from higgs_lib.models import ModelSpec
from higgs_lib.study import Study, TreeSettings, comparison, published
from higgs_lib.study.comparison import ClassifierSummary, _reason
from higgs_lib.study.published import Result
from higgs_lib.training import TrainConfig

SPEC = ModelSpec((10,))
FIT = TrainConfig(epochs=2, batch_size=500)


@pytest.fixture(scope="module")
def run(tmp_path_factory, events):
    """A run with every classifier of the study, one seed of most and two of the shallow network on high features."""
    folder = tmp_path_factory.mktemp("compared")
    whole = Study.open(str(folder), str(events), n_test=2000, n_validation=1000, n_training=4000)
    half = whole.with_training_events(2000)
    results = [whole.train("shallow", SPEC, "high", 2, FIT)]
    for features in FEATURE_SETS:
        results += [whole.train(kind, SPEC, features, 1, FIT) for kind in ("shallow", "deep", "modern")]
        results.append(whole.train_trees("trees", features, 1, TreeSettings(5), n_training=4000))
        results.append(whole.train_trees("trees_half_events", features, 1, TreeSettings(5), n_training=2000))
    results.append(whole.train("deep_half_epochs", SPEC, "low", 1, FIT._replace(epochs=1)))
    results.append(half.train("deep_half_events", SPEC, "low", 1, FIT))
    results.append(whole.train("other_seed", SPEC, "high", 3, FIT))
    whole.run.publish("all", results)
    return whole.run


def test_an_ensemble_is_judged_by_its_mean_score(run):
    first, second = (run.scores(f"shallow-high-seed{seed}", "test") for seed in (1, 2))
    expected = metrics.auc(first.labels, (first.scores + second.scores) / 2)
    ensemble = comparison.ensemble(run, "shallow", "high")
    assert ensemble.value == pytest.approx(expected)
    assert ensemble.low < expected < ensemble.high


def test_every_published_number_stands_next_to_ours(run):
    compared = comparison.gaps(run, simulated=True)
    assert [gap.published for gap in compared] == published.ALL
    table = comparison.gap_table(compared, 5)
    assert table["measured in this run"].str.len().min() > 10
    sizes = [abs(float(gap)) for gap in table["gap"]]
    assert len(sizes) == 5
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(max(abs(gap.gap) for gap in compared), abs=5e-4)
    text = comparison.describe_gaps(compared)
    assert text.startswith(f"Of {len(published.ALL)} published AUCs {sum(gap.agrees for gap in compared)} agree")
    assert "may explain any of the gaps" in text
    assert "built-in" not in comparison.describe_gaps(comparison.gaps(run, simulated=False))
    difference = comparison.difference(run, "trees, complete", "trees, low")
    values = [run.results("trees", features)[0]["test"]["auc"]["value"] for features in ("complete", "low")]
    assert difference.value == pytest.approx(values[0] - values[1], abs=1e-6)


def test_gains_from_events_and_from_epochs_are_told_apart(run):
    """Twice the events are compared at equal steps, twice the epochs on the same events."""

    def value(classifier, features):
        return run.results(classifier, features)[0]["test"]["auc"]["value"]

    deep = comparison.summarise(run, "deep", "low", simulated=True)
    assert deep.gain_from_epochs == pytest.approx(value("deep", "low") - value("deep_half_epochs", "low"))
    assert deep.gain_from_events == pytest.approx(value("deep_half_epochs", "low") - value("deep_half_events", "low"))
    steps = [
        len(result["history"]["seconds"]) * result["recipe"]["n_training"] // 500
        for result in (run.result("deep_half_epochs-low-seed1"), run.result("deep_half_events-low-seed1"))
    ]
    assert steps[0] == steps[1]
    trees = comparison.summarise(run, "trees", "complete", simulated=True)
    assert trees.gain_from_events == pytest.approx(value("trees", "complete") - value("trees_half_events", "complete"))
    assert math.isnan(trees.gain_from_epochs)
    assert math.isnan(comparison.summarise(run, "deep", "high", simulated=True).gain_from_events)


def test_the_training_auc_is_that_of_the_final_classifier(run, events):
    known = data.load(events, data.LOW, range(1000))
    model = models.load(run.model("deep-low-seed1"))
    expected = metrics.auc(known.labels, training.predict(model, known.features))
    assert comparison.auc(run, "deep", "low", "training").value == pytest.approx(expected, abs=1e-6)


def test_the_time_to_a_target_is_interpolated_between_epochs():
    history = {
        "validation": [{"auc": 0.6}, {"auc": 0.7}, {"auc": 0.69}, {"auc": 0.72}],
        "seconds": [9.0, 2.0, 2.0, 2.0],
    }
    seconds = {target: comparison.seconds_to({"history": history}, target) for target in (0.6, 0.65, 0.7, 0.71, 0.73)}
    assert seconds == pytest.approx({0.6: 2.0, 0.65: 3.0, 0.7: 4.0, 0.71: 7 + 1 / 3, 0.73: math.inf})


def test_every_published_significance_stands_next_to_ours():
    keys = product(("shallow", "deep", "modern"), FEATURE_SETS, set(published.DEFINITIONS.values()))
    table = comparison.significance_table({key: Interval(3.0, 2.9, 3.1) for key in keys})
    assert len(table) == 12
    assert set(table["ours, 95 % [σ]"]) == {"3.00 [2.90, 3.10]"}
    assert (table["modern network, 95 % [σ]"] != "").sum() == 6


def test_only_results_of_a_common_seed_are_paired(run):
    shallow, trees = (run.result(f"{kind}-high-seed1")["test"]["auc"]["value"] for kind in ("shallow", "trees"))
    paired = comparison.difference(run, "shallow, high", "trees, high")  # shallow has a second seed, trees have not
    assert paired.value == pytest.approx(shallow - trees, abs=1e-6)
    with pytest.raises(ValueError, match="other_seed, high and deep, high have no seed in common"):
        comparison.difference(run, "other_seed, high", "deep, high")


def test_paired_tests_are_those_of_the_common_seeds(run):
    one, other = (run.scores(f"{kind}-high-seed1", "test") for kind in ("shallow", "trees"))
    expected = metrics.auc_test(one.labels, one.scores, other.scores)
    assert comparison.paired_test(run, "shallow, high", "trees, high") == expected
    assert comparison.difference(run, "shallow, high", "trees, high") == expected.difference
    itself = comparison.paired_test(run, "shallow, high", "shallow, high")  # two seeds
    assert itself == (Interval(0, 0, 0), 1.0)


def test_the_table_of_tests_corrects_for_their_number():
    tests = {
        "a - b": AucTest(Interval(0.004, 0.001, 0.007), 0.02),
        "a - c": AucTest(Interval(0.05, 0.04, 0.06), 1e-20),
        "b - c": AucTest(Interval(0.001, -0.001, 0.003), 0.3),
    }
    table = comparison.difference_table(tests, dict.fromkeys(tests, "more is better"))
    assert table["p-value, Holm"].tolist() == ["0.04", "below 1e-06", "0.3"]
    assert table["size"].tolist() == ["small", "large", "negligible"]
    assert table["paired 95 % interval"][0] == "+0.0040 [+0.0010, +0.0070]"


def test_the_significance_is_that_of_the_best_cut_on_validation_events(run):
    experiment = Experiment()
    reached = comparison.significances(run, "deep-complete-seed1", experiment)
    assert set(reached) == set(experiment.definitions())
    validation, test = (run.scores("deep-complete-seed1", part) for part in ("validation", "test"))
    counts = metrics.efficiencies(*validation, metrics.CUTS)
    for definition, value in reached.items():
        at = metrics.efficiencies(*test, np.array([metrics.best_cut(counts, experiment, definition)]))
        assert value == pytest.approx(metrics.significance_interval(at, experiment, definition, seed=1).value)


def test_the_definition_of_a_published_column_fits_at_equal_auc():
    """The significance of made-up classifiers is a cubic through the column of [B], or through that of [G] plus 1."""
    aucs = np.linspace(0.70, 0.87, 15)  # [B]'s 0.880 and 0.885 are outside, and [G]'s 0.675

    def through(source):
        rows = [r for r in published.TABLE_3_1 if r.source == source and r.significance and 0.7 <= r.auc <= 0.87]
        return np.polynomial.Polynomial.fit([r.auc for r in rows], [r.significance for r in rows], 3)(aucs)

    values = {"theirs": through("B"), "one more": through("G") + 1, "far off": np.full(15, 20.0)}
    compared = {(r.source, r.definition): r for r in comparison.residuals(aucs, values)}
    assert len(compared) == 2 * 3
    theirs = compared["B", "theirs"]
    assert theirs.compared == pytest.approx(np.zeros(4), abs=1e-9)  # a cubic meets four points
    assert math.isnan(theirs.values["deep", "low"])
    assert compared["G", "one more"].rms == pytest.approx(1.0, abs=0.03)
    assert len(compared["G", "one more"].compared) == 5
    assert math.isnan(compared["G", "one more"].values["shallow", "low"])
    assert compared["B", "far off"].values["shallow", "high"] == pytest.approx(20 - 3.1)


def test_the_nearest_definitions_in_words():
    aucs = np.linspace(0.70, 0.87, 15)
    compared = comparison.residuals(aucs, {"three": np.full(15, 3.0), "four": np.full(15, 4.0)})
    table = comparison.residual_table(compared)
    assert table["definition"].tolist() == ["three", "four"]
    assert table["[B] from, to [σ]"].tolist() == ["-0.70, +0.50", "+0.30, +1.50"]
    assert table["[B] compared"].tolist() == ["4 of 6"] * 2
    assert table["[G] compared"].tolist() == ["5 of 6"] * 2
    rms = np.sqrt(np.mean(np.square([0.5, -0.1, -0.7, -0.6])))  # of [B]'s 2.5, 3.1, 3.7 and 3.6 below three
    assert table["[B] rms [σ]"][0] == f"{rms:.2f}"
    statement = comparison.nearest_definitions(compared)
    assert "Of the 2 definitions three is nearest to the column of Baldi et al. [B] (" in statement
    assert f"(rms {rms:.2f} σ over 4 values, 2 left out; next four, " in statement
    assert "four is nearest to the column of Grosso [G] (rms 0.3" in statement
    outside = comparison.residuals(np.linspace(0.5, 0.6, 6), {"three": np.full(6, 3.0), "four": np.full(6, 4.0)})
    assert comparison.nearest_definitions(outside) == (
        "Too few of the published AUCs of Baldi et al. [B], 0 of 6, and of Grosso [G], 0 of 6, are within the range of "
        "this run's classifiers to say which definition is nearest to them."
    )
    few = comparison.residuals(np.linspace(0.72, 0.80, 6), {"three": np.full(6, 3.0), "four": np.full(6, 4.0)})
    assert 0 < len(few[0].compared) < comparison.MIN_COMPARED
    assert "Too few of the published AUCs of Baldi et al. [B]" in comparison.nearest_definitions(few)
    assert comparison.residual_table(outside)["[G] rms [σ]"].tolist() == ["-"] * 2


def test_reasons_name_only_what_was_measured():
    result = Result("B", "DN", "deep", "low", 0.880, n_training=10_000_000)
    ours = ClassifierSummary(
        "deep", "low", Interval(0.75, 0.74, 0.76), 2, 1_250_000, 0.02, 12, 0.003, 0.0, simulated=True
    )
    reason = _reason(result, ours, -0.13)
    assert (
        "[B] had 8.0 times as many training events; each doubling of our events, at equal steps, gave +0.020" in reason
    )
    assert "twice the epochs, 12, gave +0.003 ([B]: 200 to 1000)" in reason
    assert "overfitting" not in reason
    assert _reason(result, ours, -0.005) == "agrees within the interval"
    assert _reason(result, ours, 0.05) == "nothing measured here"
    uci = ours._replace(simulated=False)
    assert _reason(result, uci, -0.005) == "agrees within the interval"
    assert _reason(result, uci, 0.05) == "nothing measured here"
    overfitting = _reason(result, ours._replace(overfitting=0.012), -0.13)
    assert "the AUC is 0.012 higher on training than on validation events" in overfitting


def test_a_published_auc_that_agrees_counts_as_no_gap():
    """Both sources had more events, but only one AUC is farther from ours than the interval and the rounding."""
    ours = ClassifierSummary("trees", "low", Interval(0.75, 0.74, 0.76), 1, 1000, 0.02, 0, 0.0, 0.0, simulated=True)
    theirs = [Result("B", "BDT", "trees", "low", auc, n_training=10_000_000) for auc in (0.755, 0.8)]
    text = comparison.describe_gaps([comparison.Gap(one, ours, 0.75 - one.auc, "") for one in theirs])
    assert text.startswith("Of 2 published AUCs 1 agree with ours within the interval; 0 of the others are lower than")
    assert "and 1 are higher. For 1 of those that are higher, the source had more" in text


ABOVE, EQUAL, BELOW = Interval(0.02, 0.01, 0.03), Interval(0.0, -0.01, 0.01), Interval(-0.02, -0.03, -0.01)
WITHOUT = "It does without the high-level masses"
NOT_YET = "With these events and epochs it does not replace the high-level masses."


@pytest.mark.parametrize(
    ("over_high", "over_complete", "statement"),
    [
        (ABOVE, ABOVE, WITHOUT),
        (ABOVE, EQUAL, "more from the low-level features than a shallow network gets from the masses, and as much"),
        (ABOVE, BELOW, "more from the low-level features than a shallow network gets from the masses, but less than"),
        (EQUAL, EQUAL, "as much, within the interval, from the low-level features as a shallow network"),
        (EQUAL, BELOW, "as a shallow network gets from the masses, but less than from both"),
        (BELOW, BELOW, NOT_YET),
        (BELOW, EQUAL, NOT_YET),
    ],
)
def test_the_verdict_on_the_masses_is_what_the_intervals_allow(over_high, over_complete, statement):
    verdict = comparison.masses_verdict("deep network", over_high, over_complete, ABOVE)
    assert statement in verdict
    assert (WITHOUT in verdict) == (over_high.low > 0 and over_complete.low > 0)
    assert f"high-level features ({over_high:+.3f})" in verdict
    assert f"complete features ({over_complete:+.3f})" in verdict
    assert "the deep network still gains +0.020" in verdict


def test_a_gain_within_its_interval_is_no_gain():
    verdict = comparison.masses_verdict("modern network", ABOVE, ABOVE, EQUAL)
    assert "the modern network does not gain measurably (+0.000 [" in verdict


def test_peaks_of_built_in_events_follow_their_parameters():
    recipe = {"physics": {"m_heavy_higgs": 600.0, "m_charged_higgs": 400.0}}
    changed = published.peaks(Origin("simulated", 10, recipe, ""))
    assert (changed["m_wwbb"]["signal"], changed["m_wbb"]["signal"]) == (600, 400)
    uci = published.peaks(Origin("uci", 10, {}, ""))
    assert uci["m_wwbb"]["signal"] == 425
    assert uci["m_jjj"]["background"] == published.M_TOP

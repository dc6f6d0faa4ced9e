from itertools import product

import pytest

from higgs_lib import metrics
from higgs_lib.data import FEATURE_SETS, Origin
from higgs_lib.metrics import Interval
from higgs_lib.models import ModelSpec
from higgs_lib.study import Study, comparison, published
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
    quarter = whole.with_training_events(1000)
    results = [whole.train("shallow", SPEC, "high", 2, FIT)]
    for features in FEATURE_SETS:
        for kind in ("shallow", "deep"):
            results.append(whole.train(kind, SPEC, features, 1, FIT))
            results.append(quarter.train(kind + comparison.QUARTER, SPEC, features, 1, FIT))
        results.append(whole.train_trees("trees", features, 1, n_training=4000, iterations=5))
        results.append(whole.train_trees("trees_quarter", features, 1, n_training=1000, iterations=5))
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
    table = comparison.auc_table(run, simulated=True)
    assert len(table) == len(published.ALL)
    assert table["measured in this run"].str.len().min() > 10
    ours = comparison.summarise(run, "trees", "complete", simulated=True)
    values = [run.results(kind, "complete")[0]["test"]["auc"]["value"] for kind in ("trees", "trees_quarter")]
    assert ours.gain_per_doubling == pytest.approx((values[0] - values[1]) / 2)
    difference = comparison.difference(run, "trees, complete", "trees, low")
    low = run.results("trees", "low")[0]["test"]["auc"]["value"]
    assert difference.value == pytest.approx(values[0] - low, abs=1e-6)


def test_every_published_significance_stands_next_to_ours():
    keys = product(("shallow", "deep"), FEATURE_SETS, set(published.DEFINITIONS.values()))
    table = comparison.significance_table({key: Interval(3.0, 2.9, 3.1) for key in keys})
    assert len(table) == 12
    assert set(table["ours, 95 % [σ]"]) == {"3.00 [2.90, 3.10]"}


def test_only_results_of_a_common_seed_are_paired(run):
    shallow, trees = (run.result(f"{kind}-high-seed1")["test"]["auc"]["value"] for kind in ("shallow", "trees"))
    paired = comparison.difference(run, "shallow, high", "trees, high")  # shallow has a second seed, trees have not
    assert paired.value == pytest.approx(shallow - trees, abs=1e-6)
    with pytest.raises(ValueError, match="other_seed, high and deep, high have no seed in common"):
        comparison.difference(run, "other_seed, high", "deep, high")


def test_reasons_name_only_what_was_measured():
    result = Result("B", "DN", "deep", "low", 0.880, n_training=10_000_000)
    ours = ClassifierSummary(
        "deep", "low", Interval(0.75, 0.74, 0.76), 2, 1_250_000, 0.02, 12, 0.003, 0.0, simulated=True
    )
    reason = _reason(result, ours, -0.13)
    assert "[B] had 8.0 times as many training events; each doubling of our events and steps gave +0.020" in reason
    assert "the last quarter of our 12 epochs gave +0.003 ([B]: 200 to 1000)" in reason
    assert "built-in" in reason
    assert "overfitting" not in reason
    assert _reason(result, ours, -0.005) == "agrees within the interval, on built-in events"
    uci = ours._replace(simulated=False)
    assert _reason(result, uci, -0.005) == "agrees within the interval"
    assert _reason(result, uci, 0.05) == "not explained by any measurement here"
    overfitting = _reason(result, ours._replace(overfitting=0.012), -0.13)
    assert "the AUC is 0.012 higher on training than on validation events" in overfitting


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
    verdict = comparison.masses_verdict(over_high, over_complete, ABOVE)
    assert statement in verdict
    assert (WITHOUT in verdict) == (over_high.low > 0 and over_complete.low > 0)
    assert f"high-level features ({over_high:+.3f})" in verdict
    assert f"complete features ({over_complete:+.3f})" in verdict
    assert "the deep network still gains +0.020" in verdict


def test_a_gain_within_its_interval_is_no_gain():
    assert "does not gain measurably (+0.000 [" in comparison.masses_verdict(ABOVE, ABOVE, EQUAL)


def test_peaks_of_built_in_events_follow_their_parameters():
    recipe = {"physics": {"m_heavy_higgs": 600.0, "m_charged_higgs": 400.0}}
    changed = published.peaks(Origin("simulated", 10, recipe, ""))
    assert (changed["m_wwbb"]["signal"], changed["m_wbb"]["signal"]) == (600, 400)
    uci = published.peaks(Origin("uci", 10, {}, ""))
    assert uci["m_wwbb"]["signal"] == 425
    assert uci["m_jjj"]["background"] == published.M_TOP

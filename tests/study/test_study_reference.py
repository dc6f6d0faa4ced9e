"""A run beside its reference: what has to fail, and what other seeds may do."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from higgs_lib import data
from higgs_lib.metrics import Interval
from higgs_lib.models import PRESETS
from higgs_lib.study import Scores, Study, TreeSettings, classifiers, reference
from higgs_lib.study.reference import AUC, CheckError, Outcome

DEEP = PRESETS["deep"]
FOREST = TreeSettings(60, learning_rate=0.1, patience=0)
SEPARATION = {("shallow", "low"): 0.6, ("deep", "low"): 0.8, ("trees", "complete"): 1.2}
NUISANCES = ("jet energy scale", "b-tag efficiency", "luminosity")


def write_run(folder, events, seed, *, spec=DEEP, nuisances=NUISANCES, spread=0.01):
    """A run as the notebooks store it, with scores drawn at random and a scatter of the trainings."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "events.parquet").symlink_to(events)
    study = Study.open(str(folder), str(events), n_test=4000, n_validation=2000)
    rng, run = np.random.default_rng(seed), study.run
    for (classifier, features), separation in SEPARATION.items():
        separation += rng.normal(0, spread)
        scores = {}
        for part, rows in study.splits._replace(training=study.splits.training[:2000])._asdict().items():
            labels = data.load(events, ("m_bb",), rows).labels
            scores[part] = Scores(labels, rng.normal(separation * labels))
        recipe = study._recipe(classifier, features, seed, ())
        size = {} if classifier == "trees" else {"n_parameters": spec.n_parameters(len(data.feature_set(features)))}
        name = f"{classifier}-{features}-seed{seed}"
        measured = {part: classifiers.quality(*of_part) for part, of_part in scores.items()}
        run.save(name, {"recipe": recipe, **size, **measured})
        run.save_scores(name, scores)
        run.publish(classifier, [run.result(name)])
    width = {name: 0.05 * (k + 1) for k, name in enumerate(NUISANCES)}
    rows = [{"key": ["deep", "low", "without systematics"], "interval": drawn(rng, 3.0, 0.05)}]
    rows += [{"key": ["deep", "low", name], "interval": drawn(rng, 3.0 - width[name], 0.05)} for name in nuisances]
    run.save("systematics", {"recipe": {}, "values": rows, "nuisances": list(nuisances)})
    return run


def drawn(rng, value, error):
    value = rng.normal(value, error)
    return [value, value - 1.96 * error, value + 1.96 * error]


@pytest.fixture(scope="module")
def of_seeds(events, tmp_path_factory):
    """The reference of five runs."""
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / f"seed{seed}", events, seed) for seed in range(1, 6)]
    return reference.make("tiny", [reference.outcome(run) for run in runs])


def compared(run, of_seeds):
    return reference.compare(reference.outcome(run), of_seeds)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_other_seeds_agree(events, tmp_path, of_seeds, seed):
    comparison = compared(write_run(tmp_path / "run", events, seed), of_seeds)
    assert (comparison.broken, comparison.moved) == ([], [])
    assert len(comparison.moves) == 3 + 4 + 3  # AUCs, systematics, and test less validation


def test_the_reference_is_the_mean_and_says_what_made_it(events, tmp_path, of_seeds):
    runs = [write_run(tmp_path / f"{seed}", events, seed) for seed in range(1, 6)]
    values = [reference.outcome(run).values[AUC]["deep, low"].value for run in runs]
    assert of_seeds["sections"][AUC]["values"]["deep, low"]["interval"][0] == pytest.approx(np.mean(values))
    assert [one["seeds"] for one in of_seeds["runs"]] == [[1], [2], [3], [4], [5]]
    assert of_seeds["runs"][0]["events"].startswith("20,000 events of the built-in simulation (seed 7)")
    assert set(of_seeds["sections"]) == {AUC, "systematics"}


def test_a_removed_layer_is_named(events, tmp_path, of_seeds):
    smaller = replace(DEEP, hidden=DEEP.hidden[:-1])
    comparison = compared(write_run(tmp_path / "run", events, 11, spec=smaller), of_seeds)
    assert (
        f"parameters of deep, low: {smaller.n_parameters(21)} instead of {DEEP.n_parameters(21)}" in comparison.broken
    )


def test_a_systematic_that_is_left_out_is_named(events, tmp_path, of_seeds):
    comparison = compared(write_run(tmp_path / "run", events, 11, nuisances=NUISANCES[:2]), of_seeds)
    assert comparison.broken == [
        "nuisances of systematics: luminosity missing",
        "values of systematics: deep, low, luminosity missing",
    ]


def test_a_worse_classifier_moves(events, tmp_path, of_seeds, monkeypatch):
    monkeypatch.setitem(SEPARATION, ("deep", "low"), 0.6)
    comparison = compared(write_run(tmp_path / "run", events, 11), of_seeds)
    assert [move.name for move in comparison.moved] == [f"{AUC}: deep, low"]
    assert comparison.moves[0].in_tolerances < -1


def trees(events, folder):
    """What boosted trees on real columns give, whose memory of their training events shows."""
    study = Study.open(str(folder), str(events), n_test=4000, n_validation=2000)
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "events.parquet").symlink_to(events)
    result = study.train_trees("trees", "complete", 1, FOREST, n_training=len(study.splits.training))
    study.run.publish("trees", [result])
    return reference.outcome(study.run)


@pytest.fixture(scope="module")
def of_trees(events, tmp_path_factory):
    return reference.make("trees", [trees(events, tmp_path_factory.mktemp("trees") / "run")])


def test_training_on_rows_of_the_test_events_is_a_leak(events, tmp_path, of_trees, monkeypatch):
    """By the recipe, whether the training events are too many or moved."""
    parts = data.split(20_000, n_test=4000, n_validation=2000)
    for leaking, words in ((range(20_000), "reach into the"), (range(6000, 20_000), "not the first, the middle and")):
        monkeypatch.setattr(data, "split", lambda *_, leaking=leaking, **__: parts._replace(training=leaking))
        monkeypatch.setattr(Study, "with_training_events", lambda study, _: study)
        comparison = reference.compare(trees(events, tmp_path / words[:5]), of_trees)
        assert any(words in leak for leak in comparison.broken)


def test_a_later_part_of_the_training_events_is_none(events, tmp_path):
    """Learning curves train on several small samples."""
    study = Study.open(str(tmp_path), str(events), n_test=4000, n_validation=2000)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "events.parquet").symlink_to(events)
    trees = study.with_training_events(3000, part=2).train_trees("late", "high", 1, TreeSettings(3), n_training=3000)
    assert reference._leaks(study.run, [trees]) == []


def test_test_events_that_are_trained_on_in_secret_are_a_leak(events, tmp_path, of_trees, monkeypatch):
    """Where the recipe tells nothing: the AUC is higher on test events than on validation events."""

    honest = classifiers._samples

    def leaking(*arguments):
        samples = honest(*arguments)
        joined = [np.concatenate(arrays) for arrays in zip(samples["training"], samples["test"], strict=True)]
        return samples | {"training": data.Sample(*joined)}

    assert reference.compare(trees(events, tmp_path / "honest"), of_trees).moved == []
    monkeypatch.setattr(classifiers, "_samples", leaking)
    comparison = reference.compare(trees(events, tmp_path / "leaking"), of_trees)
    assert comparison.broken == []
    assert f"{AUC}: trees, complete, test - validation" in [move.name for move in comparison.moved]


def test_scores_of_other_rows_are_a_leak(events, tmp_path, of_seeds):
    run = write_run(tmp_path / "run", events, 11)
    parts = {part: run.scores("deep-low-seed11", part) for part in ("training", "validation", "test")}
    run.save_scores("deep-low-seed11", parts | {"test": Scores(1 - parts["test"].labels, parts["test"].scores)})
    assert compared(run, of_seeds).broken == ["deep-low-seed11: its scores are not those of the events of its parts"]


def test_runs_of_a_reference_differ_in_seeds_alone(events, tmp_path):
    one = reference.outcome(write_run(tmp_path / "one", events, 1))
    other = reference.outcome(write_run(tmp_path / "other", events, 2, nuisances=NUISANCES[:1]))
    with pytest.raises(CheckError, match="must differ in their seeds alone: nuisances of systematics"):
        reference.make("tiny", [one, other])


def test_the_error_of_two_seeds_is_that_of_the_events_and_the_pooled_scatter():
    """Not that of Student's t, whose interval is wide or narrow as two seeds happen to differ."""
    alike, apart = ([Interval(v, v - 0.196, v + 0.196) for v in values] for values in ((1.0, 1.0), (0.9, 1.1)))
    scatter = reference._pooled_scatter([alike, apart])
    assert scatter == pytest.approx(np.sqrt(0.1**2 + 0.1**2) / np.sqrt(2))
    one, other = (reference._mean(seeds, scatter) for seeds in (alike, apart))
    assert reference._error(one) == pytest.approx(np.hypot(0.1, scatter / np.sqrt(2)))
    assert reference._error(other) == pytest.approx(reference._error(one))
    assert reference._pooled_scatter([alike[:1], apart[:1]]) == 0


def test_a_value_that_is_nan_moves_and_breaks_no_fact(events, tmp_path, of_seeds):
    run = write_run(tmp_path / "run", events, 11)
    result = run.result("systematics")
    result["values"][1]["interval"] = [math.nan] * 3
    run.save("systematics", {key: result[key] for key in ("recipe", "values", "nuisances")})
    comparison = compared(run, of_seeds)
    assert comparison.broken == []
    assert [move.name for move in comparison.moved] == ["systematics: deep, low, jet energy scale"]
    outcomes = [reference.outcome(run), reference.outcome(write_run(tmp_path / "other", events, 12))]
    assert len(reference.make("tiny", outcomes)["sections"]["systematics"]["values"]) == 3  # of 4


def test_an_unlimited_interval_agrees_with_any_value():
    bounded, unlimited = Interval(1.0, 0.5, 1.5), Interval(9.0, 0.5, math.inf)
    stored = reference.make("toy", [Outcome({}, {AUC: {"a": bounded}}, {}, [], {})])
    assert reference.compare(Outcome({}, {AUC: {"a": unlimited}}, {}, [], {}), stored).moved == []


@pytest.mark.parametrize("n_runs", [3, 5])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_false_alarms_are_as_rare_as_promised(correlation, n_runs):
    """Where trainings scatter as much as the intervals, and values of a run share their events."""
    rng, n_values, repeats = np.random.default_rng(1), 40, 400

    def toy():
        of_events = np.sqrt(correlation) * rng.normal() + np.sqrt(1 - correlation) * rng.normal(size=n_values)
        values = (of_events + rng.normal(size=n_values)).tolist()
        return Outcome({}, {AUC: {f"{k}": Interval(v, v - 1.96, v + 1.96) for k, v in enumerate(values)}}, {}, [], {})

    alarms = 0
    for _ in range(repeats):
        stored = reference.make("toy", [toy() for _ in range(n_runs)])
        alarms += bool(reference.compare(toy(), stored).moved)
    assert alarms <= stats.binom.isf(0.001, repeats, reference.FALSE_ALARM)


def test_the_scale_factor_is_that_of_the_scatter():
    """As by the Particle Data Group: the root of chi2 over its degrees of freedom, at least 1."""
    values = np.array([[1.0, 2.0], [1.4, 2.0], [1.2, 2.3]])
    runs = [{str(k): Interval(v, v - 0.196, v + 0.196) for k, v in enumerate(row)} for row in values.tolist()]
    stored = reference.make("toy", [Outcome({}, {AUC: run}, {}, [], {}) for run in runs])["sections"][AUC]
    assert stored["scale"] == pytest.approx(np.sqrt(values.var(0, ddof=1).mean() / 0.1**2))
    assert stored["values"]["0"]["interval"][2] == pytest.approx(1.2 + 0.196 / np.sqrt(3))

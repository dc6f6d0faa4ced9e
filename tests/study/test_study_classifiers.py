import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import xgboost

from higgs_lib import data, metrics, models, provenance, training
from higgs_lib.data import LOW, Sample
from higgs_lib.files import StoredFileError
from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.models.kinematic_layer import kinematic_features
from higgs_lib.models.spec import INPUTS
from higgs_lib.study import Run, Study, TreeSettings, by_epoch, classifiers, trees, verification
from higgs_lib.training import TrainConfig, loop, tensorflow_engine

SPEC = ModelSpec((10,))
FIT = TrainConfig(epochs=2, batch_size=500)


@pytest.fixture
def small(tmp_path, events, monkeypatch) -> Study:
    """A study whose trainings begin at once: XLA would compile for longer than they last."""
    monkeypatch.setattr(tensorflow_engine, "XLA_MAX_BATCH", 0)
    return Study.open(str(tmp_path), str(events), n_test=2000, n_validation=1000, n_training=4000)


def test_a_network_is_trained_stored_and_read_back(small, monkeypatch):
    result = small.train("shallow", SPEC, "high", 1, FIT)
    assert result["recipe"]["n_training"] == 4000
    assert result["n_parameters"] == 91
    assert result["made_with"]["device"]["cores"] >= 1
    scores = small.run.scores(result["name"], "test")
    assert len(scores.labels) == 2000
    assert metrics.auc(*scores) == pytest.approx(result["test"]["auc"]["value"])
    (verified,) = verification.verify([small.run.scores_file(result["name"])], small.events).files
    assert verified.claims == {"auc": result["test"]["auc"]["value"], "accuracy": result["test"]["accuracy"]}
    assert verified.model == result["recipe"]
    model = keras.models.load_model(small.run.model(result["name"]))
    assert np.array_equal(training.predict(model, small.samples("high")["test"].features), scores.scores)
    monkeypatch.setattr(Study, "_train_network", None)  # a second training would fail
    assert small.train("shallow", SPEC, "high", 1, FIT) == result


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.train("shallow", replace(SPEC, dropout=0.1), "high", 1, FIT),
        lambda s: s.train("shallow", SPEC, "high", 1, FIT._replace(epochs=3)),
        lambda s: s.with_training_events(3000).train("shallow", SPEC, "high", 1, FIT),
    ],
)
def test_what_depends_on_a_change_is_trained_again(small, change):
    first = small.train("shallow", SPEC, "high", 1, FIT)
    second = change(small)
    assert second["name"] == first["name"]
    assert second["recipe"] != first["recipe"]
    assert second["test"] != first["test"]


TRAIN = """
import sys
from higgs_lib.models import ModelSpec
from higgs_lib.study import Study
from higgs_lib.training import TrainConfig

study = Study.open(*sys.argv[1:], n_test=2000, n_validation=1000, n_training=2000)
study.train("shallow", ModelSpec((4,)), "high", 1, TrainConfig(epochs=1, batch_size=500))
print(*(name for name in sys.modules if name.startswith("higgs_lib.")))
"""


def test_changed_code_of_any_module_trains_again_but_a_docstring_does_not(tmp_path, events, monkeypatch):
    """The modules are those that a training in a process of its own has imported."""
    library = tmp_path / "higgs_lib"
    shutil.copytree(provenance.FOLDER, library, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", TRAIN, tmp_path / "run", events]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    modules = [name.removeprefix("higgs_lib.") for name in answer.stdout.split()]
    faces = {
        "data",
        "data.readers",
        "metrics",
        "models",
        "study",
        "training",
    }  # they import on demand and compute nothing
    assert {"training.steps", "training.batching", "models.builder", "metrics.ranking", "data.samples"} <= set(modules)
    monkeypatch.setattr(provenance, "FOLDER", library)
    monkeypatch.setattr(Study, "_train_network", lambda *_: pytest.fail("trained again"))
    study = Study.open(str(tmp_path / "run"), str(events), n_test=2000, n_validation=1000, n_training=2000)
    again = partial(study.train, "shallow", ModelSpec((4,)), "high", 1, TrainConfig(epochs=1, batch_size=500))
    stored = again()
    for name in set(modules) - faces:
        path = library.joinpath(*name.split(".")).with_suffix(".py")
        source = path.read_text()
        path.write_text(source + "\n\ndef added():\n    return 1\n")
        with pytest.raises(pytest.fail.Exception, match="trained again"):
            again()
        path.write_text(source.replace('"""', '"""Reworded. ', 1))
        assert again() == stored, name
        path.write_text(source)


def test_changed_code_trains_again(small, monkeypatch):
    first = small.train("shallow", SPEC, "high", 1, FIT)
    monkeypatch.setattr(classifiers.provenance, "code_version", lambda *modules: "other")
    second = small.train("shallow", SPEC, "high", 1, FIT)
    assert second["made_with"] != first["made_with"] or second["seconds"] != first["seconds"]
    assert second["test"] == first["test"]  # the same seed gives the same numbers


@pytest.mark.parametrize("file", ["metrics/{}.json", "models/{}.keras", "scores/{}.parquet"])
def test_a_damaged_file_is_named_and_trained_again(small, caplog, file):
    first = small.train("shallow", SPEC, "high", 1, FIT)
    path = small.run.path / file.format(first["name"])
    whole = path.read_bytes()
    for content in (whole[:-20], whole[:300] + bytes([whole[300] ^ 1]) + whole[301:], b""):
        path.write_bytes(content)
        caplog.clear()
        again = small.train("shallow", SPEC, "high", 1, FIT)
        assert f"shallow-high-seed1: made again, as {path}: the file is " in caplog.text
        assert again["test"] == first["test"]
        assert again["history"]["validation"] == first["history"]["validation"]
        assert small.run.damaged() == {}
        keras.models.load_model(small.run.model(first["name"]))
        assert small.run.scores(first["name"], "test").scores.size == 2000


def test_scores_that_cannot_be_read_are_named(small):
    path = small.run.scores_file("one")
    path.parent.mkdir(parents=True)
    path.write_text("no Parquet")
    with pytest.raises(StoredFileError, match=r"scores/one\.parquet: the file is damaged; call `make reproduce`"):
        small.run.scores("one", "test")


def test_an_interrupted_training_leaves_no_result_and_resumes(small, tmp_path, monkeypatch):
    whole = Study(Run(tmp_path / "undisturbed"), small.events, small.splits).train("shallow", SPEC, "high", 1, FIT)
    epochs, evaluate = [], training.evaluate

    def interrupted(*arguments):
        epochs.append(evaluate(*arguments))
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return epochs[-1]

    monkeypatch.setattr(loop, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small.train("shallow", SPEC, "high", 1, FIT)
    assert small.run.result("shallow-high-seed1") is None
    kept = list((small.run.path / "checkpoints").iterdir())
    assert len(kept) == 1
    result = small.train("shallow", SPEC, "high", 1, FIT)
    assert len(epochs) == 3  # the first was not done again
    assert result["test"] == whole["test"]
    assert result["history"]["validation"] == whole["history"]["validation"]
    assert not kept[0].exists()


def test_readers_see_published_results_only(small):
    one, two = (small.train("shallow", SPEC, "high", seed, FIT) for seed in (1, 2))
    with pytest.raises(FileNotFoundError, match="run 03_training"):
        small.run.results("shallow", "high")
    small.run.publish("nets", [one, two])
    assert small.run.results("shallow", "high") == [one, two]
    small.run.publish("nets", [two])
    assert small.run.results("shallow", "high") == [two]
    assert by_epoch([one, two], "validation", "auc").shape == (2, 2)
    with pytest.raises(FileNotFoundError, match="no such scores"):
        small.run.scores("deep-low-seed1", "test")


def test_the_events_of_an_epoch_are_repeated_to_its_length(small):
    """An epoch of twice the events on the first half is one on the first half, written twice."""
    half = small.with_training_events(2000)
    result = half.train("repeated", SPEC, "high", 1, FIT, events_per_epoch=4000)
    assert result["recipe"]["events_per_epoch"] == 4000
    events = half.samples("high")
    twice = events["training"].load().take(np.tile(np.arange(2000), 2))
    model = models.build(SPEC, models.standardisation(events["training"]), 1)
    optimizer = models.optimizer(SPEC, 4000, FIT.batch_size, FIT.epochs)
    training.fit(model, optimizer, twice, events["validation"], FIT, seed=1)
    scores = small.run.scores(result["name"], "test").scores
    assert training.predict(model, events["test"].features) == pytest.approx(scores, abs=1e-6)
    with pytest.raises(ValueError, match="an epoch of 1000 events cannot hold 2000"):
        half.train("repeated", SPEC, "high", 1, FIT, events_per_epoch=1000)


def test_parts_of_the_training_events_do_not_overlap(small):
    parts = [small.with_training_events(1500, part=part).splits.training for part in (0, 1)]
    assert parts == [range(1500), range(1500, 3000)]
    with pytest.raises(ValueError, match="4000 training events have no part 2 of 1500"):
        small.with_training_events(1500, part=2)


def test_a_training_starts_from_a_network_of_other_events(small):
    other = Study(small.run, small.events, data.Splits.from_sizes(6000, 1000, 1000))
    first = other.train("first", SPEC, "high", 1, FIT)
    hardly = replace(SPEC, learning_rate=1e-12, weight_decay=0.1)
    result = small.train("second", hardly, "high", 1, FIT, before=first)
    before, after = small.scores_of(first), small.run.scores("second-high-seed1", "test")
    assert np.array_equal(before.labels, after.labels)
    assert after.scores == pytest.approx(before.scores, abs=1e-6)
    assert result["recipe"]["before"]["name"] == "first-high-seed1"
    assert result["recipe"]["before"]["n_training"] == 6000
    moved = other.train("first", SPEC, "high", 1, FIT._replace(epochs=3))
    assert small.train("second", hardly, "high", 1, FIT, before=moved) != result
    with pytest.raises(ValueError, match="second cannot start from first-high-seed1: hidden would have to be the same"):
        small.train("second", ModelSpec((20,)), "high", 1, FIT, before=first)
    with pytest.raises(ValueError, match="its features would have to be the same"):
        small.train("second", SPEC, "low", 1, FIT, before=first)


def test_trees_take_physics_inputs(small):
    settings = TreeSettings(30, learning_rate=0.1, patience=0)
    columns, physics = (small.train_trees(kind, "low", 1, settings, n_training=4000, inputs=kind) for kind in INPUTS)
    assert columns["test"]["auc"]["high"] < physics["test"]["auc"]["low"]
    parts = {part: kinematic_features(sample.load().features, LOW) for part, sample in small.samples("low").items()}
    training = Sample(parts["training"][:4000], small.samples("low")["training"].load().labels[:4000])
    scores = trees.fit_predict(training, [parts["test"]], settings=settings, seed=1)[0]
    assert small.run.scores("kinematics-low-seed1", "test").scores == pytest.approx(scores, abs=1e-6)


def test_trees_are_xgboosts_and_end_with_the_lowest_validation_loss(small):
    settings = TreeSettings(200, 15, 0.3, event_fraction=1.0, patience=5)
    result = small.train_trees("trees", "complete", 1, settings, n_training=2000)
    parts = small.samples("complete")
    same = {"n_estimators": 200, "max_leaves": 15, "max_depth": 0, "learning_rate": 0.3, "grow_policy": "lossguide"}
    judge = xgboost.XGBClassifier(
        max_bin=settings.bins, **same, early_stopping_rounds=5, eval_metric="logloss", random_state=1
    )
    judge.fit(*parts["training"].slice(0, 2000), eval_set=[tuple(parts["validation"])], verbose=False)
    scores = judge.predict_proba(parts["test"].features)[:, 1]
    assert result["n_trees"] == judge.best_iteration + 1 < 200
    assert result["test"]["auc"]["value"] == pytest.approx(metrics.auc(parts["test"].labels, scores), abs=0.002)
    assert result["recipe"]["versions"]["xgboost"] == xgboost.__version__


@pytest.mark.parametrize(
    ("kind", "features", "low", "high"),
    [("deep", "complete", 0.797, 0.82), ("shallow", "low", 0.67, 0.70)],
)
def test_uci_events_give_the_auc_known_for_so_few(tmp_path, uci_events, kind, features, low, high):
    """40,681 events, the last 8,000 for testing."""
    real = Study(Run(tmp_path), uci_events, data.split(40_681, n_test=8000, n_validation=4000))
    settings = {"learning_rate": 0.002, "schedule": "cosine", "warm_up": 0.05}
    spec = replace(PRESETS[kind], dropout=0.2 if kind == "deep" else 0.0, **settings)
    config = TrainConfig(epochs=24 if kind == "deep" else 40, batch_size=128, patience=8)
    result = real.train(kind, spec, features, 1, config)
    assert low <= result["test"]["auc"]["value"] <= high

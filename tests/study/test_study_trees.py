"""Boosted trees: those of the settings, stopped by validation events; what was written is read, nothing else."""

import json
import pickle

import numpy as np
import pytest
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier

from higgs_lib import metrics
from higgs_lib.data import Sample
from higgs_lib.models import ModelFileError
from higgs_lib.study import TreeSettings, trees


def circles(n, seed):
    """Events of two classes with known probability: that of signal rises from 0 to 1 with the distance from zero."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 3)).astype(np.float32)
    probability = 1 / (1 + np.exp(2 - np.sum(features[:, :2] ** 2, 1)))
    return Sample(features, (random.random(n) < probability).astype(np.float32)), probability


@pytest.fixture(scope="module")
def trained():
    return trees.fit(circles(500, 1)[0], TreeSettings(3, leaves=8), seed=1)


def test_trees_are_as_good_as_scikit_learns():
    """Both come close to the true probability, whose AUC no classifier exceeds but by chance."""
    (known, _), (judged, probability) = circles(20_000, 1), circles(20_000, 2)
    settings = TreeSettings(100, 31, 0.1, event_fraction=1.0, patience=0)
    ours = trees.fit_predict(known, [judged.features], seed=1, settings=settings)[0]
    theirs = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=1).fit(*known)
    aucs = [metrics.auc(judged.labels, s) for s in (ours, theirs.predict_proba(judged.features)[:, 1])]
    best = metrics.auc(judged.labels, probability)
    assert aucs[0] == pytest.approx(aucs[1], abs=0.002)
    assert 0 < best - aucs[0] < 0.01
    assert np.mean(np.abs(ours - probability)) < 0.05


def test_validation_events_stop_before_the_loss_rises():
    (known, _), (validation, _), (judged, _) = (circles(n, seed) for n, seed in ((1000, 1), (1000, 2), (5000, 3)))
    settings = TreeSettings(300, learning_rate=0.2, patience=10)
    stopped = trees.fit(known, settings, seed=1, validation=validation)
    assert stopped.num_boosted_rounds() < 100
    endless = trees.fit(known, settings._replace(patience=0), seed=1, validation=validation)
    assert endless.num_boosted_rounds() == 300
    one, other = (metrics.auc(judged.labels, trees.predict(each, judged.features)) for each in (stopped, endless))
    assert one > other
    losses = [log_loss(validation, trees.predict(endless[:n], validation.features)) for n in range(1, 100)]
    assert stopped.num_boosted_rounds() == np.argmin(losses) + 1


def log_loss(sample, scores):
    return -np.mean(np.log(np.where(sample.labels == 1, scores, 1 - scores)))


def test_the_seed_decides():
    known, _ = circles(2000, 1)
    one, same, other = (trees.fit(known, TreeSettings(5), seed=seed).save_raw("json") for seed in (1, 1, 2))
    assert one == same != other


def test_trees_are_read_as_they_were_written(trained, tmp_path):
    features = circles(100, 2)[0].features
    trees.save(trained, tmp_path / "a.json")
    scores = trees.predict(trained, features)
    np.testing.assert_array_equal(trees.predict(trees.load(tmp_path / "a.json"), features), scores)
    by_xgboost = xgboost.Booster(model_file=tmp_path / "a.json")
    np.testing.assert_array_equal(by_xgboost.inplace_predict(features), scores)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (pickle.dumps({"a": 1}), "cannot be used as a model"),
        (b"", "cannot be used as a model"),
        (b"[" * 100_000, "cannot be used as a model"),
        (b"[1]", "cannot be used as a model"),
        (b'{"learner": {}}', "cannot be used as a model"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, written, message):
    (tmp_path / "a.json").write_bytes(written)
    refused(tmp_path / "a.json", message)


def refused(path, message):
    with pytest.raises(ModelFileError, match=message) as error:
        trees.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_cut_file_is_refused(trained, tmp_path):
    (tmp_path / "a.json").write_bytes(trained.save_raw("json")[:-30])
    refused(tmp_path / "a.json", "cannot be used as a model")


def test_trees_for_something_else_are_refused(tmp_path):
    known = xgboost.QuantileDMatrix(*circles(100, 1)[0])
    xgboost.train({"objective": "reg:squarederror"}, known, 2).save_model(tmp_path / "a.json")
    refused(tmp_path / "a.json", "holds 'gbtree' for 'reg:squarederror', and not boosted trees for two classes")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("left_children", 10**7),  # out of memory
        ("left_children", 0),  # to itself, for ever
        ("right_children", -1),
        ("right_children", 1.5),
        ("left_children", 2**70),
        ("split_indices", 3),
        ("split_indices", -1),
        ("split_type", 1),
    ],
)
def test_a_branch_that_leads_nowhere_is_refused(trained, tmp_path, place, value):
    """XGBoost itself would follow it, and the process would end or never end."""
    content = json.loads(trained.save_raw("json"))
    content["learner"]["gradient_booster"]["model"]["trees"][0][place][0] = value
    (tmp_path / "a.json").write_text(json.dumps(content))
    refused(tmp_path / "a.json", "tree 0 is damaged")


@pytest.mark.parametrize(
    ("of", "name", "value", "message"),
    [
        ("tree_param", "size_leaf_vector", "3", "tree 0 is damaged"),
        ("tree_param", "num_nodes", "4", "tree 0 is damaged"),
        ("model", "tree_info", [5, 0, 0], "the trees are not in order"),
        ("model", "iteration_indptr", [0, 10**9, 2, 3], "the trees are not in order"),
        ("learner_model_param", "num_class", "4", "more than one tree for each iteration"),
    ],
)
def test_damaged_parameters_are_refused(trained, tmp_path, of, name, value, message):
    content = json.loads(trained.save_raw("json"))
    learner = content["learner"]
    model = learner["gradient_booster"]["model"]
    parts = {"model": model, "tree_param": model["trees"][0]["tree_param"], **learner}
    parts[of][name] = value
    (tmp_path / "a.json").write_text(json.dumps(content))
    refused(tmp_path / "a.json", message)


def test_missing_trees_and_other_names_are_named(trained, tmp_path):
    refused(tmp_path / "a.json", "a.json: no such model")
    trees.save(trained, tmp_path / "a.txt")
    refused(tmp_path / "a.txt", r"not a model, whose name ends with .json; rename it if it is one")

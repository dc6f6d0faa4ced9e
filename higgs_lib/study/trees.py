"""Boosted trees by XGBoost: the study's baseline, and the classifier that compares two samples."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from higgs_lib import data, metrics
from higgs_lib.data import Sample
from higgs_lib.metrics import Interval
from higgs_lib.models import ModelFileError, archive
from higgs_lib.study.boosting import TreeSettings

if TYPE_CHECKING:
    from xgboost import Booster


FEW = TreeSettings()


def fit(training: Sample, settings: TreeSettings = FEW, *, seed: int, validation: Sample | None = None) -> "Booster":
    """Trains boosted trees on a sample.

    Args:
        training: the events to train on.
        settings: how the trees grow.
        seed: of the events that each tree sees.
        validation: the events that stop the training; without them it does not stop before its last tree.

    Returns:
        The trees, up to the one with the lowest validation loss where they were stopped.
    """
    import xgboost  # here, as stored results are read without it

    parameters = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "grow_policy": "lossguide",  # by leaves, as deep as they lead
        "max_depth": 0,
        "max_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "subsample": settings.event_fraction,
        "max_bin": settings.bins,
        "seed": seed,
    }
    known = xgboost.QuantileDMatrix(*training, max_bin=settings.bins)
    if validation is None or not settings.patience:
        return xgboost.train(parameters, known, settings.iterations)
    judged = xgboost.QuantileDMatrix(*validation, max_bin=settings.bins, ref=known)
    stop = xgboost.callback.EarlyStopping(rounds=settings.patience, save_best=True)
    watched = {"evals": [(judged, "validation")], "verbose_eval": False, "callbacks": [stop]}
    return xgboost.train(parameters, known, settings.iterations, **watched)


def predict(trees: "Booster", features: np.ndarray) -> np.ndarray:
    """Returns the probability of label 1 (n,) of `features` (n, n_features)."""
    return trees.inplace_predict(features)


def fit_predict(training: Sample, inputs: Iterable[np.ndarray], *, seed: int, **options: Any) -> list[np.ndarray]:
    """Trains boosted trees on one sample and returns their scores on others.

    Args:
        training: the events to train on.
        inputs: the features (n, n_features) of each sample to score.
        seed: of the events that each tree sees.
        options: the settings and the validation events, as of `fit`.

    Returns:
        The probability of label 1 (n,) for each of the `inputs`.
    """
    trees = fit(training, seed=seed, **options)
    return [predict(trees, features) for features in inputs]


def auc(training: Sample, tests: list[Sample], *, seed: int) -> list[Interval]:
    """Returns the AUC with its interval of trees on each of the `tests`; the last tenth of `training` stops them."""
    cut = training.n_events * 9 // 10
    known, validation = training.slice(0, cut), training.slice(cut, training.n_events)
    scored = fit_predict(known, [test.features for test in tests], seed=seed, validation=validation)
    return [metrics.auc_interval(test.labels, scores) for test, scores in zip(tests, scored, strict=True)]


def save(trees: "Booster", path: Path) -> None:
    """Writes trees as JSON, which XGBoost and `load` read."""
    path.write_bytes(trees.save_raw("json"))


def load(path: Path) -> "Booster":
    """Reads trees; raises ModelFileError for a file that holds anything else, of which no code runs."""
    import xgboost  # here, as stored results are read without it

    archive.check_name(path, ".json")
    with archive.refusing(path):
        content = json.loads(path.read_bytes())
        _check(path, content)
        # written anew, so that XGBoost reads what was checked
        return xgboost.Booster(model_file=bytearray(json.dumps(content).encode()))


def _check(path: Path, content: Any) -> None:
    """Raises an error unless the content of a file is trees for two classes whose branches lead to later nodes.

    XGBoost checks the lengths of all lists, but follows a branch wherever it leads, also out of its memory.
    """
    learner = content["learner"]
    kind = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if kind != ("gbtree", "binary:logistic"):
        raise ModelFileError(f"{path}: holds {' for '.join(map(repr, kind))}, and not boosted trees for two classes")
    size, model = learner["learner_model_param"], learner["gradient_booster"]["model"]
    trees = model["trees"]
    if (size["num_class"], size["num_target"], model["gbtree_model_param"]["num_parallel_tree"]) != ("0", "1", "1"):
        raise ValueError("there is more than one tree for each iteration")
    if model["tree_info"] != [0] * len(trees) or model["iteration_indptr"] != list(range(len(trees) + 1)):
        raise ValueError("the trees are not in order")
    if any(model["cats"].values()):
        raise ValueError("features are categories")
    for number, tree in enumerate(trees):
        if tree["id"] != number or not _is_whole(tree, int(size["num_feature"])):
            raise ValueError(f"tree {number} is damaged")


def _is_whole(tree: dict[str, Any], n_features: int) -> bool:
    """Tells whether every branch of a tree asks for one of the features and leads to two later nodes of this tree."""
    left, right, feature = (np.array(tree[name]) for name in ("left_children", "right_children", "split_indices"))
    node, shape = np.arange(len(left)), tree["tree_param"]
    leaf = (left == -1) & (right == -1)
    leads_on = (left > node) & (right > node) & (np.maximum(left, right) < len(node))
    return (
        left.dtype.kind == right.dtype.kind == feature.dtype.kind == "i"
        and left.shape == right.shape == feature.shape == node.shape
        and (shape["num_nodes"], shape["size_leaf_vector"], shape["num_deleted"]) == (str(len(node)), "1", "0")
        and not any(tree["split_type"])
        and bool(np.all(leaf | leads_on & (feature >= 0) & (feature < n_features)))
    )


def train(samples: dict[str, Sample], recipe: dict) -> "Booster":
    """Trains the trees of a stored result.

    Args:
        samples: the "training" and "validation" events, with the features of the recipe's set.
        recipe: the features, the inputs ("columns" or "kinematics"), the fields of `TreeSettings` and the seed.

    Returns:
        The trees.
    """
    settings = TreeSettings(*(recipe[name] for name in TreeSettings._fields))
    parts = {name: sample._replace(features=_inputs(sample.features, recipe)) for name, sample in samples.items()}
    return fit(parts["training"], settings, seed=recipe["seed"], validation=parts["validation"])


def scores(trees: "Booster", features: np.ndarray, recipe: dict) -> np.ndarray:
    """Returns the scores (n,) of events, given the features (n, n_features) of the recipe's set."""
    return predict(trees, _inputs(features, recipe))


def _inputs(features: np.ndarray, recipe: dict) -> np.ndarray:
    """Returns what the trees of a recipe take: the columns, or the kinematic features computed from them."""
    if recipe["inputs"] == "columns":
        return features
    from higgs_lib.models.kinematic_layer import kinematic_features  # here, as it needs Keras

    return kinematic_features(features, data.feature_set(recipe["features"]))

"""Boosted trees by scikit-learn: the study's baseline, and the classifier that compares two samples."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from higgs_lib import data, metrics
from higgs_lib.data import Sample
from higgs_lib.metrics import Interval
from higgs_lib.models import ModelFileError, archive

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier


def fit(training: Sample, *, seed: int, **settings: Any) -> "HistGradientBoostingClassifier":
    """Trains boosted trees on a sample; `settings` are those of scikit-learn's HistGradientBoostingClassifier."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # here, as stored results are read without it

    return HistGradientBoostingClassifier(random_state=seed, **settings).fit(*training)


def predict(trees: "HistGradientBoostingClassifier", features: np.ndarray) -> np.ndarray:
    """Returns the probability of label 1 (n,) of `features` (n, n_features)."""
    return trees.predict_proba(features)[:, 1]


def fit_predict(training: Sample, inputs: Iterable[np.ndarray], *, seed: int, **settings: Any) -> list[np.ndarray]:
    """Trains boosted trees on one sample and returns their scores on others.

    Args:
        training: the events to train on.
        inputs: the features (n, n_features) of each sample to score.
        seed: of the trees' random numbers.
        settings: those of `fit`.

    Returns:
        The probability of label 1 (n,) for each of the `inputs`.
    """
    trees = fit(training, seed=seed, **settings)
    return [predict(trees, features) for features in inputs]


def save(trees: "HistGradientBoostingClassifier", path: Path) -> None:
    """Writes trees to a file that `load` reads without running any code from it."""
    import skops.io  # here, as it imports scikit-learn

    skops.io.dump(trees, path)


def load(path: Path) -> "HistGradientBoostingClassifier":
    """Reads trees; raises ModelFileError for a file that holds anything else, of which no code runs."""
    import skops.io  # here, as it imports scikit-learn
    from sklearn.ensemble import HistGradientBoostingClassifier

    archive.check(path, ".skops")
    with archive.refusing(path):
        trees = skops.io.load(path, trusted=["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"])
    if not isinstance(trees, HistGradientBoostingClassifier):
        raise ModelFileError(f"{path}: holds a {type(trees).__name__}, and not boosted trees")
    return trees


def auc(training: Sample, tests: list[Sample], *, seed: int) -> list[Interval]:
    """Returns the AUC with its interval, on each of the `tests`, of 300 trees trained on one sample."""
    inputs = [test.features for test in tests]
    scored = fit_predict(training, inputs, seed=seed, max_iter=300, learning_rate=0.08)
    return [metrics.auc_interval(test.labels, scores) for test, scores in zip(tests, scored, strict=True)]


def train(training: Sample, recipe: dict) -> "HistGradientBoostingClassifier":
    """Trains the trees of a stored result.

    `recipe` holds the features, the inputs ("columns" or "kinematics"), the iterations, the leaves, the learning rate
    and the seed.
    """
    settings = {
        "max_iter": recipe["iterations"],
        "max_leaf_nodes": recipe["leaves"],
        "learning_rate": recipe["learning_rate"],
        "early_stopping": False,
        "seed": recipe["seed"],
    }
    return fit(training._replace(features=_inputs(training.features, recipe)), **settings)


def scores(trees: "HistGradientBoostingClassifier", features: np.ndarray, recipe: dict) -> np.ndarray:
    """Returns the scores (n,) of events, given the features (n, n_features) of the recipe's set."""
    return predict(trees, _inputs(features, recipe))


def _inputs(features: np.ndarray, recipe: dict) -> np.ndarray:
    """Returns what the trees of a recipe take: the columns, or the kinematic features computed from them."""
    if recipe["inputs"] == "columns":
        return features
    from higgs_lib.models.kinematic_layer import kinematic_features  # here, as it needs Keras

    return kinematic_features(features, data.feature_set(recipe["features"]))

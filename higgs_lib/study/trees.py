"""Boosted trees by scikit-learn: the study's baseline, and the classifier that compares two samples."""

import os
from collections.abc import Iterable

import numpy as np

from higgs_lib import data, metrics
from higgs_lib.data import Sample
from higgs_lib.metrics import Interval


def fit_predict(training: Sample, inputs: Iterable[np.ndarray], *, seed: int, **settings) -> list[np.ndarray]:
    """Trains scikit-learn's boosted trees on one sample and returns their scores on others.

    Args:
        training: the events to train on.
        inputs: the features (n, n_features) of each sample to score.
        seed: of the trees' random numbers.
        settings: those of scikit-learn's HistGradientBoostingClassifier.

    Returns:
        The probability of label 1 (n,) for each of the `inputs`.
    """
    # OpenMP's threads otherwise spin while they wait, and on a busy machine trees take ten times as long
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from sklearn.ensemble import HistGradientBoostingClassifier  # here, as stored results are read without it

    trees = HistGradientBoostingClassifier(random_state=seed, **settings).fit(*training)
    return [trees.predict_proba(features)[:, 1] for features in inputs]


def auc(training: Sample, tests: list[Sample], *, seed: int) -> list[Interval]:
    """Returns the AUC with its interval, on each of the `tests`, of 300 trees trained on one sample."""
    inputs = [test.features for test in tests]
    scored = fit_predict(training, inputs, seed=seed, max_iter=300, learning_rate=0.08)
    return [metrics.auc_interval(test.labels, scores) for test, scores in zip(tests, scored, strict=True)]


def scores(training: Sample, parts: dict[str, Sample], recipe: dict) -> dict[str, np.ndarray]:
    """Returns the scores of the events of some parts by trees trained on `training`.

    `recipe` holds the features, the inputs ("columns" or "kinematics"), the iterations, the leaves, the learning rate
    and the seed.
    """
    samples = [training, *parts.values()]
    if recipe["inputs"] == "kinematics":
        from higgs_lib.models.kinematic_layer import kinematic_features  # here, as it needs Keras

        columns = data.feature_set(recipe["features"])
        samples = [sample._replace(features=kinematic_features(sample.features, columns)) for sample in samples]
    settings = {
        "max_iter": recipe["iterations"],
        "max_leaf_nodes": recipe["leaves"],
        "learning_rate": recipe["learning_rate"],
        "early_stopping": False,
        "seed": recipe["seed"],
    }
    scored = fit_predict(samples[0], [sample.features for sample in samples[1:]], **settings)
    return dict(zip(parts, scored, strict=True))

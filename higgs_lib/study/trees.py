"""Boosted trees by scikit-learn: the study's baseline, and the classifier that compares two samples."""

import numpy as np

from higgs_lib import data, metrics
from higgs_lib.data import Sample
from higgs_lib.metrics import Interval

N_TREES, LEARNING_RATE = 300, 0.08


def trees_auc(training: Sample, tests: list[Sample], *, seed: int) -> list[Interval]:
    """AUC with its interval, on each of the `tests`, of boosted trees by scikit-learn trained on one sample."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(max_iter=N_TREES, learning_rate=LEARNING_RATE, random_state=seed)
    trees.fit(*training)
    return [metrics.auc_interval(test.labels, trees.predict_proba(test.features)[:, 1]) for test in tests]


def scores(parts: dict[str, Sample], recipe: dict) -> dict[str, np.ndarray]:
    """Returns the scores on "validation" and "test" events of trees trained on the "training" events.

    `recipe` holds the features, the inputs ("columns" or "kinematics"), the iterations and the seed.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    samples = {part: sample.load() for part, sample in parts.items()}
    inputs = {part: sample.features for part, sample in samples.items()}
    if recipe["inputs"] == "kinematics":
        from higgs_lib.models.kinematic_layer import kinematic_features  # here, as it needs Keras

        columns = data.feature_set(recipe["features"])
        inputs = {part: kinematic_features(features, columns) for part, features in inputs.items()}
    trees = HistGradientBoostingClassifier(
        max_iter=recipe["iterations"], early_stopping=False, random_state=recipe["seed"]
    ).fit(inputs["training"], samples["training"].labels)
    return {part: trees.predict_proba(inputs[part])[:, 1] for part in ("validation", "test")}

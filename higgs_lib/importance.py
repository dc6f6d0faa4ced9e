"""Which inputs carry a classifier: what is lost when some of them no longer belong to their events."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import keras
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from higgs_lib import training
from higgs_lib.metrics import Interval, auc_difference
from higgs_lib.samples import Sample


def behind(layer: str, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """From what a layer (by its name) of a stored model gives (n, k) to the model's scores (n,)."""
    model = keras.models.load_model(path)
    return partial(training.predict, keras.Model(model.get_layer(layer).output, model.output))


def members(groups: Iterable[str]) -> dict[str, np.ndarray]:
    """The places of each group's inputs, from the group of each input."""
    of_input = np.array(list(groups))
    return {group: np.flatnonzero(of_input == group) for group in dict.fromkeys(of_input.tolist())}


def permutation_loss(
    predict: Callable[[np.ndarray], np.ndarray],
    inputs: np.ndarray,
    labels: np.ndarray,
    groups: dict[str, np.ndarray],
    *,
    seed: int,
) -> dict[str, Interval]:
    """What the AUC of `predict` loses, with its paired interval, when a group's inputs come from other events.

    `inputs` (n, k), `labels` (n,); the inputs of a group stay together (Breiman, Machine Learning 45 (2001) 5, by
    groups). A classifier that uses inputs which say the same loses by either, and meets events that cannot be: this is
    how much it leans on a group, not how much the group knows. One permutation; the interval is of the finite events.
    """
    scores, rng = predict(inputs), np.random.default_rng(seed)
    losses = {}
    for group, places in groups.items():
        mixed = inputs.copy()
        mixed[:, places] = inputs[rng.permutation(len(inputs))][:, places]
        losses[group] = auc_difference(labels, scores, predict(mixed))
    return losses


def removal_loss(
    known: Sample, test: Sample, groups: dict[str, np.ndarray], *, iterations: int, seed: int
) -> dict[str, Interval]:
    """What the test AUC of scikit-learn's boosted trees loses, with its paired interval, trained without each group.

    What other inputs say as well is not missed. The interval is of the finite test events, not of training again.
    """

    def scores(places: np.ndarray) -> np.ndarray:
        trees = HistGradientBoostingClassifier(max_iter=iterations, early_stopping=False, random_state=seed)
        trees.fit(known.features[:, places], known.labels)
        return trees.predict_proba(test.features[:, places])[:, 1]

    everything = np.arange(test.features.shape[1])
    whole = scores(everything)
    return {
        group: auc_difference(test.labels, whole, scores(np.setdiff1d(everything, places)))
        for group, places in groups.items()
    }

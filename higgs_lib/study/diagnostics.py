"""How near one sample of events is to another: made for built-in events beside real ones."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier

from higgs_lib import training
from higgs_lib.data import Sample
from higgs_lib.metrics import Interval, auc_difference
from higgs_lib.study.trees import trees_auc

TRAINING_SHARE = 0.7


def ks_distances(one: Sample, other: Sample, label: int) -> np.ndarray:
    """Kolmogorov-Smirnov distance (n_features,) of every feature between the events of class `label` of two samples."""
    first, second = (sample.features[sample.labels == label] for sample in (one, other))
    return np.array([stats.ks_2samp(a, b).statistic for a, b in zip(first.T, second.T, strict=True)])


def expected_ks_distance(n: int, m: int) -> float:
    """The mean Kolmogorov-Smirnov distance of `n` and `m` values of the same continuous distribution, for large n, m.

    sqrt(pi / 2) ln 2 sqrt(1/n + 1/m): the mean of Kolmogorov's distribution, Giornale Ist. Ital. Attuari 4 (1933) 83.
    """
    return float(np.sqrt(np.pi / 2) * np.log(2) * np.sqrt(1 / n + 1 / m))


def two_sample_auc(one: Sample, other: Sample, label: int, *, seed: int) -> Interval:
    """AUC with its interval of boosted trees that tell the events of class `label` of two samples apart.

    0.5 means that they cannot. As many events of each sample, 70 % of them for training, the rest for the test.
    """
    first, second = (sample.features[sample.labels == label] for sample in (one, other))
    n = min(len(first), len(second))
    both = Sample(np.concatenate([first[:n], second[:n]]), np.repeat(np.float32([1, 0]), n))
    training, test = random_split(both, seed=seed)
    return trees_auc(training, [test], seed=seed)[0]


class TrainTestSplit(NamedTuple):
    """One sample, cut at random."""

    training: Sample
    test: Sample


def random_split(sample: Sample, *, seed: int) -> TrainTestSplit:
    """70 % of a sample for training and the rest for the test, at random."""
    order = np.random.default_rng(seed).permutation(len(sample.labels))
    cut = int(TRAINING_SHARE * len(order))
    return TrainTestSplit(*(Sample(*(array[part] for array in sample)) for part in (order[:cut], order[cut:])))


def scores_after_layer(layer: str, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """From what a layer (by its name) of a stored model gives (n, k) to the model's scores (n,)."""
    model = keras.models.load_model(path)
    return partial(training.predict, keras.Model(model.get_layer(layer).output, model.output))


def group_columns(groups: Iterable[str]) -> dict[str, np.ndarray]:
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

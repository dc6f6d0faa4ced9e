"""How near one sample of events is to another: made for built-in events beside real ones."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib import metrics
from higgs_lib.metrics import Interval
from higgs_lib.samples import Sample

N_TREES, LEARNING_RATE = 300, 0.08
TRAINING_SHARE = 0.7


def distances(one: Sample, other: Sample, label: int) -> np.ndarray:
    """Kolmogorov-Smirnov distance (n_features,) of every feature between the events of class `label` of two samples."""
    first, second = (sample.features[sample.labels == label] for sample in (one, other))
    return np.array([stats.ks_2samp(a, b).statistic for a, b in zip(first.T, second.T, strict=True)])


def expected_distance(n: int, m: int) -> float:
    """The mean Kolmogorov-Smirnov distance of `n` and `m` values of the same continuous distribution, for large n, m.

    sqrt(pi / 2) ln 2 sqrt(1/n + 1/m): the mean of Kolmogorov's distribution, Giornale Ist. Ital. Attuari 4 (1933) 83.
    """
    return float(np.sqrt(np.pi / 2) * np.log(2) * np.sqrt(1 / n + 1 / m))


def separation(one: Sample, other: Sample, label: int, *, seed: int) -> Interval:
    """AUC with its interval of boosted trees that tell the events of class `label` of two samples apart.

    0.5 means that they cannot. As many events of each sample, 70 % of them for training, the rest for the test.
    """
    first, second = (sample.features[sample.labels == label] for sample in (one, other))
    n = min(len(first), len(second))
    both = Sample(np.concatenate([first[:n], second[:n]]), np.repeat(np.float32([1, 0]), n))
    training, test = halves(both, seed=seed)
    return trees_auc(training, [test], seed=seed)[0]


class Halves(NamedTuple):
    """One sample, cut at random."""

    training: Sample
    test: Sample


def halves(sample: Sample, *, seed: int) -> Halves:
    """70 % of a sample for training and the rest for the test, at random."""
    order = np.random.default_rng(seed).permutation(len(sample.labels))
    cut = int(TRAINING_SHARE * len(order))
    return Halves(*(Sample(*(array[part] for array in sample)) for part in (order[:cut], order[cut:])))


def trees_auc(training: Sample, tests: list[Sample], *, seed: int) -> list[Interval]:
    """AUC with its interval, on each of the `tests`, of boosted trees by scikit-learn trained on one sample."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(max_iter=N_TREES, learning_rate=LEARNING_RATE, random_state=seed)
    trees.fit(*training)
    return [metrics.auc_interval(test.labels, trees.predict_proba(test.features)[:, 1]) for test in tests]

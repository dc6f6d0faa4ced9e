"""What features know: alone, in groups that a classifier uses, and about which of two samples an event is from."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.data import COMPLETE, Sample, kinematics
from higgs_lib.metrics import Interval, auc, auc_difference, auc_interval
from higgs_lib.study import trees
from higgs_lib.study.boosting import TreeSettings

TRAINING_FRACTION = 0.7
N_BINS = 60  # of `single_feature_auc`


def single_feature_auc(training: Sample, test: Sample) -> list[Interval]:
    """Returns the test AUC with its interval of each feature alone, scored by the ratio of the class densities.

    No function of the feature separates the classes better (Neyman, Pearson, Phil. Trans. R. Soc. A 231 (1933) 289); a
    cut on one side would be blind to peaks. The ratio is that of the training events in 60 bins of equal content.
    """
    aucs = []
    for known, judged in zip(training.features.T, test.features.T, strict=True):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, N_BINS + 1)[1:-1]))
        bins = np.searchsorted(edges, known, side="right")
        signal, background = (np.bincount(bins[training.labels == c], minlength=len(edges) + 1) for c in (1, 0))
        ratio = (signal + 0.5) / (background + 0.5)  # a half: finite where a bin is empty
        aucs.append(auc_interval(test.labels, ratio[np.searchsorted(edges, judged, side="right")]))
    return aucs


def ks_distances(one: Sample, other: Sample, label: int) -> np.ndarray:
    """Returns the Kolmogorov-Smirnov distance (n_features,) of every feature between two samples, for one class."""
    first, second = (sample.features[sample.labels == label] for sample in (one, other))
    return np.array([stats.ks_2samp(a, b).statistic for a, b in zip(first.T, second.T, strict=True)])


def expected_ks_distance(n: int, m: int) -> float:
    """Returns the mean distance of `n` and `m` values of one continuous distribution, for large n and m.

    sqrt(pi / 2) ln 2 sqrt(1/n + 1/m): the mean of Kolmogorov's distribution, Giornale Ist. Ital. Attuari 4 (1933) 83.
    """
    return float(np.sqrt(np.pi / 2) * np.log(2) * np.sqrt(1 / n + 1 / m))


def two_sample_auc(one: Sample, other: Sample, label: int, *, seed: int) -> Interval:
    """Returns the AUC with its interval of boosted trees that separate two samples, by their events of one class.

    0.5 means that the trees cannot distinguish them. Both samples give the same number of events, 70 % of them for
    training.

    Args:
        one: the sample that the trees score high.
        other: the sample that they score low.
        label: the class, 1 signal or 0 background.
        seed: of the cut into training and test events, and of the trees.

    Returns:
        The AUC on the test events.
    """
    first, second = (sample.features[sample.labels == label] for sample in (one, other))
    n = min(len(first), len(second))
    both = Sample(np.concatenate([first[:n], second[:n]]), np.repeat(np.float32([1, 0]), n))
    training, test = random_split(both, seed=seed)
    return trees.auc(training, [test], seed=seed)[0]


class TrainTestSplit(NamedTuple):
    """One sample, cut in two at random."""

    training: Sample
    test: Sample


def random_split(sample: Sample, *, seed: int) -> TrainTestSplit:
    """Cuts a sample at random into 70 % for training and the rest for the test."""
    order = np.random.default_rng(seed).permutation(len(sample.labels))
    cut = int(TRAINING_FRACTION * len(order))
    return TrainTestSplit(sample.take(order[:cut]), sample.take(order[cut:]))


class RangeComparison(NamedTuple):
    """How often a quantity lies in a range, in one class of two samples."""

    quantity: str
    label: int
    """The class, 1 signal or 0 background."""
    low: float
    """The lower edge of the range, in the unit of the quantity."""
    high: float | None
    """The upper edge; None where the range has none."""
    fractions: tuple[float, float]
    """Fraction of the events of the first and of the second sample."""
    excess: Interval
    """Second fraction over the first, less one; nan where the first is 0."""


DELTA_R, RECOIL = "smallest ΔR of two jets", "recoil [GeV]"
M_JJ, M_BB = "m_jj [GeV]", "m_bb [GeV]"

RANGES = [
    (DELTA_R, 0, 0.0, 0.5),
    (DELTA_R, 1, 0.0, 0.5),
    (DELTA_R, 0, 0.6, 0.7),
    (DELTA_R, 1, 0.6, 0.7),
    (M_JJ, 0, 60.0, 68.0),
    (M_JJ, 0, 68.0, 76.0),
    (M_BB, 1, 120.0, 130.0),
    (RECOIL, 0, 0.0, 10.0),
    (RECOIL, 0, 100.0, None),
    (RECOIL, 1, 100.0, None),
]
"""Quantity, class and range (GeV, but for ΔR) in which built-in events differ visibly from UCI events."""


def compare_ranges(one: Sample, other: Sample) -> list[RangeComparison]:
    """Compares how often the quantities of `RANGES` lie in their ranges, in two samples with complete features."""
    quantities = [_range_quantities(sample) for sample in (one, other)]
    comparisons = []
    for name, label, low, high in RANGES:
        values = [q[name][sample.labels == label] for q, sample in zip(quantities, (one, other), strict=True)]
        inside = np.array([np.count_nonzero((v >= low) & (v < (high or np.inf))) for v in values])
        totals = np.array([len(v) for v in values])
        first, second = inside / totals
        ratio = second / first if first > 0 else np.nan
        half = 1.96 * ratio * np.sqrt(np.sum(1 / np.maximum(inside, 1) - 1 / totals))  # of two binomial fractions
        excess = Interval(*(float(value) for value in (ratio - 1, ratio - half - 1, ratio + half - 1)))
        comparisons.append(RangeComparison(name, label, low, high, (float(first), float(second)), excess))
    return comparisons


def _range_quantities(sample: Sample) -> dict[str, np.ndarray]:
    """Returns the quantities of `RANGES`, each (n,); the recoil is the sum of all measured transverse momenta."""
    values = dict(zip(COMPLETE, sample.features.T, strict=True))
    lepton, missing, jets, _ = kinematics.four_vectors(values)
    x, y = (lepton.px + missing.px + jets.px.sum(0), lepton.py + missing.py + jets.py.sum(0))
    return {
        DELTA_R: np.min([a.deltaR(b) for a, b in combinations(jets, 2)], 0),
        RECOIL: np.hypot(x, y),
        M_JJ: kinematics.to_physical(values["m_jj"], "m_jj"),
        M_BB: kinematics.to_physical(values["m_bb"], "m_bb"),
    }


def scores_after_layer(layer: str, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the part of a stored model behind a layer: a function from the layer's output (n, k) to scores (n,)."""
    import keras  # here, so that samples are compared without it

    from higgs_lib import models, training

    model = models.load(path)
    return partial(training.predict, keras.Model(model.get_layer(layer).output, model.output))


def group_columns(groups: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the columns of each group, given the group of each column."""
    names = np.array(list(groups))
    return {group: np.flatnonzero(names == group) for group in dict.fromkeys(names.tolist())}


def permutation_loss(
    predict: Callable[[np.ndarray], np.ndarray],
    inputs: np.ndarray,
    labels: np.ndarray,
    groups: dict[str, np.ndarray],
    *,
    seed: int,
) -> dict[str, Interval]:
    """Returns the AUC lost, with its paired interval, where a group of inputs is shuffled between events.

    The inputs of a group stay together (Breiman, Machine Learning 45 (2001) 5, by groups). This is how much a
    classifier relies on a group, not how much the group knows: inputs with the same content share the loss, and
    shuffled events may be unphysical. One permutation; the interval is that of the finite number of events.

    Args:
        predict: from inputs (n, k) to scores (n,).
        inputs: (n, k).
        labels: (n,), 1 signal and 0 background.
        groups: the columns of each group.
        seed: of the permutations.

    Returns:
        The loss for each group.
    """
    scores, rng = predict(inputs), np.random.default_rng(seed)
    losses = {}
    for group, columns in groups.items():
        shuffled = inputs.copy()
        shuffled[:, columns] = inputs[rng.permutation(len(inputs))][:, columns]
        losses[group] = auc_difference(labels, scores, predict(shuffled))
    return losses


def removal_loss(
    training: Sample, test: Sample, groups: dict[str, np.ndarray], *, blocks: int, iterations: int, seed: int
) -> dict[str, Interval]:
    """Returns the test AUC that boosted trees lose, with its interval, if trained without a group of inputs.

    A group costs nothing where the other inputs have the same content. The loss is measured on disjoint blocks of
    training and of test events, so that its scatter contains that of trainings and of test events, and is the mean over
    them. Its interval is Student's; those of all groups hold at once with 95 % (Bonferroni).

    Args:
        training: the events to train on, in equal parts.
        test: the events to judge on, in equal parts.
        groups: the columns of each group.
        blocks: the number of parts, two or more.
        iterations: the number of trees.
        seed: of the trees' random numbers.

    Returns:
        The loss for each group.

    Raises:
        ValueError: with fewer than two blocks no scatter can be measured.
    """
    if blocks < 2:
        raise ValueError(f"blocks must be 2 or more to measure the scatter of trainings, not {blocks}")
    everything = np.arange(test.features.shape[1])
    settings = TreeSettings(iterations, learning_rate=0.1, event_fraction=1.0, patience=0)
    losses = {group: [] for group in groups}
    for known, judged in zip(_blocks(training, blocks), _blocks(test, blocks), strict=True):

        def auc_with(columns: np.ndarray, known: Sample = known, judged: Sample = judged) -> float:
            sample = known._replace(features=known.features[:, columns])
            return auc(
                judged.labels, trees.fit_predict(sample, [judged.features[:, columns]], seed=seed, settings=settings)[0]
            )

        complete = auc_with(everything)
        for group, columns in groups.items():
            losses[group].append(complete - auc_with(np.setdiff1d(everything, columns)))
    quantile = stats.t.isf(0.025 / len(groups), blocks - 1)
    means = {group: (float(np.mean(values)), float(stats.sem(values))) for group, values in losses.items()}
    return {
        group: Interval(mean, mean - quantile * error, mean + quantile * error)
        for group, (mean, error) in means.items()
    }


def _blocks(sample: Sample, number: int) -> list[Sample]:
    """Cuts a sample into consecutive parts of equal size; a remainder is left out."""
    size = sample.n_events // number
    return [sample.slice(k * size, (k + 1) * size) for k in range(number)]

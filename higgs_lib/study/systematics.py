"""What the classifiers of a run are worth in a binned fit, without and with systematic uncertainties.

The nominal templates are the run's test events, in bins that its validation events choose. The effect of a nuisance
parameter is the ratio, bin by bin, of two samples of the same collisions, one of them shifted: built-in events are
simulated again (`simulation.simulate_together`), other events have their stored features shifted (`stored_shifts`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from higgs_lib.data import Sample
from higgs_lib.metrics import Experiment, Interval, best_cut, efficiencies
from higgs_lib.simulation import VARIATIONS, SimulationParameters, simulate_together
from higgs_lib.study import stored_shifts
from higgs_lib.study.likelihood import Effect, Templates, binned_significance, discovery_significance, workspace

SIDES = (1, -1)  # up and down
ACCEPTANCE = 0.09  # about what the selection keeps; sets how many collisions are simulated
BINNED, WITH_SYSTEMATICS = "binned", "binned, systematics"
CUTS = np.linspace(0, 1, 501)


def score_bins(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    n_bins: int,
    expected_background: float,
    min_expected: float,
    min_generated: int,
) -> np.ndarray:
    """Chooses bins of a classifier's score that are narrow where signal gathers; on validation events.

    From the highest score down a bin is closed when the fractions of all signal and of all background in it add up to
    2 / n_bins (transformation D with equal parts, ATLAS, JHEP 01 (2015) 069, arXiv:1409.6212) and it holds enough
    background.

    Args:
        labels: labels (n,), 1 for signal and 0 for background.
        scores: scores (n,).
        n_bins: the number of bins, at most.
        expected_background: the background events expected in all bins.
        min_expected: the background events expected in each bin, at least.
        min_generated: the generated background events in each bin, at least.

    Returns:
        The edges (k + 1,), k <= n_bins, from -inf to inf; a bin holds scores from its lower edge up to the next.

    Raises:
        ValueError: the events are too few for two bins.
    """
    order = np.argsort(-scores, kind="stable")
    descending, is_signal = scores[order], labels[order] > 0.5
    signal, background = np.cumsum(is_signal), np.cumsum(~is_signal)
    filled = (signal / signal[-1] + background / background[-1]) * n_bins / 2
    needed = max(min_generated, int(np.ceil(min_expected / expected_background * background[-1])))
    edges, first = [], 0  # `first` events lie in closed bins
    while True:
        done, done_background = (filled[first - 1], background[first - 1]) if first else (0.0, 0)
        last = max(np.searchsorted(filled, done + 1 - 1e-9), np.searchsorted(background, done_background + needed))
        if last >= len(order) - 1 or background[-1] - background[last] < needed:
            break
        last = np.searchsorted(-descending, -descending[last], side="right") - 1  # equal scores stay together
        edges.append(float(descending[last]))
        first = last + 1
    if not edges:
        raise ValueError(
            f"{background[-1]} background events are too few for two bins with {needed} each; use more validation events"
        )
    return np.array([-np.inf, *edges[::-1], np.inf])


class ShiftedSample(NamedTuple):
    """Events of one class with one set of parameters, in blocks that share collisions with those of other sets."""

    features: np.ndarray
    """All features in normalised units, (n, 28) float32."""
    weights: np.ndarray
    """What each event counts, (n,)."""
    block: np.ndarray
    """The number of the block of each event, (n,)."""


@dataclass(frozen=True)
class ShiftedEvents:
    """The same collisions, nominal and with every nuisance parameter shifted."""

    nominal: dict[int, ShiftedSample]
    """By class, 1 signal and 0 background."""
    shifted: dict[tuple[str, int], dict[int, ShiftedSample]]
    """By name and side (1 up, -1 down), then by class."""

    @property
    def names(self) -> list[str]:
        """The nuisance parameters."""
        return list(dict.fromkeys(name for name, _ in self.shifted))

    def samples(self) -> list[ShiftedSample]:
        """Returns all samples."""
        return [*self.nominal.values(), *(sample for by_class in self.shifted.values() for sample in by_class.values())]

    def acceptance(self, name: str, side: int, label: int) -> float:
        """Returns the relative change of the number of selected events of a class."""
        return float(self.shifted[name, side][label].weights.sum() / self.nominal[label].weights.sum() - 1)


def simulate_shifts(physics: SimulationParameters, *, n_signal: int, n_background: int, seed: int) -> ShiftedEvents:
    """Simulates built-in events, nominal and with every variation.

    Args:
        physics: the nominal parameters.
        n_signal: the signal events of each sample, about.
        n_background: the same of the background.
        seed: of the collisions; another than that of the run's events.

    Returns:
        The events.
    """
    keys = [(variation.name, side) for variation in VARIATIONS for side in SIDES]
    sets = [physics, *(variation.apply(physics, side) for variation in VARIATIONS for side in SIDES)]
    by_class = {}
    for label, n in ((1, n_signal), (0, n_background)):
        samples = simulate_together(round(n / ACCEPTANCE), label, sets, seed=seed)
        by_class[label] = [
            ShiftedSample(
                np.concatenate(blocks),
                np.ones(sum(map(len, blocks))),
                np.repeat(np.arange(len(blocks)), [len(block) for block in blocks]),
            )
            for blocks in samples
        ]
    nominal, *shifted = ({label: by_class[label][number] for label in by_class} for number in range(len(sets)))
    return ShiftedEvents(nominal, dict(zip(keys, shifted, strict=True)))


def shift_stored(events: Sample, *, seed: int, n_blocks: int = 20) -> ShiftedEvents:
    """Shifts the stored features of events that cannot be simulated again.

    Args:
        events: events with all features.
        seed: of the noise.
        n_blocks: the number of blocks.

    Returns:
        The events, with the variations of `stored_shifts.STORED`.
    """
    classes = {label: events.features[events.labels == label] for label in (1, 0)}
    blocks = {label: np.arange(len(features)) * n_blocks // len(features) for label, features in classes.items()}
    nominal = {
        label: ShiftedSample(features, np.ones(len(features)), blocks[label]) for label, features in classes.items()
    }
    shifted = {
        (name, side): {
            label: ShiftedSample(*stored_shifts.shift(features, name, side, seed=seed), blocks[label])
            for label, features in classes.items()
        }
        for name in stored_shifts.STORED
        for side in SIDES
    }
    return ShiftedEvents(nominal, shifted)


class _Counts(NamedTuple):
    """Histograms from which templates are made, before the events are scaled to the experiment's."""

    place: np.ndarray
    """The bin of each test event, (n_test,)."""
    nominal: dict[int, np.ndarray]
    """Weights of the nominal sample by class, (n_blocks, n_bins)."""
    shifted: dict[tuple[str, int], dict[int, np.ndarray]]
    """The same of the shifted samples."""


@dataclass(frozen=True)
class BinnedClassifier:
    """A classifier's scores of test and shifted events in bins that its validation events chose."""

    edges: np.ndarray
    """Edges of the bins, (n_bins + 1,), from -inf to inf."""
    labels: np.ndarray
    """Labels of the test events, (n_test,)."""
    counts: _Counts

    @classmethod
    def from_scores(
        cls,
        edges: np.ndarray,
        test: tuple[np.ndarray, np.ndarray],
        events: ShiftedEvents,
        score: Callable[[np.ndarray], np.ndarray],
    ) -> "BinnedClassifier":
        """Counts test events and scores shifted ones.

        Args:
            edges: the edges of the bins (n_bins + 1,).
            test: labels and scores of the test events.
            events: the shifted events.
            score: from all features (n, 28) to scores (n,).

        Returns:
            The binned classifier.
        """
        samples = events.samples()
        scores = np.split(
            score(np.concatenate([sample.features for sample in samples])),
            np.cumsum([len(sample.features) for sample in samples])[:-1],
        )
        by_sample = {id(sample): values for sample, values in zip(samples, scores, strict=True)}

        def place(values: np.ndarray) -> np.ndarray:
            return np.searchsorted(edges, values, side="right") - 1

        def histogram(sample: ShiftedSample) -> np.ndarray:
            n_bins, n_blocks = len(edges) - 1, int(events.nominal[0].block.max()) + 1
            n_blocks = max(n_blocks, int(events.nominal[1].block.max()) + 1)
            index = sample.block * n_bins + place(by_sample[id(sample)])
            return np.bincount(index, sample.weights, n_blocks * n_bins).reshape(n_blocks, n_bins)

        nominal = {label: histogram(sample) for label, sample in events.nominal.items()}
        shifted = {
            key: {label: histogram(sample) for label, sample in by_class.items()}
            for key, by_class in events.shifted.items()
        }
        labels, test_scores = test
        return cls(edges, labels, _Counts(place(test_scores), nominal, shifted))

    def templates(
        self, experiment: Experiment, weights: np.ndarray | None = None, blocks: np.ndarray | None = None
    ) -> Templates:
        """Returns the templates, scaled to the experiment's expected events.

        Args:
            experiment: the expected numbers of events.
            weights: what each test event counts, (n_test,); None: 1.
            blocks: what each block of shifted events counts, (n_blocks,); None: 1.

        Returns:
            The templates with their statistical errors and effects.
        """
        expected = {1: experiment.signal, 0: experiment.background}
        values, errors = {}, {}
        for label in (1, 0):
            of_class = self.labels == label
            weight = np.ones(of_class.sum()) if weights is None else weights[of_class]
            n_bins = len(self.edges) - 1
            count = np.bincount(self.counts.place[of_class], weight, n_bins)
            scale = expected[label] / count.sum()
            values[label], errors[label] = count * scale, np.sqrt(count) * scale
        effects = {}
        for name in dict.fromkeys(name for name, _ in self.counts.shifted):
            ratios = [self._ratio(name, side, label, blocks) * values[label] for label in (1, 0) for side in SIDES]
            effects[name] = Effect(*ratios)
        return Templates(values[1], values[0], errors[1], errors[0], effects)

    def _ratio(self, name: str, side: int, label: int, blocks: np.ndarray | None) -> np.ndarray:
        """Returns shifted over nominal events in each bin, (n_bins,); 1 where there are no nominal ones."""
        sums = [
            counts.sum(0) if blocks is None else blocks[: len(counts)] @ counts
            for counts in (self.counts.shifted[name, side][label], self.counts.nominal[label])
        ]
        return np.divide(*sums, where=sums[1] > 0, out=np.ones_like(sums[0]))

    @property
    def n_blocks(self) -> int:
        """The number of blocks of shifted events."""
        return len(self.counts.nominal[0])


def gaussian_significance(templates: Templates, experiment: Experiment) -> float:
    """Returns the significance in the limit of many events in each bin, where the likelihood is Gaussian.

    All uncertainties are then one covariance matrix: Z^2 = s V^-1 s, with V the variance of the counts, the error of
    finite simulation, and the outer product of each nuisance parameter's effect on the background (G. Cowan et al. 2011,
    section 5). It is fast, and used for how the significance fluctuates, not for its value.
    """
    s, b = templates.signal, templates.background
    covariance = np.diag(b + templates.background_error**2)
    shifts = [(effect.background_up - effect.background_down) / 2 for effect in templates.effects.values()]
    for shift in [*shifts, experiment.background_uncertainty * b]:
        covariance += np.outer(shift, shift)
    return float(np.sqrt(s @ np.linalg.solve(covariance, s)))


class Worth(NamedTuple):
    """The expected significance of one classifier by every treatment, with draws that are paired over classifiers."""

    values: dict[str, float]
    """The significance by treatment: the definitions of counting, `BINNED` and `WITH_SYSTEMATICS`."""
    draws: dict[str, np.ndarray]
    """The same for resampled events, (n_draws,)."""

    def interval(self, treatment: str) -> Interval:
        """Returns a significance with its 95 % interval from the finite number of simulated events."""
        return _around(self.values[treatment], self.draws[treatment] - self.draws[treatment].mean())

    def minus(self, other: "Worth", treatment: str) -> Interval:
        """Returns the difference to another classifier on the same events, with its paired interval."""
        difference = self.draws[treatment] - other.draws[treatment]
        return _around(self.values[treatment] - other.values[treatment], difference - difference.mean())

    def ratio(self, other: "Worth", treatment: str) -> Interval:
        """Returns the ratio to another classifier on the same events, with its paired interval."""
        ratio = self.draws[treatment] / other.draws[treatment]
        return _around(self.values[treatment] / other.values[treatment], ratio - ratio.mean())


def _around(value: float, deviations: np.ndarray) -> Interval:
    """Returns a value with a normal 95 % interval of the standard deviation of `deviations` (n,)."""
    half = 1.96 * float(np.std(deviations, ddof=1))
    return Interval(value, value - half, value + half)


def worth(
    binned: BinnedClassifier,
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    experiment: Experiment,
    *,
    seed: int,
    n_draws: int = 200,
) -> Worth:
    """Returns the expected significance of a classifier by counting after a cut, and by binned fits.

    The values with systematic uncertainties are those of pyhf's profile likelihood; their fluctuations are those of
    `gaussian_significance`, relative to its own value. The draws give every test event a Poisson weight and every block
    of shifted events a multinomial one, the same for all classifiers.

    Args:
        binned: the classifier in bins.
        validation: labels and scores of the validation events, on which the cuts are chosen.
        test: labels and scores of the test events.
        experiment: the expected events.
        seed: of the draws; the same for all classifiers that are compared.
        n_draws: the number of draws.

    Returns:
        The significances.
    """
    labels, scores = test
    on_validation = efficiencies(*validation, CUTS)
    passed = {
        definition: scores >= best_cut(on_validation, experiment, definition) for definition in experiment.definitions()
    }

    def count(definition: str, weights: np.ndarray) -> float:
        kept = [
            (weights * passed[definition])[labels == label].sum() / weights[labels == label].sum() for label in (1, 0)
        ]
        return float(experiment.significance(definition, *kept))

    nominal = binned.templates(experiment)
    values = {definition: count(definition, np.ones(len(labels))) for definition in passed}
    values[BINNED] = binned_significance(nominal.signal, nominal.background)
    values[WITH_SYSTEMATICS] = discovery_significance(workspace(nominal, experiment))
    draws = {treatment: [] for treatment in values}
    in_limit = gaussian_significance(nominal, experiment)
    for draw in range(n_draws):
        rng = np.random.default_rng([seed, draw])
        weights = rng.poisson(1.0, len(labels)).astype(float)
        blocks = rng.multinomial(binned.n_blocks, np.full(binned.n_blocks, 1 / binned.n_blocks)).astype(float)
        for definition in passed:
            draws[definition].append(count(definition, weights))
        templates = binned.templates(experiment, weights, blocks)
        draws[BINNED].append(binned_significance(templates.signal, templates.background))
        relative = gaussian_significance(templates, experiment) / in_limit
        draws[WITH_SYSTEMATICS].append(values[WITH_SYSTEMATICS] * relative)
    return Worth(values, {treatment: np.array(of_treatment) for treatment, of_treatment in draws.items()})


class Sculpting(NamedTuple):
    """How much background a selection leaves in a range of a mass."""

    before: Interval
    """The fraction of all background inside the range."""
    after: Interval
    """The same of the selected background."""


def sculpting(mass: np.ndarray, selected: np.ndarray, window: tuple[float, float]) -> Sculpting:
    """Returns which fraction of background lies in a range of a mass, before and after a selection.

    Args:
        mass: the mass of background events in GeV, (n,).
        selected: whether each event is selected, (n,) bool.
        window: the range in GeV.

    Returns:
        The fractions with Jeffreys' 95 % intervals.
    """
    inside = (mass >= window[0]) & (mass < window[1])
    return Sculpting(_fraction(inside), _fraction(inside[selected]))

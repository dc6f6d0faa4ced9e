"""What the classifiers of a run are worth in a binned fit, without and with systematic uncertainties.

The nominal templates are the run's test events, with nominal built-in events where those are simulated as well, in bins
that its validation events choose. The effect of a nuisance
parameter is measured on the same collisions, shifted up and down: built-in events are simulated again
(`simulation.simulate_together`), other events have their stored features shifted (`stored_shifts`). It counts as
symmetric, and as a parabola over the bins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.data import Sample
from higgs_lib.metrics import CUTS, Experiment, Interval, best_cut, efficiencies
from higgs_lib.simulation import VARIATIONS, SimulationParameters, Variation, simulate_together
from higgs_lib.study import stored_shifts
from higgs_lib.study.likelihood import (
    SIGNAL_UNCERTAINTY,
    Effect,
    Templates,
    binned_significance,
    discovery_significance,
    workspace,
)
from higgs_lib.study.run import Scores

SIDES = (1, -1)  # up and down
SHIFT = 2.0  # standard deviations of each shift, whose effect is halved: less noise than a shift by one
ACCEPTANCE = 0.09  # about what the selection keeps; sets how many collisions are simulated
BINNED, WITH_SYSTEMATICS = "binned", "binned, systematics"
SMOOTHING_DEGREE = 2


def score_bins(
    validation: Scores,
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
        validation: the validation events.
        n_bins: the number of bins, at most.
        expected_background: the background events expected in all bins.
        min_expected: the background events expected in each bin, at least.
        min_generated: the generated background events in each bin, at least.

    Returns:
        The edges (k + 1,), k <= n_bins, from -inf to inf; a bin holds scores from its lower edge up to the next.

    Raises:
        ValueError: the events are too few for two bins.
    """
    labels, scores = validation
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
            f"{background[-1]} background events are too few for two bins of {needed}; use more validation events"
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
    """By name and side (1: `SHIFT` standard deviations up, -1: down), then by class."""
    is_independent: bool
    """Whether the nominal events are others than the test events, and so add to the templates."""

    def acceptance(self, name: str, side: int, label: int) -> float:
        """Returns the relative change of the number of selected events of a class by one standard deviation.

        What was shifted to one side only changes as much in the other direction on the other.
        """
        sign = 1 if (name, side) in self.shifted else -1
        changed = self.shifted[name, sign * side][label].weights.sum()
        return sign * float(changed / self.nominal[label].weights.sum() - 1) / SHIFT


def simulate_shifts(
    physics: SimulationParameters,
    variations: Sequence[Variation] = VARIATIONS,
    *,
    n_signal: int,
    n_background: int,
    seed: int,
) -> ShiftedEvents:
    """Simulates built-in events, nominal and with each variation.

    Args:
        physics: the nominal parameters.
        variations: what to vary.
        n_signal: the signal events of each sample, about.
        n_background: the same of the background.
        seed: of the collisions; another than that of the run's events.

    Returns:
        The events.
    """
    keys = [(variation.name, side) for variation in variations for side in SIDES]
    sets = [physics, *(variation.apply(physics, side * SHIFT) for variation in variations for side in SIDES)]
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
    return ShiftedEvents(nominal, dict(zip(keys, shifted, strict=True)), is_independent=True)


def shift_stored(events: Sample, *, seed: int, n_blocks: int = 50) -> ShiftedEvents:
    """Shifts the stored features of events that cannot be simulated again.

    Args:
        events: events with all features.
        seed: of the noise.
        n_blocks: the number of blocks.

    Returns:
        The events, with the variations of `stored_shifts.STORED`; those of `stored_shifts.WIDTHS` on one side only.
    """
    classes = {label: events.features[events.labels == label] for label in (1, 0)}
    blocks = {label: np.arange(len(features)) * n_blocks // len(features) for label, features in classes.items()}
    nominal = {
        label: ShiftedSample(features, np.ones(len(features)), blocks[label]) for label, features in classes.items()
    }
    shifted = {
        (name, side): {
            label: ShiftedSample(*stored_shifts.shift(features, name, side * SHIFT, seed=seed), blocks[label])
            for label, features in classes.items()
        }
        for name in stored_shifts.STORED
        for side in SIDES[: 1 if name in stored_shifts.WIDTHS else 2]
    }
    return ShiftedEvents(nominal, shifted, is_independent=False)


@dataclass(frozen=True)
class BinnedClassifier:
    """A classifier's scores of test and shifted events, in bins that its validation events chose."""

    edges: np.ndarray
    """Edges of the bins, (n_bins + 1,), from -inf to inf."""
    test: dict[int, np.ndarray]
    """Test events of each class by bin, (..., n_bins); the first axis, if any, counts resamplings."""
    nominal: dict[int, np.ndarray]
    """Nominal events of `ShiftedEvents` by class, (n_blocks, n_bins)."""
    shifted: dict[tuple[str, int], dict[int, np.ndarray]]
    """The same of the shifted events, by name and side, then by class."""
    is_independent: bool
    """As that of the `ShiftedEvents`."""

    @classmethod
    def from_scores(
        cls,
        edges: np.ndarray,
        test: Scores,
        events: ShiftedEvents,
        score: Callable[[np.ndarray], np.ndarray],
    ) -> "BinnedClassifier":
        """Counts test events, and scores and counts shifted ones.

        Args:
            edges: the edges of the bins (n_bins + 1,).
            test: the test events.
            events: the shifted events.
            score: from all features (n, 28) to scores (n,).

        Returns:
            The binned classifier.
        """
        n_bins = len(edges) - 1
        keys = [(None, label) for label in (1, 0)] + [(key, label) for key in events.shifted for label in (1, 0)]
        samples = [events.nominal[label] if key is None else events.shifted[key][label] for key, label in keys]
        ends = np.cumsum([len(sample.features) for sample in samples])
        places = _places(edges, score(np.concatenate([sample.features for sample in samples])))
        counts = {}
        for key, sample, place in zip(keys, samples, np.split(places, ends[:-1]), strict=True):
            n_blocks = int(events.nominal[key[1]].block.max()) + 1
            flat = np.bincount(sample.block * n_bins + place, sample.weights, n_blocks * n_bins)
            counts[key] = flat.reshape(n_blocks, n_bins)
        return cls(
            edges,
            {c: np.bincount(_places(edges, test.scores[test.labels == c]), minlength=n_bins) for c in (1, 0)},
            {label: counts[None, label] for label in (1, 0)},
            {key: {label: counts[key, label] for label in (1, 0)} for key in events.shifted},
            events.is_independent,
        )

    @property
    def names(self) -> list[str]:
        """The nuisance parameters."""
        return list(dict.fromkeys(name for name, _ in self.shifted))

    def templates(self, experiment: Experiment, degree: int = SMOOTHING_DEGREE) -> Templates:
        """Returns the templates, scaled to the experiment's expected events, with effects smoothed by this degree."""
        expected = {1: experiment.signal, 0: experiment.background}
        counts = {c: self.test[c] + (self.nominal[c].sum(0) if self.is_independent else 0) for c in (1, 0)}
        scales = {label: expected[label] / counts[label].sum() for label in (1, 0)}
        values = {label: counts[label] * scales[label] for label in (1, 0)}
        errors = {label: np.sqrt(counts[label]) * scales[label] for label in (1, 0)}
        effects = {}
        for name in self.names:
            shifts = {label: values[label] * self.effect(name, label, degree) for label in (1, 0)}
            effects[name] = Effect(*(values[label] + side * shifts[label] for label in (1, 0) for side in SIDES))
        return Templates(values[1], values[0], errors[1], errors[0], effects)

    def measured_effect(self, name: str, label: int) -> np.ndarray:
        """Returns the relative change in each bin, (n_bins,), by one standard deviation.

        It is half of the difference between both sides or, where one side was shifted, the difference to the nominal.
        """
        nominal, up = self.nominal[label].sum(0), self.shifted[name, 1][label].sum(0)
        down = self.shifted[name, -1][label].sum(0) if (name, -1) in self.shifted else 2 * nominal - up
        return (up - down) / (2 * SHIFT * np.maximum(nominal, 1))

    def effect(self, name: str, label: int, degree: int = SMOOTHING_DEGREE) -> np.ndarray:
        """Returns the measured effect as a parabola over the bins, or another polynomial, (n_bins,).

        Events that cross an edge in one direction only by chance would otherwise look like an effect, which the fit
        could measure. The polynomial is fitted by least squares, each bin weighted by its nominal events.
        """
        nominal = self.nominal[label].sum(0)
        powers = np.vander(np.linspace(-1, 1, len(nominal)), min(degree, len(nominal) - 1) + 1)
        weights = np.sqrt(nominal + 1)[:, None]
        coefficients = np.linalg.lstsq(powers * weights, self.measured_effect(name, label) * weights[:, 0], rcond=None)[
            0
        ]
        return powers @ coefficients

    def resampled(self, test: dict[int, np.ndarray], blocks: dict[int, np.ndarray]) -> "BinnedClassifier":
        """Returns the classifier with other counts of test events by class, and weights (n_blocks,) of the blocks."""

        def weighted(counts: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
            return {label: blocks[label][:, None] * counts[label] for label in (1, 0)}

        shifted = {key: weighted(counts) for key, counts in self.shifted.items()}
        return BinnedClassifier(self.edges, test, weighted(self.nominal), shifted, self.is_independent)


def _places(edges: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the bin (n,) of each score."""
    return np.searchsorted(edges, scores, side="right") - 1


def gaussian_significance(templates: Templates, experiment: Experiment) -> float:
    """Returns the significance in the limit of many events in each bin, where the likelihood is Gaussian.

    All uncertainties are then one covariance matrix: Z^2 = s V^-1 s, with V the variance of the counts, the error of
    finite simulation, and the outer product of each nuisance parameter's effect on the shape of the background and of
    its normalisation. It is fast, and used for how the significance fluctuates, not for its value.
    """
    s, b = templates.signal, templates.background
    covariance = np.diag(b + templates.background_error**2)
    shifts = [(effect.background_up - effect.background_down) / 2 for effect in templates.effects.values()]
    shapes = [shift - b * shift.sum() / b.sum() for shift in shifts]  # the control measurement knows the rest
    for shift in [*shapes, experiment.background_uncertainty * b]:
        covariance += np.outer(shift, shift)
    return float(np.sqrt(s @ np.linalg.solve(covariance, s)))


class Resampling(NamedTuple):
    """Bootstrap weights of the test events and of the blocks of shifted events, the same for all classifiers."""

    test: np.ndarray
    """What each test event counts, Poisson-distributed, (n_draws, n_test) uint8."""
    blocks: dict[int, np.ndarray]
    """What each block counts, multinomial, by class, (n_draws, n_blocks)."""

    @classmethod
    def draw(cls, n_test: int, events: ShiftedEvents, n_draws: int, *, seed: int) -> "Resampling":
        """Draws the weights.

        Args:
            n_test: the number of test events.
            events: the shifted events.
            n_draws: the number of draws.
            seed: of the draws.

        Returns:
            The weights.
        """
        rng = np.random.default_rng(seed)
        sizes = {label: int(sample.block.max()) + 1 for label, sample in events.nominal.items()}
        blocks = {label: rng.multinomial(n, np.full(n, 1 / n), n_draws).astype(float) for label, n in sizes.items()}
        return cls(rng.poisson(1.0, (n_draws, n_test)).astype(np.uint8), blocks)

    def counts(self, places: np.ndarray, n_bins: int, chosen: np.ndarray) -> np.ndarray:
        """Returns the chosen test events in each bin, (n_draws, n_bins), given the bin (n_test,) of each event."""
        places = places[chosen]
        return np.stack([np.bincount(places, weights[chosen], n_bins) for weights in self.test])


class ExpectedSignificance(NamedTuple):
    """The expected significance of one classifier by every treatment, with draws that are paired over classifiers."""

    values: dict[str, float]
    """The significance by treatment: the definitions of counting, `BINNED` and `WITH_SYSTEMATICS`."""
    draws: dict[str, np.ndarray]
    """The same for resampled events, (n_draws,)."""

    def interval(self, treatment: str) -> Interval:
        """Returns a significance with its 95 % interval from the finite number of simulated events.

        The spread of trainings is not in it.
        """
        return _around(self.values[treatment], self.draws[treatment], 0.95)

    def over(self, other: "ExpectedSignificance", treatment: str, level: float = 0.95) -> Interval:
        """Returns the ratio to another classifier on the same events, with its paired interval of this level."""
        ratio = self.draws[treatment] / other.draws[treatment]
        return _around(self.values[treatment] / other.values[treatment], ratio, level)


def _around(value: float, draws: np.ndarray, level: float) -> Interval:
    """Returns a value with the normal interval of this level that has the standard deviation of `draws` (n,)."""
    half = float(stats.norm.ppf(0.5 + level / 2) * np.std(draws, ddof=1))
    return Interval(value, value - half, value + half)


def expected_significance(
    binned: BinnedClassifier,
    validation: Scores,
    test: Scores,
    experiment: Experiment,
    resampling: Resampling,
    *,
    signal_uncertainty: float = SIGNAL_UNCERTAINTY,
) -> ExpectedSignificance:
    """Returns the expected significance of a classifier by counting after a cut, and by binned fits.

    The value with systematic uncertainties is that of pyhf's profile likelihood; its fluctuations are those of
    `gaussian_significance`, relative to its own value.

    Args:
        binned: the classifier in bins.
        validation: the validation events, on which the cuts are chosen.
        test: the test events.
        experiment: the expected events.
        resampling: the draws for the intervals.
        signal_uncertainty: the relative uncertainty of the signal's cross-section.

    Returns:
        The significances.
    """
    definitions = list(experiment.definitions())
    on_validation = efficiencies(*validation, CUTS)
    cuts = np.array([best_cut(on_validation, experiment, definition) for definition in definitions])
    cut_edges = np.array([-np.inf, *np.unique(cuts), np.inf])

    def by_counting(counts: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
        """Takes events by class in the bins of `cut_edges`, (..., n); returns a significance for each definition."""
        kept = {c: n[..., ::-1].cumsum(-1)[..., ::-1] / n.sum(-1, keepdims=True) for c, n in counts.items()}
        return {
            definition: experiment.significance(
                definition, *(kept[label][..., _places(cut_edges, cut)] for label in (1, 0))
            )
            for definition, cut in zip(definitions, cuts, strict=True)
        }

    cut_bins, bins = _places(cut_edges, test.scores), _places(binned.edges, test.scores)
    classes = {label: test.labels == label for label in (1, 0)}
    n_cut_bins, n_bins = len(cut_edges) - 1, len(binned.edges) - 1
    nominal = binned.templates(experiment)
    values = by_counting({c: np.bincount(cut_bins[of], minlength=n_cut_bins) for c, of in classes.items()})
    values[BINNED] = binned_significance(nominal.signal, nominal.background)
    values[WITH_SYSTEMATICS] = discovery_significance(
        workspace(nominal, experiment, signal_uncertainty=signal_uncertainty)
    )
    draws = by_counting({c: resampling.counts(cut_bins, n_cut_bins, of) for c, of in classes.items()})
    counts = {c: resampling.counts(bins, n_bins, of) for c, of in classes.items()}
    in_limit, in_bins, relative = gaussian_significance(nominal, experiment), [], []
    for draw in range(len(resampling.test)):
        of_draw = ({label: array[draw] for label, array in arrays.items()} for arrays in (counts, resampling.blocks))
        templates = binned.resampled(*of_draw).templates(experiment)
        in_bins.append(binned_significance(templates.signal, templates.background))
        relative.append(gaussian_significance(templates, experiment) / in_limit)
    draws[BINNED], draws[WITH_SYSTEMATICS] = np.array(in_bins), values[WITH_SYSTEMATICS] * np.array(relative)
    return ExpectedSignificance({treatment: float(value) for treatment, value in values.items()}, draws)


def alternative_data(
    templates: Templates,
    edges: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    physics: tuple[SimulationParameters, SimulationParameters],
    *,
    n_signal: int,
    n_background: int,
    seed: int,
) -> np.ndarray:
    """Returns what a fit would see if the simulation were wrong, (n_bins,): the templates, changed by other collisions.

    Args:
        templates: the expected events.
        edges: the edges of the bins (n_bins + 1,).
        score: from all features (n, 28) to scores (n,).
        physics: the parameters of the templates, and the true ones.
        n_signal: the signal events that are simulated with each, about.
        n_background: the same of the background.
        seed: of the collisions; another than that of the shifted events.

    Returns:
        The expected events with the true parameters.
    """
    samples = []
    for label, n in ((1, n_signal), (0, n_background)):
        samples += [
            np.concatenate(part) for part in simulate_together(round(n / ACCEPTANCE), label, physics, seed=seed)
        ]
    scores = np.split(score(np.concatenate(samples)), np.cumsum([len(sample) for sample in samples])[:-1])
    before_signal, signal, before_background, background = (np.histogram(part, edges)[0] for part in scores)
    changed = templates.signal * signal / np.maximum(before_signal, 1)
    return changed + templates.background * background / np.maximum(before_background, 1)

"""The test AUC against the number of training events: as measured, as a power law with a limit, and where two cross."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from higgs_lib.metrics import Interval, auc, auc_covariance

MIN_SIZES = 4  # numbers of training events: one more than the curve has parameters
MAX_SCALE = 2  # chi^2 is 4 per degree of freedom; where AUCs scatter more, the form does not fit
DRAWS = 500

_EXPONENTS = np.geomspace(0.05, 2, 1000)  # the grid of the fit


class Schedule(NamedTuple):
    """A training of a given number of steps on events that may be fewer than these steps take."""

    epochs: int
    """The number of epochs, after each of which the validation loss is measured."""
    events_per_epoch: int
    """The events of an epoch, in whole batches, over which the training events are repeated."""


def equal_steps(n_training: int, batch_size: int, n_steps: int, *, shortest: int = 1) -> Schedule:
    """Returns the epochs that make `n_steps` steps, fewer than an epoch's number left out, whatever the events.

    Args:
        n_training: the number of training events, each of which an epoch contains.
        batch_size: events per step.
        n_steps: the number of steps.
        shortest: the steps of an epoch, at least, so that small samples are not validated at every other step.

    Returns:
        The most epochs that are possible.

    Raises:
        ValueError: the steps are fewer than an epoch has.
    """
    least = max(-(-n_training // batch_size), shortest)
    if n_steps < least:
        raise ValueError(f"{n_steps} steps are fewer than the {least} of an epoch of {n_training} training events")
    epochs = n_steps // least
    return Schedule(epochs, n_steps // epochs * batch_size)


class Measured(NamedTuple):
    """The test AUC of a classifier at growing numbers of training events, all on the same test events."""

    n_training: np.ndarray
    """The numbers of training events (k,), ascending."""
    auc: np.ndarray
    """The mean test AUC of the trainings at each (k,)."""
    covariance: np.ndarray
    """DeLong's covariance (k, k) of these by the common test events."""
    spread: np.ndarray
    """The variance (k,) of each mean by the spread of the trainings, 0 where it is not measured."""
    degrees: np.ndarray
    """The degrees of freedom (k,) from which that variance is estimated, 0 where it is not measured."""

    @classmethod
    def from_trainings(cls, n_training: Sequence[int], aucs: Sequence[float], covariance: np.ndarray) -> "Measured":
        """Returns the means over the trainings with equally many events.

        The spread of n trainings adds their variance / n, estimated from n - 1 degrees of freedom. Where there is one
        training alone, the variance is that of the largest number of events with several, which overstates it as larger
        samples spread less; without any it is left out.

        Args:
            n_training: the number of training events of each training (m,), in any order.
            aucs: their test AUC (m,).
            covariance: the covariance (m, m) of these by the common test events, as of `metrics.auc_covariance`.
        """
        sizes, place, counts = np.unique(n_training, return_inverse=True, return_counts=True)
        values, mean = np.asarray(aucs, float), _averages(n_training)
        variances = np.array([values[place == i].var(ddof=1) if counts[i] > 1 else 0.0 for i in range(len(sizes))])
        degrees = counts - 1
        if degrees.any():
            largest = np.flatnonzero(degrees)[-1]
            variances[degrees == 0], degrees[degrees == 0] = variances[largest], degrees[largest]
        return cls(sizes, mean @ values, mean @ np.asarray(covariance) @ mean.T, variances / counts, degrees)

    @classmethod
    def from_scores(cls, n_training: Sequence[int], labels: np.ndarray, scores: np.ndarray) -> "Measured":
        """Returns the same of the scores (m, n) that the trainings give the same test events with labels (n,)."""
        return cls.from_trainings(n_training, [auc(labels, one) for one in scores], auc_covariance(labels, scores))

    @property
    def errors(self) -> np.ndarray:
        """The standard errors (k,)."""
        return np.sqrt(np.diag(self.covariance) + self.spread)

    @property
    def intervals(self) -> list[Interval]:
        """The AUC at each number of events with its 95 % interval."""
        half = np.sqrt(1.96**2 * np.diag(self.covariance) + self.half_spread**2)
        return [Interval(a, a - h, a + h) for a, h in zip(self.auc.tolist(), half.tolist(), strict=True)]

    @property
    def half_spread(self) -> np.ndarray:
        """The half-widths (k,) of 95 % intervals that contain the spread of the trainings alone, by Student's t."""
        return stats.t.ppf(0.975, np.maximum(self.degrees, 1)) * np.sqrt(self.spread)

    def first(self, n: int) -> "Measured":
        """Returns the `n` smallest numbers of events alone."""
        covariance = self.covariance[:n, :n]
        return Measured(self.n_training[:n], self.auc[:n], covariance, self.spread[:n], self.degrees[:n])


def _averages(n_training: Sequence[int]) -> np.ndarray:
    """Returns the matrix (k, m) that averages over the trainings with equally many events, for k numbers of events."""
    sizes, place, counts = np.unique(n_training, return_inverse=True, return_counts=True)
    return (place == np.arange(len(sizes))[:, None]) / counts[:, None]


def describe_intervals(measured: Measured) -> str:
    """Returns a sentence on what the intervals of measured AUCs contain."""
    if not measured.degrees.any():
        return (
            "The 95 % intervals contain the finite number of test events alone: no sample was trained on more than "
            "once, so they leave out the spread of trainings."
        )
    return (
        "The 95 % intervals contain the finite number of test events and, by Student's *t*, the spread of the "
        "trainings, which for samples with one training is taken from the largest sample with several; this "
        "overstates it, as larger samples spread less."
    )


class Pair(NamedTuple):
    """The test AUCs of two classifiers on the same test events."""

    one: Measured
    """Those of the one."""
    other: Measured
    """Those of the other."""
    covariance: np.ndarray
    """The covariance (k, l) of the one with the other by the common test events."""

    @classmethod
    def from_scores(
        cls, n_training: tuple[Sequence[int], Sequence[int]], labels: np.ndarray, scores: tuple[np.ndarray, np.ndarray]
    ) -> "Pair":
        """Returns the AUCs of both by the scores of all their trainings.

        Args:
            n_training: the numbers of training events of the trainings of each.
            labels: of the test events (n,).
            scores: the scores (m, n) of the trainings of each.
        """
        one, other = (Measured.from_scores(n, labels, of_one) for n, of_one in zip(n_training, scores, strict=True))
        n = len(scores[0])
        covariance = auc_covariance(labels, np.concatenate(scores))[:n, n:]
        return cls(one, other, _averages(n_training[0]) @ covariance @ _averages(n_training[1]).T)

    @classmethod
    def independent(cls, one: Measured, other: Measured) -> "Pair":
        """Returns a pair whose covariance is not stored: intervals of differences are too wide in general."""
        return cls(one, other, np.zeros((len(one.auc), len(other.auc))))

    def differences(self) -> dict[int, Interval]:
        """Returns the AUC of the one less that of the other, paired, by the numbers of events that both have."""
        common, first, second = np.intersect1d(self.one.n_training, self.other.n_training, return_indices=True)
        differences = {}
        for n, i, j in zip(common.tolist(), first, second, strict=True):
            value = float(self.one.auc[i] - self.other.auc[j])
            events = self.one.covariance[i, i] + self.other.covariance[j, j] - 2 * self.covariance[i, j]
            half = math.sqrt(1.96**2 * events + self.one.half_spread[i] ** 2 + self.other.half_spread[j] ** 2)
            differences[n] = Interval(value, value - half, value + half)
        return differences

    def fit(self, *, seed: int) -> tuple["LearningCurve", "LearningCurve"]:
        """Fits both as `fit` does, to AUCs that are drawn together."""
        covariance = np.block([[self.one.covariance, self.covariance], [self.covariance.T, self.other.covariance]])
        spread, degrees = (np.concatenate([getattr(one, name) for one in self[:2]]) for name in ("spread", "degrees"))
        noise = _noise(covariance, spread, degrees, seed)
        n = len(self.one.auc)
        return _fit(self.one, noise[:, :n], seed), _fit(self.other, noise[:, n:], seed + 1)


def benchmarked(result: dict) -> dict[str, Measured]:
    """Returns the AUCs of each network, by "network, features", that `benchmarks/learning_curve.py` stored."""
    trainings = {name: [] for name in result["covariances"]}
    for training in result["trainings"]:
        trainings[f"{training['preset']}, {training['features']}"].append(training)
    return {
        name: Measured.from_trainings(
            [t["n_training"] for t in of_network], [t["test_auc"]["value"] for t in of_network], covariance
        )
        for (name, covariance), of_network in zip(result["covariances"].items(), trainings.values(), strict=True)
    }


class LearningCurve(NamedTuple):
    """A fitted curve AUC = A - B (N / N_1)^-c, of N training events.

    A power law with a limit is what learning curves of networks follow (J. Hestness et al. 2017, arXiv:1712.00409).
    """

    limit: Interval
    """A, the AUC from any number of events."""
    amplitude: Interval
    """B, what the AUC from `smallest` events lacks to the limit."""
    exponent: Interval
    """c, how fast this decreases with the number of events."""
    smallest: int
    """N_1, the smallest number of training events of the fit."""
    scale: float
    """The factor, at least 1, by which the points scatter more about the curve than their errors say."""
    draws: np.ndarray
    """The parameters A, B and c (n_draws + 1, 3): of the measured values first, then of those drawn about them."""

    def values(self, n_events: float) -> np.ndarray:
        """Returns the AUC from `n_events` training events by the fit and by each of the draws (n_draws + 1,)."""
        limit, amplitude, exponent = self.draws.T
        return limit - amplitude * (n_events / self.smallest) ** -exponent

    def predict(self, n_events: float) -> Interval:
        """Returns the AUC from `n_events` training events; `fit` says what the interval contains."""
        values = self.values(n_events)
        return Interval.from_draws(float(values[0]), values[1:])

    def gain(self, n_events: float, n_more: float) -> Interval:
        """Returns by how much the AUC from `n_more` training events exceeds that from `n_events`, by the same draws."""
        gains = self.values(n_more) - self.values(n_events)
        return Interval.from_draws(float(gains[0]), gains[1:])

    @property
    def determined(self) -> bool:
        """Whether the measured values determine the parameters: none lies at its bound."""
        exponent_inside = _EXPONENTS[0] < self.exponent.value < _EXPONENTS[-1]
        return exponent_inside and self.limit.value < 1 and self.amplitude.value > 0


def fit(measured: Measured, *, seed: int) -> LearningCurve:
    """Returns the power law with a limit through measured AUCs, weighted by their errors.

    The 95 % intervals come from fits to values drawn about the measured ones. They contain the finite number of test
    events, which moves all sizes together, the spread of trainings where there are several, and the scatter about the
    curve: where chi^2 per degree of freedom is above 1, all errors are scaled by its root, as the Particle Data Group
    does. They do not contain what another kind of events or another network would change, nor that the true curve may
    not be a power law beyond the measured sizes.

    Args:
        measured: the AUCs.
        seed: of the draws.

    Returns:
        The curve.

    Raises:
        ValueError: there are fewer than `MIN_SIZES` sizes.
    """
    return _fit(measured, _noise(measured.covariance, measured.spread, measured.degrees, seed), seed)


def _noise(covariance: np.ndarray, spread: np.ndarray, degrees: np.ndarray, seed: int) -> np.ndarray:
    """Draws deviations of measured AUCs: normal ones by the test events and Student's by the spread of the trainings.

    Args:
        covariance: (k, k), as of `Measured`.
        spread: (k,), as of `Measured`.
        degrees: (k,), as of `Measured`.
        seed: of the draws.

    Returns:
        The deviations (`DRAWS`, k).
    """
    random = np.random.default_rng(seed)
    of_events = random.multivariate_normal(np.zeros(len(spread)), covariance, DRAWS)
    return of_events + np.sqrt(spread) * random.standard_t(np.maximum(degrees, 1), (DRAWS, len(spread)))


def _fit(measured: Measured, noise: np.ndarray, seed: int) -> LearningCurve:
    """Returns the curve through the measured AUCs.

    Where they scatter more than their errors say, independent deviations, from `seed`, are added to `noise`
    (`DRAWS`, k), so that each error grows by `scale` while what the AUCs have in common does not.
    """
    n = len(measured.n_training)
    if n < MIN_SIZES:
        raise ValueError(f"a learning curve needs {MIN_SIZES} numbers of training events, not {n}")
    sizes = measured.n_training / measured.n_training[0]
    central, chi2 = _least_squares(sizes, measured.auc[None], measured.errors)
    scale = max(1.0, math.sqrt(chi2[0] / (n - 3)))
    scatter = np.random.default_rng([seed, 1]).standard_normal(noise.shape) * measured.errors
    drawn, _ = _least_squares(sizes, measured.auc + noise + math.sqrt(scale**2 - 1) * scatter, measured.errors)
    draws = np.concatenate([central, drawn])
    parameters = [Interval.from_draws(float(values[0]), values[1:]) for values in draws.T]
    return LearningCurve(*parameters, int(measured.n_training[0]), scale, draws)


def _least_squares(sizes: np.ndarray, aucs: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fits A - B sizes^-c with A <= 1 and B >= 0: at each exponent of a grid a linear problem.

    The AUCs are weighted by their errors, without their covariance. What they have in common moves all of them, so it
    is in the draws of A and not in the weights: with the whole covariance a curve that is no power law is fitted best
    beside all the AUCs, as an offset common to all costs little.

    Args:
        sizes: (k,), in units of the smallest.
        aucs: (n, k).
        errors: (k,).

    Returns:
        The parameters A, B and c (n, 3) and the chi^2 (n,) at the best exponent of each.
    """
    weights = errors**-2 / np.sum(errors**-2)
    parameters, lowest = np.empty((len(aucs), 3)), np.full(len(aucs), np.inf)
    for exponent in _EXPONENTS:
        power = sizes**-exponent
        centred = power - weights @ power
        amplitude = np.maximum(-(aucs @ (weights * centred)) / (weights @ centred**2), 0.0)
        limit = aucs @ weights + amplitude * (weights @ power)
        at_one = (1 - aucs) @ (weights * power) / (weights @ power**2)  # the amplitude for a limit of 1
        amplitude, limit = np.where(limit > 1, at_one, amplitude), np.minimum(limit, 1.0)
        chi2 = np.sum(((limit[:, None] - amplitude[:, None] * power - aucs) / errors) ** 2, 1)
        better = chi2 < lowest
        parameters[better] = np.column_stack([limit, amplitude, np.full(len(aucs), exponent)])[better]
        lowest[better] = chi2[better]
    return parameters, lowest


class HeldOut(NamedTuple):
    """What the curve through all sizes but the largest says of the largest."""

    n_training: int
    """The largest number of training events."""
    predicted: Interval
    """The AUC by the curve."""
    measured: Interval
    """The measured AUC."""
    difference: Interval
    """Predicted less measured AUC, whose interval leaves out the errors that both have in common."""
    scale: float
    """The factor by which the smaller samples scatter about the curve more than their errors say."""

    @property
    def held(self) -> bool:
        """Whether the 95 % interval of the difference contains zero."""
        return self.difference.low <= 0 <= self.difference.high


def hold_out(measured: Measured, *, seed: int) -> HeldOut:
    """Predicts the AUC at the largest number of events from the others; raises the errors of `fit`."""
    noise = _noise(measured.covariance, measured.spread, measured.degrees, seed)
    n = int(measured.n_training[-1])
    curve = _fit(measured.first(len(measured.auc) - 1), noise[:, :-1], seed)
    difference = curve.values(n) - measured.auc[-1]
    difference[1:] -= noise[:, -1]
    return HeldOut(
        n_training=n,
        predicted=curve.predict(n),
        measured=measured.intervals[-1],
        difference=Interval.from_draws(float(difference[0]), difference[1:]),
        scale=curve.scale,
    )


def describe_checks(held_out: dict[str, HeldOut]) -> str:
    """Returns how many of the curves, by name, predict their largest sample, and how the others miss it.

    The text begins with a small letter, and is of whole sentences.
    """
    n, missed = len(held_out), {name: test.difference for name, test in held_out.items() if not test.held}
    differences = [test.difference.value for test in held_out.values()]
    scales = [test.scale for test in held_out.values()]
    text = (
        "the curve through the smaller samples predicts the AUC from the largest within its interval for "
        f"{n - len(missed)} of {n} curves."
    )
    if missed:
        text += f" Predicted less measured, the others give {'; '.join(f'{m:+.4f} ({c})' for c, m in missed.items())}."
    n_above, n_unfit = sum(difference > 0 for difference in differences), sum(scale > MAX_SCALE for scale in scales)
    return (
        f"{text} The curve promises more than was measured for {n_above} of {n} (predicted less measured "
        f"{min(differences):+.4f} to {max(differences):+.4f}). The smaller samples scatter about it "
        f"{min(scales):.1f} to {max(scales):.1f} times as much as their errors say. For {n_unfit} of {n} it is more "
        f"than {MAX_SCALE} times, so that a power law does not fit within these errors."
    )


def doubt(measured: Measured, *, seed: int) -> str:
    """Returns why a curve does not hold beyond the measured AUCs, as a clause without its subject; "" where it may.

    Raises ValueError as `fit`.
    """
    curve = fit(measured, seed=seed)
    if not curve.determined:
        return "is not determined, as its limit or exponent lies at a bound of the fit"
    if len(measured.auc) == MIN_SIZES:
        return f"is unchecked, as {MIN_SIZES} sizes are too few to leave one out"
    left_out = hold_out(measured, seed=seed)
    if not left_out.held:
        return (
            f"does not predict the largest sample from the others (predicted less measured {left_out.difference:+.4f})"
        )
    if curve.scale > MAX_SCALE:
        return f"does not fit, as the AUCs scatter about it {curve.scale:.1f} times as much as their errors say"
    return ""


def describe_gain(name: str, measured: Measured, n_events: int, n_steps: int, *, seed: int) -> str:
    """States what more training events would bring by the fitted curve, and whether this can be trusted.

    Args:
        name: the classifier, such as "the deep network".
        measured: its AUCs.
        n_events: the number of training events that the curve is followed to.
        n_steps: the number of steps, the same for all sizes.
        seed: of the draws.

    Returns:
        A sentence, or two.

    Raises:
        ValueError: as `fit`.
    """
    n, curve = int(measured.n_training[-1]), fit(measured, seed=seed)
    text = (
        f"In {n_steps:,} steps {name} reaches {measured.intervals[-1]:.3f} from {n:,} training events. By its curve "
        f"{n_events:,} would bring {curve.gain(n, n_events):+.3f} in as many steps, to {curve.predict(n_events):.3f}"
    )
    reason = doubt(measured, seed=seed)
    return f"{text}, which is to be distrusted: the curve {reason}." if reason else f"{text}."


def crossing(one: LearningCurve, other: LearningCurve, start: int, n_events: int) -> Interval:
    """Returns the number of training events from which one classifier is better than another.

    The value or an end of the interval is infinite where it is not better up to `n_events`, and `start` where it always
    is. The draws of the two curves belong together, as of `Pair.fit`.

    Args:
        one: the curve that overtakes.
        other: the curve that is overtaken.
        start: the smallest number of training events that is considered.
        n_events: the largest number.

    Returns:
        The number with its 95 % interval.
    """
    sizes = np.geomspace(start, max(start, n_events), 500)
    worse = np.stack([one.values(size) < other.values(size) for size in sizes])
    after = len(sizes) - np.argmax(worse[::-1], 0)  # the place that follows the last size at which it is worse
    place = np.where(worse.any(0), after, 0)
    crossed = np.append(sizes, math.inf)[place]
    low, high = np.quantile(crossed[1:], [0.025, 0.975], method="inverted_cdf").tolist()
    return Interval(float(crossed[0]), low, high)


def describe_crossing(one: str, other: str, crossed: Interval, n_events: int) -> str:
    """Returns a crossing as text.

    Args:
        one: the classifier that overtakes, such as "the deep network".
        other: the classifier that is overtaken.
        crossed: the result of `crossing`.
        n_events: the largest number of training events that was considered.

    Returns:
        A clause that begins with the classifier and has no full stop.
    """
    value, low, high = (f"{float(f'{n:.2g}'):,.0f}" if math.isfinite(n) else f"more than {n_events:,}" for n in crossed)
    if math.isfinite(crossed.value):
        return f"{one} overtakes {other} at {value} [{low}, {high}] training events"
    within = f", though within the interval it may from {low} on" if math.isfinite(crossed.low) else ""
    return f"{one} does not overtake {other} up to {n_events:,} training events{within}"


def describe_overtaking(one: str, other: str, pair: Pair, n_events: int, n_steps: int, *, seed: int) -> str:
    """States how two classifiers compare at the most events, and where their curves cross if these can be trusted.

    No crossing is stated below the largest number of events at which the measured difference is negative.

    Args:
        one: the classifier that may overtake, such as "the deep network".
        other: the classifier that may be overtaken.
        pair: the AUCs of both.
        n_events: the largest number of training events up to which the curves are followed.
        n_steps: the number of steps, the same for all sizes.
        seed: of the draws.

    Returns:
        Two sentences.

    Raises:
        ValueError: as `fit`.
    """
    differences = pair.differences()
    largest = max(differences)
    behind = [n for n, difference in differences.items() if difference.value < 0]
    start = max(behind, default=max(int(measured.n_training[0]) for measured in pair[:2]))
    crossed = crossing(*pair.fit(seed=seed), start, n_events)
    doubts = {name: doubt(measured, seed=seed) for name, measured in zip((one, other), pair[:2], strict=True)}
    reasons = [f"the curve of {name} {reason}" for name, reason in doubts.items() if reason]
    if behind and crossed.value == start:
        reasons.append(f"they cross below {start:,} training events, where the measured difference is still negative")
    measured = (
        f"From {largest:,} training events, the most that both were given, in {n_steps:,} steps, the AUC of {one} less "
        f"that of {other} is {differences[largest]:+.4f}."
    )
    if reasons:
        return f"{measured} Where {one} overtakes {other} is not told by these curves: {'; '.join(reasons)}."
    if crossed.value == start:
        return f"{measured} By the fitted curves {one} is better from {start:,} training events on, in as many steps."
    crossed_in_words = describe_crossing(one, other, crossed, n_events)
    return f"{measured} By the fitted curves {crossed_in_words}, in as many steps."

"""The test AUC against the number of training events: as measured, as a power law with a limit, and where two cross."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from higgs_lib.metrics import Interval, auc, auc_covariance

MIN_SIZES = 4  # numbers of training events: one more than the curve has parameters
DRAWS = 500

_EXPONENTS = np.geomspace(0.05, 2, 1000)  # among which the fit chooses


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
    """The covariance (k, k): DeLong's of the common test events, and on the diagonal the spread of the trainings."""

    @classmethod
    def from_trainings(cls, n_training: Sequence[int], aucs: Sequence[float], covariance: np.ndarray) -> "Measured":
        """Returns the means over the trainings with equally many events.

        The spread of n trainings adds their variance / n to the diagonal. Where there is one training alone, the
        variance is that of the largest number of events with several, which overstates it as larger samples spread
        less; without any it is left out.

        Args:
            n_training: the number of training events of each training (m,), in any order.
            aucs: their test AUC (m,).
            covariance: the covariance (m, m) of these by the common test events, as of `metrics.auc_covariance`.
        """
        sizes, place, counts = np.unique(n_training, return_inverse=True, return_counts=True)
        values = np.asarray(aucs, float)
        mean = (place == np.arange(len(sizes))[:, None]) / counts[:, None]
        variances = [values[place == i].var(ddof=1) if counts[i] > 1 else math.nan for i in range(len(sizes))]
        repeated = np.flatnonzero(counts > 1)
        alone = variances[repeated[-1]] if len(repeated) else 0.0
        spread = np.where(counts > 1, variances, alone) / counts
        return cls(sizes, mean @ values, mean @ np.asarray(covariance) @ mean.T + np.diag(spread))

    @classmethod
    def from_scores(cls, n_training: Sequence[int], labels: np.ndarray, scores: np.ndarray) -> "Measured":
        """Returns the same of the scores (m, n) that the trainings give the same test events with labels (n,)."""
        return cls.from_trainings(n_training, [auc(labels, one) for one in scores], auc_covariance(labels, scores))

    @property
    def errors(self) -> np.ndarray:
        """The standard errors (k,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def intervals(self) -> list[Interval]:
        """The AUC at each number of events with its 95 % interval."""
        return [Interval(a, a - 1.96 * e, a + 1.96 * e) for a, e in zip(self.auc, self.errors, strict=True)]

    def first(self, n: int) -> "Measured":
        """Returns the `n` smallest numbers of events alone."""
        return Measured(self.n_training[:n], self.auc[:n], self.covariance[:n, :n])


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
        """Returns the AUC from `n_events` training events; what the interval contains is told at `fit`."""
        values = self.values(n_events)
        return Interval.from_draws(float(values[0]), values[1:])


def fit(measured: Measured, *, seed: int) -> LearningCurve:
    """Returns the power law with a limit through measured AUCs, weighted by their errors.

    The 95 % intervals come from fits to values drawn about the measured ones. They contain the finite number of test
    events, which moves all sizes together, the spread of trainings where several were made, and the scatter about the
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
    return _fit(measured, _noise(measured, seed))


def _noise(measured: Measured, seed: int) -> np.ndarray:
    """Returns deviations (`DRAWS`, k) with the covariance of the measured AUCs."""
    return np.random.default_rng(seed).multivariate_normal(np.zeros(len(measured.auc)), measured.covariance, DRAWS)


def _fit(measured: Measured, noise: np.ndarray) -> LearningCurve:
    """Returns the curve through the measured AUCs, with deviations (n_draws, k) for its intervals."""
    n = len(measured.n_training)
    if n < MIN_SIZES:
        raise ValueError(f"a learning curve needs {MIN_SIZES} numbers of training events, not {n}")
    sizes = measured.n_training / measured.n_training[0]
    central, chi2 = _least_squares(sizes, measured.auc[None], measured.errors)
    scale = max(1.0, math.sqrt(chi2[0] / (n - 3)))
    drawn, _ = _least_squares(sizes, measured.auc + scale * noise, measured.errors)
    draws = np.concatenate([central, drawn])
    parameters = [Interval.from_draws(float(values[0]), values[1:]) for values in draws.T]
    return LearningCurve(*parameters, int(measured.n_training[0]), scale, draws)


def _least_squares(sizes: np.ndarray, aucs: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fits A - B sizes^-c with A <= 1 and B >= 0: at each exponent of a grid a linear problem.

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

    @property
    def held(self) -> bool:
        """Whether the 95 % interval of the difference contains zero."""
        return self.difference.low <= 0 <= self.difference.high


def hold_out(measured: Measured, *, seed: int) -> HeldOut:
    """Predicts the AUC at the largest number of events from the others; raises the errors of `fit`."""
    noise, n = _noise(measured, seed), int(measured.n_training[-1])
    curve = _fit(measured.first(len(measured.auc) - 1), noise[:, :-1])
    difference = curve.values(n) - measured.auc[-1]
    difference[1:] -= noise[:, -1]
    return HeldOut(
        n_training=n,
        predicted=curve.predict(n),
        measured=measured.intervals[-1],
        difference=Interval.from_draws(float(difference[0]), difference[1:]),
    )


def crossing(one: LearningCurve, other: LearningCurve, n_events: int) -> Interval:
    """Returns the number of training events from which one classifier is better than another, up to `n_events`.

    The value or an end of the interval is infinite where it is not better up to `n_events`, and the smallest number of
    both fits where it always is. The draws of the two curves are taken as independent, though the test events may be
    the same, which makes the interval wide rather than narrow.

    Args:
        one: the curve that overtakes.
        other: the curve that is overtaken.
        n_events: the largest number of training events that is considered.

    Returns:
        The number with its 95 % interval.
    """
    sizes = np.geomspace(max(one.smallest, other.smallest), n_events, 500)
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


def describe_overtaking(one: str, other: str, points: tuple[Measured, Measured], n_events: int, *, seed: int) -> str:
    """States how two classifiers compare at the most events and where their curves cross, and if these can be trusted.

    Args:
        one: the classifier that may overtake, such as "the deep network".
        other: the classifier that may be overtaken.
        points: the AUCs of both.
        n_events: the largest number of training events up to which the curves are followed.
        seed: of the draws.

    Returns:
        Two sentences.

    Raises:
        ValueError: as `fit`.
    """
    n = np.intersect1d(*(measured.n_training for measured in points))[-1]
    first, second = (measured.intervals[np.searchsorted(measured.n_training, n)] for measured in points)
    crossed = crossing(*(fit(measured, seed=seed) for measured in points), n_events)
    checked = [hold_out(measured, seed=seed).held for measured in points if len(measured.auc) > MIN_SIZES]
    doubt = "" if all(checked) else ", but not both curves predict their largest sample from the others"
    return (
        f"From {n:,} training events, the most that both were given, the AUC of {one} less that of {other} is "
        f"{first.minus(second):+.4f}. By the fitted curves {describe_crossing(one, other, crossed, n_events)}{doubt}."
    )

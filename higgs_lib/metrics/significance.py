"""Computes the expected discovery significance of a counting experiment, in standard deviations.

`signal` and `background` are expected numbers of events, as numbers or arrays; ValueError is raised for any that are
negative or not finite. Without signal every significance is 0, even without background.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from higgs_lib.metrics.checks import check_events, check_numbers, check_whole
from higgs_lib.metrics.intervals import Interval
from higgs_lib.metrics.roc_curve import Efficiencies, best_working_point

WITH_UNCERTAINTY = ("S/√(S+B+σ_B²)", "Asimov, σ_B")
"""Names of the definitions that know the background only within a relative uncertainty."""


def signal_over_root_background(signal: ArrayLike, background: ArrayLike) -> np.ndarray:
    """Returns S / sqrt(B), the limit of the Asimov significance for S << B; infinite without background."""
    signal, background = _expected(signal, background)
    return _ratio(signal, np.sqrt(background))


def signal_over_root_total(signal: ArrayLike, background: ArrayLike) -> np.ndarray:
    """Returns S / sqrt(S + B): the signal over the standard deviation of the count if there is signal."""
    signal, background = _expected(signal, background)
    return _ratio(signal, np.hypot(np.sqrt(signal), np.sqrt(background)))


def signal_over_root_total_with_uncertainty(
    signal: ArrayLike, background: ArrayLike, relative_uncertainty: ArrayLike
) -> np.ndarray:
    """Returns S / sqrt(S + B + sigma_B^2), with sigma_B = `relative_uncertainty` x B.

    It is the signal over the standard deviation of count and background together.

    >>> print(f"{signal_over_root_total_with_uncertainty(100.0, 1000.0, 0.05):.3f}")
    1.667
    """
    signal, background = _expected(signal, background)
    sigma = check_numbers("relative uncertainties", relative_uncertainty, 0) * background
    return _ratio(signal, np.hypot(np.hypot(np.sqrt(signal), np.sqrt(background)), sigma))


def asimov(signal: ArrayLike, background: ArrayLike) -> np.ndarray:
    """Returns the median discovery significance with an exactly known background; infinite without background.

    Source: G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554, equation 97.

    >>> print(f"{asimov(100.0, 1000.0):.3f}")
    3.112
    """
    signal, background = _expected(signal, background)
    return np.sqrt(signal) * np.sqrt(_squared_per_signal(signal, background))


def asimov_with_uncertainty(signal: ArrayLike, background: ArrayLike, relative_uncertainty: ArrayLike) -> np.ndarray:
    """Returns the median discovery significance with sigma_B = `relative_uncertainty` x B from a control measurement.

    It is infinite without background. Source: G. Cowan, "Discovery sensitivity for a counting experiment
    with background uncertainty" (2012), equation 20. That equation is, term by term, the difference of the squares of
    two Asimov significances, with the background B and with B + B^2 / sigma_B^2; so is it computed here, as its own
    terms cancel for small signals. Their difference loses about a factor 1 + sigma_B^2 / B of float64's precision.

    >>> print(f"{asimov_with_uncertainty(100.0, 1000.0, 0.05):.3f}")
    1.644
    """
    signal, background = _expected(signal, background)
    with np.errstate(divide="ignore", over="ignore"):  # without uncertainty the control measurement is infinite
        n_control = 1 / check_numbers("relative uncertainties", relative_uncertainty, 0) ** 2
    squared, with_control = (_squared_per_signal(signal, b) for b in (background, background + n_control))
    return np.sqrt(signal) * np.sqrt(np.maximum(squared - with_control, 0))


def _expected(signal: ArrayLike, background: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns expected numbers of events as float64; raises ValueError for any that are negative or not finite."""
    return check_numbers("expected signal", signal, 0), check_numbers("expected background", background, 0)


def _ratio(signal: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Returns signal over standard deviation; 0 without signal, infinite for a signal without deviation."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(signal > 0, signal / deviation, 0.0)[()]


def _squared_per_signal(signal: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Returns 2 ((1 + B/S) ln(1 + S/B) - 1), the square of the Asimov significance over S, to float64's precision.

    For S << B the terms cancel; there it is S/B 2F1(1, 1; 3; -S/B), by the power series of the logarithm.
    """
    ratio = _ratio(signal, background)
    small, large = np.minimum(ratio, 1), np.maximum(ratio, 1)
    of_large = 2 * ((1 + 1 / large) * np.log1p(large) - 1)
    return np.where(ratio < 1, small * special.hyp2f1(1, 1, 3, -small), of_large)[()]


@dataclass(frozen=True)
class Experiment:
    """Numbers of events expected before any cut; raises ValueError unless both are finite and above 0.

    >>> experiment = Experiment(signal=100.0, background=1000.0)
    >>> print(f"{experiment.significance('Asimov', signal_efficiency=0.5, background_efficiency=0.05):.2f}")
    6.22
    """

    signal: float = 100.0
    background: float = 1000.0
    background_uncertainty: float = 0.05
    """Relative uncertainty of the background: 1000 +- 50 in Baldi et al. 2014."""

    def __post_init__(self) -> None:
        for name in ("signal", "background"):
            if check_numbers(f"the expected {name}", getattr(self, name), 0) == 0:
                raise ValueError(f"the expected {name} before any cut must be above 0 events, not 0")
        check_numbers("the relative uncertainty of the background", self.background_uncertainty, 0)

    def definitions(self) -> dict[str, Callable[[float | np.ndarray, float | np.ndarray], float | np.ndarray]]:
        """Returns the definitions of significance by name, as functions of the expected S and B."""
        return {
            "S/√B": signal_over_root_background,
            "S/√(S+B)": signal_over_root_total,
            "S/√(S+B+σ_B²)": lambda s, b: signal_over_root_total_with_uncertainty(s, b, self.background_uncertainty),
            "Asimov": asimov,
            "Asimov, σ_B": lambda s, b: asimov_with_uncertainty(s, b, self.background_uncertainty),
        }

    def significance(
        self, definition: str, signal_efficiency: ArrayLike, background_efficiency: ArrayLike
    ) -> np.ndarray:
        """Returns the significance by the named definition after a cut.

        It is 0 where no background is expected: where none of a finite sample passes, the background is not measured.
        Raises ValueError for an unknown definition and for efficiencies outside of [0, 1].
        """
        definitions = self.definitions()
        if definition not in definitions:
            raise ValueError(f"unknown definition {definition!r} of significance: choose {'; '.join(definitions)}")
        signal = self.signal * check_numbers("signal efficiencies", signal_efficiency, 0, 1)
        background = self.background * check_numbers("background efficiencies", background_efficiency, 0, 1)
        return np.where(background > 0, definitions[definition](signal, background), 0.0)


def best_cut(validation: Efficiencies, experiment: Experiment, definition: str) -> float:
    """Returns the cut with the highest significance on validation events, by the rule of `best_working_point`."""
    significances = experiment.significance(definition, validation.signal, validation.background)
    return float(validation.cut[best_working_point(validation, significances)])


def significance_interval(
    test: Efficiencies,
    experiment: Experiment,
    definition: str,
    *,
    seed: int,
    level: float = 0.95,
    n_draws: int = 10_000,
) -> Interval:
    """Returns the significance at the one cut of `test`, with its interval from the finite number of test events.

    Both efficiencies are drawn from their Beta distributions under Jeffreys' prior.

    Args:
        test: Test events that pass the cut.
        experiment: Expected numbers of events.
        definition: Name of a definition of significance.
        seed: Seed of the draws.
        level: Confidence level.
        n_draws: Number of draws.

    Returns:
        The significance in standard deviations.

    Raises:
        ValueError: `test` has not one cut; and the errors of `Experiment.significance`.
    """
    if np.size(test.cut) != 1:
        raise ValueError(f"an interval belongs to one cut, not to {np.size(test.cut)}: count the events of one")
    rng, n_draws = np.random.default_rng(seed), check_whole("n_draws", n_draws, 1)

    def draw(n_passed: int, n_total: int) -> np.ndarray:
        return rng.beta(n_passed + 0.5, n_total - n_passed + 0.5, n_draws)

    signal = draw(test.n_signal_passed[0], test.n_signal)
    background = draw(test.n_background_passed[0], test.n_background)
    draws = experiment.significance(definition, signal, background)
    value = float(experiment.significance(definition, test.signal, test.background)[0])
    return Interval.from_draws(value, draws, level)


def equivalent_luminosity(
    labels: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    experiment: Experiment,
    definition: str,
    *,
    seed: int,
    level: float = 0.95,
    n_draws: int = 10_000,
) -> Interval:
    """Returns how many times more data the selection `other` needs to reach the significance of `one`.

    This holds for definitions that grow with the square root of the data: all but the two with a relative uncertainty
    of the background. As both selections act on the same events, the fractions that pass both, one or neither are drawn
    together, from Dirichlet distributions under Jeffreys' prior.

    Args:
        labels: Labels (n,) of test events.
        one: Whether each event passes the first selection, (n,) bool.
        other: Whether each event passes the second selection, (n,) bool.
        experiment: Expected numbers of events.
        definition: Name of a definition of significance.
        seed: Seed of the draws.
        level: Confidence level.
        n_draws: Number of draws.

    Returns:
        The ratio of integrated luminosities.

    Raises:
        ValueError: The definition has a relative uncertainty, a selection is not (n,) bool, a label is neither 0 nor 1,
            or no signal or no background passes a selection.
    """
    if definition in WITH_UNCERTAINTY:
        raise ValueError(f"the significance {definition} does not grow with the square root of the luminosity")
    one, other = (_check_selection(labels, selection) for selection in (one, other))
    rng, n_draws = np.random.default_rng(seed), check_whole("n_draws", n_draws, 1)
    is_signal = np.asarray(labels) == 1
    counts = [np.bincount(2 * one[of_class] + other[of_class], minlength=4) for of_class in (is_signal, ~is_signal)]

    def ratio(fractions: list[np.ndarray]) -> np.ndarray:
        # the last axis: events that pass neither, `other` alone, `one` alone, both
        efficiencies = ([part[..., alone] + part[..., 3] for part in fractions] for alone in (2, 1))
        first, second = (experiment.significance(definition, *pair) for pair in efficiencies)
        return (first / second) ** 2

    value = float(ratio([count / count.sum() for count in counts]))
    draws = ratio([rng.dirichlet(count + 0.5, n_draws) for count in counts])
    return Interval.from_draws(value, draws, level)


def _check_selection(labels: ArrayLike, selection: ArrayLike) -> np.ndarray:
    """Returns a selection (n,) as bool; raises ValueError unless it is bool and some events of each class pass."""
    selection = np.asarray(selection)
    if selection.dtype != bool:
        raise ValueError(f"a selection says of each event whether it passes: it must be bool, not {selection.dtype}")
    events = check_events(labels, selection, "selections")
    if not (selection[events.is_signal].any() and selection[~events.is_signal].any()):
        raise ValueError("no signal or no background passes a selection: its significance is not measured")
    return selection

"""Computes the expected discovery significance of a counting experiment, in standard deviations.

`signal` and `background` are expected numbers of events, as numbers or arrays.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from higgs_lib.metrics.intervals import Interval
from higgs_lib.metrics.roc_curve import Efficiencies, best_working_point

ArrayLike = np.ndarray | float


def signal_over_root_background(signal: ArrayLike, background: ArrayLike) -> ArrayLike:
    """Returns S / sqrt(B), the limit of the Asimov significance for S << B."""
    return signal / np.sqrt(background)


def signal_over_root_total(signal: ArrayLike, background: ArrayLike) -> ArrayLike:
    """Returns S / sqrt(S + B): the signal over the standard deviation of the count if there is signal."""
    return signal / np.sqrt(signal + background)


def signal_over_root_total_with_uncertainty(
    signal: ArrayLike, background: ArrayLike, relative_uncertainty: float
) -> ArrayLike:
    """Returns S / sqrt(S + B + sigma_B^2), with sigma_B = `relative_uncertainty` x B.

    It is the signal over the standard deviation of count and background together.

    >>> print(f"{signal_over_root_total_with_uncertainty(100.0, 1000.0, 0.05):.3f}")
    1.667
    """
    return signal / np.sqrt(signal + background + (relative_uncertainty * background) ** 2)


def asimov(signal: ArrayLike, background: ArrayLike) -> ArrayLike:
    """Returns the median discovery significance with an exactly known background.

    Source: G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554, equation 97.

    >>> print(f"{asimov(100.0, 1000.0):.3f}")
    3.112
    """
    return np.sqrt(2 * ((signal + background) * np.log1p(signal / background) - signal))


def asimov_with_uncertainty(signal: ArrayLike, background: ArrayLike, relative_uncertainty: float) -> ArrayLike:
    """Returns the median discovery significance with sigma_B = `relative_uncertainty` x B from a control measurement.

    Source: G. Cowan, "Discovery sensitivity for a counting experiment with background uncertainty" (2012), equation 20.

    >>> print(f"{asimov_with_uncertainty(100.0, 1000.0, 0.05):.3f}")
    1.644
    """
    if relative_uncertainty == 0:
        return asimov(signal, background)
    variance = (relative_uncertainty * background) ** 2
    total = signal + background
    count = total * np.log(total * (background + variance) / (background**2 + total * variance))
    control = background**2 / variance * np.log1p(variance * signal / (background * (background + variance)))
    return np.sqrt(2 * np.maximum(count - control, 0))


class Experiment(NamedTuple):
    """Numbers of events expected before any cut.

    >>> experiment = Experiment(signal=100.0, background=1000.0)
    >>> print(f"{experiment.significance('Asimov', signal_efficiency=0.5, background_efficiency=0.05):.2f}")
    6.22
    """

    signal: float = 100.0
    background: float = 1000.0
    background_uncertainty: float = 0.05
    """Relative uncertainty of the background: 1000 +- 50 in Baldi et al. 2014."""

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
        """Returns the significance by the named definition after a cut; 0 where no background is expected."""
        signal, background = self.signal * signal_efficiency, self.background * background_efficiency
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.definitions()[definition](signal, background)
        return np.where(np.asarray(background) > 0, value, 0.0)


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
    """
    rng = np.random.default_rng(seed)

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
    """
    rng = np.random.default_rng(seed)
    counts = [np.bincount(2 * one[labels == label] + other[labels == label], minlength=4) for label in (1, 0)]

    def ratio(fractions: list[np.ndarray]) -> np.ndarray:
        # the last axis: events that pass neither, `other` alone, `one` alone, both
        efficiencies = ([part[..., alone] + part[..., 3] for part in fractions] for alone in (2, 1))
        first, second = (experiment.significance(definition, *pair) for pair in efficiencies)
        return (first / second) ** 2

    value = float(ratio([count / count.sum() for count in counts]))
    draws = ratio([rng.dirichlet(count + 0.5, n_draws) for count in counts])
    return Interval.from_draws(value, draws, level)

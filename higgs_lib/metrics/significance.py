"""Expected discovery significance of a counting experiment, in standard deviations.

`signal` and `background` are expected events, numbers or arrays.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from higgs_lib.metrics import roc_curve
from higgs_lib.metrics.intervals import Interval
from higgs_lib.metrics.roc_curve import Efficiencies

ArrayLike = np.ndarray | float


def signal_over_root_background(signal: ArrayLike, background: ArrayLike) -> ArrayLike:
    """S / sqrt(B), the limit of the Asimov significance for S << B."""
    return signal / np.sqrt(background)


def signal_over_root_total(signal: ArrayLike, background: ArrayLike) -> ArrayLike:
    """S / sqrt(S + B): the signal over the spread of what is counted if it is there."""
    return signal / np.sqrt(signal + background)


def asimov(signal: ArrayLike, background: ArrayLike) -> ArrayLike:
    """Median significance of a discovery, background known exactly.

    G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554, equation 97.
    """
    return np.sqrt(2 * ((signal + background) * np.log1p(signal / background) - signal))


def asimov_with_uncertainty(signal: ArrayLike, background: ArrayLike, relative_uncertainty: float) -> ArrayLike:
    """The same with the background known to sigma_B = `relative_uncertainty` x B from a control measurement.

    G. Cowan, "Discovery sensitivity for a counting experiment with background uncertainty" (2012), equation 20.
    """
    if relative_uncertainty == 0:
        return asimov(signal, background)
    variance = (relative_uncertainty * background) ** 2
    total = signal + background
    count = total * np.log(total * (background + variance) / (background**2 + total * variance))
    control = background**2 / variance * np.log1p(variance * signal / (background * (background + variance)))
    return np.sqrt(2 * np.maximum(count - control, 0))


class Experiment(NamedTuple):
    """Events expected before any cut."""

    signal: float = 100.0
    background: float = 1000.0
    background_uncertainty: float = 0.05
    """Relative: 1000 +- 50 in Baldi et al. 2014."""

    def definitions(self) -> dict[str, Callable]:
        """Every definition of significance by its name: functions of the expected S and B."""
        return {
            "S/√B": signal_over_root_background,
            "S/√(S+B)": signal_over_root_total,
            "Asimov": asimov,
            "Asimov, σ_B": lambda s, b: asimov_with_uncertainty(s, b, self.background_uncertainty),
        }

    def significance(self, definition: str, signal_efficiency: ArrayLike, background_efficiency: ArrayLike):
        """Significance by the named definition after a cut with these efficiencies; 0 where nothing passes."""
        signal, background = self.signal * signal_efficiency, self.background * background_efficiency
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.definitions()[definition](signal, background)
        return np.where(np.asarray(background) > 0, value, 0.0)


def best_cut(validation: Efficiencies, experiment: Experiment, definition: str) -> float:
    """The cut of the highest significance on validation events, by the rule of `metrics.best`."""
    value = experiment.significance(definition, validation.signal, validation.background)
    return float(validation.cut[roc_curve.best_working_point(validation, value)])


def significance_interval(
    test: Efficiencies,
    experiment: Experiment,
    definition: str,
    *,
    seed: int,
    level: float = 0.95,
    n_draws: int = 10_000,
) -> Interval:
    """Significance at the one cut of `test`, with its interval from the finite number of test events.

    Both efficiencies are drawn from their Beta distributions under Jeffreys' prior.
    """
    rng = np.random.default_rng(seed)

    def draw(passed, total):
        return rng.beta(passed + 0.5, total - passed + 0.5, n_draws)

    signal = draw(test.n_signal_passed[0], test.n_signal)
    background = draw(test.n_background_passed[0], test.n_background)
    drawn = experiment.significance(definition, signal, background)
    value = float(experiment.significance(definition, test.signal, test.background)[0])
    return Interval(value, *(float(q) for q in np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])))


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
    """How many times the data the selection `other` would need for the significance of `one`, with its interval.

    `labels` (n,) of test events, `one` and `other` (n,) bool: what passes. For definitions that grow with the square
    root of the data, as all but that with a relative uncertainty of the background. The shares that pass both, one or
    neither are drawn together, from Dirichlet distributions under Jeffreys' prior, as both select among these events.
    """
    rng = np.random.default_rng(seed)
    counts = [np.bincount(2 * one[labels == kind] + other[labels == kind], minlength=4) for kind in (1, 0)]

    def worth(shares: list[np.ndarray]) -> np.ndarray:
        passed = ([share[..., place] + share[..., 3] for share in shares] for place in (2, 1))  # this alone, and both
        first, second = (experiment.significance(definition, *efficiencies) for efficiencies in passed)
        return (first / second) ** 2

    value = float(worth([count / count.sum() for count in counts]))
    drawn = worth([rng.dirichlet(count + 0.5, n_draws) for count in counts])
    return Interval(value, *(float(q) for q in np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])))

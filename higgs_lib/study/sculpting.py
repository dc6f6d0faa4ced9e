"""Measures what the background looks like that a classifier takes for signal.

A classifier that uses a mass, given or found, selects background in which this mass has the shape of the signal's.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from higgs_lib.metrics import Interval
from higgs_lib.study.run import Scores

FRACTION = 0.05  # of the background, which is kept
N_BINS = 10  # of the distance
DRAWS = 500


class Sculpting(NamedTuple):
    """The distribution of a mass in all background and in the background that a classifier likes best."""

    background: np.ndarray
    """The mass of all background events in GeV (n_background,)."""
    selected: np.ndarray
    """The same of the selected ones (n_selected,)."""
    signal: np.ndarray
    """The mass of all signal events (n_signal,)."""
    distance: Interval
    """The total variation distance of the selected background from all, with its interval from the finite number of
    events."""
    by_chance: float
    """The mean distance of as many events that are selected at random."""
    signal_distance: float
    """The distance of the signal from all background."""

    @property
    def kept(self) -> float:
        """The fraction of background that is selected."""
        return len(self.selected) / len(self.background)


def most_signal_like(validation: Scores, test: Scores, fraction: float = FRACTION) -> np.ndarray:
    """Returns whether each test event (n,) has a score above the cut that keeps a fraction of validation background."""
    cut = np.quantile(validation.scores[validation.labels < 0.5], 1 - fraction)
    return test.scores > cut


def total_variation(counts: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns half of the sum of |p - q| over bins, between 0 and 1, of counts (..., n_bins) each.

    It is the largest difference of the probabilities that both distributions give any set of bins.
    """
    p, q = (n / np.maximum(n.sum(-1, keepdims=True), 1) for n in (counts, others))
    return np.abs(p - q).sum(-1) / 2


def sculpting(mass: np.ndarray, labels: np.ndarray, selected: np.ndarray, *, seed: int) -> Sculpting:
    """Compares a mass in the selected background with the same in all background.

    The distance is taken in `N_BINS` bins that contain equally much of all background.

    Args:
        mass: the mass of test events in GeV (n,).
        labels: theirs, 1 for signal and 0 for background (n,).
        selected: whether each is selected (n,) bool.
        seed: of the draws for the interval and of the random selections.

    Returns:
        The distributions and their distance.

    Raises:
        ValueError: no background is selected.
    """
    background, signal = mass[labels < 0.5], mass[labels > 0.5]
    kept = selected[labels < 0.5]
    if not kept.any():
        raise ValueError(f"none of {len(kept)} background events is selected; use more events or a lower cut")
    edges = np.quantile(background, np.arange(1, N_BINS) / N_BINS)
    inside, outside, of_signal = (
        np.bincount(np.searchsorted(edges, values), minlength=N_BINS)
        for values in (background[kept], background[~kept], signal)
    )
    rng, everything = np.random.default_rng(seed), inside + outside
    drawn = rng.multinomial(len(kept), np.concatenate([inside, outside]) / len(kept), DRAWS)
    draws = total_variation(drawn[:, :N_BINS], drawn[:, :N_BINS] + drawn[:, N_BINS:])
    random = rng.multivariate_hypergeometric(everything, int(kept.sum()), DRAWS)
    value = float(total_variation(inside, everything))
    half = float(stats.norm.ppf(0.975) * draws.std(ddof=1))
    return Sculpting(
        background=background,
        selected=background[kept],
        signal=signal,
        distance=Interval(value, max(value - half, 0.0), min(value + half, 1.0)),
        by_chance=float(total_variation(random, everything).mean()),
        signal_distance=float(total_variation(of_signal, everything)),
    )


def table(by_classifier: Mapping[str, Mapping[str, Sculpting]]) -> pd.DataFrame:
    """Returns the distances as a table to read; by the name of the classifier, then by that of the mass."""
    rows = {
        name: [f"{next(iter(of.values())).kept:.1%}", *(f"{one.distance:.2f}" for one in of.values())]
        for name, of in by_classifier.items()
    }
    first = next(iter(by_classifier.values()))
    rows["the same number at random"] = ["", *(f"{one.by_chance:.2f}" for one in first.values())]
    rows["signal"] = ["", *(f"{one.signal_distance:.2f}" for one in first.values())]
    columns = ["background kept", *(f"distance in {mass}, 95 %" for mass in first)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def describe(by_classifier: Mapping[str, Mapping[str, Sculpting]], mass: str) -> str:
    """Returns a sentence on how far each classifier moves the background in one mass towards the signal."""
    distances = {name: of[mass] for name, of in by_classifier.items()}
    most, least = (choose(distances, key=lambda name: distances[name].distance.value) for choose in (max, min))
    signal = distances[most].signal_distance
    return (
        f"In {mass} the background that the {most} likes best lies {distances[most].distance:.2f} from all background, "
        f"that of the {least} {distances[least].distance:.2f} (a random selection of as many: "
        f"{distances[least].by_chance:.2f}); signal lies {signal:.2f} from it."
    )

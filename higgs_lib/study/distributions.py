"""Distributions of the features: histograms in physical units, and where the masses peak."""

from collections.abc import Mapping
from typing import NamedTuple

from higgs_lib import metrics
from higgs_lib.data import COMPLETE, Sample, kinematics
from higgs_lib.metrics import Histogram, Interval


def histograms(*samples: Sample, n_bins: int) -> list[dict[str, Histogram]]:
    """Counts every feature of each sample, in physical units and by class, in bins that the first sample gives.

    The samples have complete features in normalised units. Returns a dict by the name of the feature for each sample.
    """
    counted = [{} for _ in samples]
    for column, name in enumerate(COMPLETE):
        physical = [kinematics.to_physical(sample.features[:, column], name) for sample in samples]
        edges = kinematics.bin_edges(physical[0], name, n_bins)
        for counts, sample, values in zip(counted, samples, physical, strict=True):
            counts[name] = metrics.histogram(sample.labels, values, edges)
    return counted


class Peak(NamedTuple):
    """Where a mass peaks in one class, compared with the particle's mass."""

    feature: str
    """The name of the mass."""
    event_class: str
    """"signal" or "background"."""
    particle: float
    """The particle's mass in GeV."""
    position: Interval
    """The position of the peak in GeV."""


def peaks(sample: Sample, particles: Mapping[str, Mapping[str, float]], *, seed: int) -> list[Peak]:
    """Locates the peaks of masses, by `metrics.peak`.

    Args:
        sample: events with complete features in normalised units.
        particles: the particle's mass in GeV by class, for each mass, as `published.peaks` gives it.
        seed: of the intervals.

    Returns:
        A peak for each mass and class.
    """
    found = []
    for name, by_class in particles.items():
        values = kinematics.to_physical(sample.features[:, COMPLETE.index(name)], name)
        for event_class, mass in by_class.items():
            rows = sample.labels == (event_class == "signal")
            found.append(Peak(name, event_class, mass, metrics.peak(values[rows], seed=seed)))
    return found

"""Measures the AUC in regions of the events: by the largest transverse momentum of a jet and the number of b-tags."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from higgs_lib.data import LOW, Sample, kinematics
from higgs_lib.metrics import Interval, auc_interval

JETS = (1, 2, 3, 4)
MIN_EVENTS = 20  # of each class that a region needs


def leading_jet_pt(sample: Sample) -> np.ndarray:
    """Returns the largest transverse momentum (n,) in GeV of the four stored jets, which are not sorted by it.

    `sample` has the low-level features, and others behind them or none.
    """
    names = [f"jet_{jet}_pt" for jet in JETS]
    return np.max([kinematics.to_physical(sample.features[:, LOW.index(name)], name) for name in names], 0)


def n_b_tagged(sample: Sample) -> np.ndarray:
    """Returns the number (n,) of the four stored jets that have a loose or a tight b-tag."""
    return np.sum([sample.features[:, LOW.index(f"jet_{jet}_b_tag")] > 0 for jet in JETS], 0)


def divide(validation: Sample, test: Sample) -> dict[str, np.ndarray]:
    """Divides test events by the leading jet, at the quartiles of validation events, and by the number of b-tags.

    Returns whether each test event is in a region, (n,) bool, by the name of the region. Regions with fewer than
    `MIN_EVENTS` test events of either class are left out.
    """
    momenta = leading_jet_pt(test)
    edges = np.quantile(leading_jet_pt(validation), [0.25, 0.5, 0.75])
    divided = {f"leading jet below {edges[0]:.0f} GeV": momenta < edges[0]}
    for low, high in pairwise(edges):
        divided[f"leading jet {low:.0f} to {high:.0f} GeV"] = (momenta >= low) & (momenta < high)
    divided[f"leading jet above {edges[-1]:.0f} GeV"] = momenta >= edges[-1]
    n_tags = n_b_tagged(test)
    divided |= {f"{n} b-tagged jet{'s' * (n != 1)}": n_tags == n for n in range(len(JETS) + 1)}
    return {name: rows for name, rows in divided.items() if _has_both_classes(test.labels[rows])}


def _has_both_classes(labels: np.ndarray) -> bool:
    """Tells whether there are `MIN_EVENTS` events of each class."""
    n_signal = np.count_nonzero(labels > 0.5)
    return min(n_signal, len(labels) - n_signal) >= MIN_EVENTS


def auc(labels: np.ndarray, scores: np.ndarray, regions: Mapping[str, np.ndarray]) -> dict[str, Interval]:
    """Returns the AUC of the events of each of the `regions`, by their name."""
    return {name: auc_interval(labels[rows], scores[rows]) for name, rows in regions.items()}

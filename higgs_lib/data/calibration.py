"""The scale of each feature, derived from the events of a file by what must hold in them."""

from collections.abc import Sequence
from typing import NamedTuple
import numpy as np
import pyarrow as pa
from scipy.optimize import least_squares
from higgs_lib.data import kinematics
from higgs_lib.data.features import HIGH, LOW

PHI = tuple(name for name in LOW if name.endswith("phi"))
JETS = tuple(name for name in LOW if name.startswith("jet") and name.endswith(("pt", "eta")))
PT_MIN, LEPTON_ETA_MAX, JET_ETA_MAX = 15.0, 2.5, 3.0  # GeV, the edges of the selection, where the search begins
AGREEMENT = 0.003  # relative: masses that are recomputed worse used a jet that is not stored


class Scales(NamedTuple):
    """What `derive` found."""

    scales: dict[str, float]
    """Of each feature but the b-tags: value in GeV, rad or pseudorapidity over the value in the file."""
    agreement: dict[str, float]
    """Share of events with two stored tags in which each recomputed mass is the file's within 0.5 %."""


def derive(table: pa.Table) -> Scales:
    """The scales with which the masses recomputed from the low-level features are the file's own.

    phi fills its range, so the largest |phi| is pi. All else follows from the seven masses of events with two stored
    tags: a mass fixes the ratio of its own scale to those of the momenta and the scales of the pseudorapidities in it,
    and the neutrino's rule, which knows the W mass in GeV, fixes them all. Robust least squares of the logarithms
    (Cauchy loss), as some masses used a jet beyond the four stored. `table`: the file's units, 2,000 events or more.
    """
    values = {name: np.asarray(table[name], float) for name in (*LOW, *HIGH)}
    two = sum(values[f"jet_{jet}_b_tag"] > 0 for jet in (1, 2, 3, 4)) == 2
    if two.sum() < 1000:
        raise ValueError(
            f"cannot derive scales from {two.sum()} events with two stored tags; give 2,000 events or more"
        )
    values = {name: column[two] for name, column in values.items()}
    phi = dict.fromkeys(PHI, np.pi / max(np.abs(values[name]).max() for name in PHI))
    found = phi | _start(values, phi[PHI[0]])
    found["m_bb"] = float(np.median(_ratios(values, found, ["m_bb"])))
    found = _fit(values, found, [name for name in JETS if name != "jet_4_pt"], ["m_bb"])
    for name in HIGH:
        found[name] = _location(_ratios(values, found, [name])[0])
    found = _fit(values, found, [name for name in found if name not in (*PHI, *HIGH)], HIGH)
    agree = np.abs(_ratios(values, found, HIGH) / [[found[name]] for name in HIGH] - 1) < 0.005
    shares = (float(share) for share in agree.mean(1))
    return Scales({name: found[name] for name in (*LOW, *HIGH) if name in found}, dict(zip(HIGH, shares, strict=True)))


def _fit(
    values: dict[str, np.ndarray], found: dict[str, float], free: list[str], masses: list[str]
) -> dict[str, float]:
    """`found` with the scales of `free` and `masses` moved to where the masses agree best."""
    free = [*free, *masses]

    def residuals(logarithms: np.ndarray) -> np.ndarray:
        trial = found | dict(zip(free, np.exp(logarithms), strict=True))
        return np.log(_ratios(values, trial, masses) / [[trial[name]] for name in masses]).ravel()

    start = np.log([found[name] for name in free])
    best = least_squares(residuals, start, loss="cauchy", f_scale=AGREEMENT, diff_step=1e-5)
    return found | {name: float(scale) for name, scale in zip(free, np.exp(best.x), strict=True)}


def _location(values: np.ndarray) -> float:
    """Where most of the values lie: the median of those near to it, ever nearer."""
    centre = np.median(values)
    for width in (0.2, 0.1, 0.05, 0.02, 0.01, AGREEMENT):
        centre = np.median(values[np.abs(values / centre - 1) < width])
    return float(centre)


def _start(values: dict[str, np.ndarray], phi: float) -> dict[str, float]:
    """Where the search begins: edges of the selection, m_lv at the W mass, and the momenta that m_lv above it needs."""
    start = {}
    for name in LOW:
        if name.endswith("pt"):
            start[name] = PT_MIN / values[name].min()
        if name.endswith("eta"):
            start[name] = (LEPTON_ETA_MAX if "lepton" in name else JET_ETA_MAX) / np.abs(values[name]).max()
    m_lv, difference = values["m_lv"], (values["lepton_phi"] - values["missing_energy_phi"]) * phi
    at_w = np.quantile(m_lv, 0.3)  # the rule puts most events at the W mass, and none far below
    start["m_lv"] = kinematics.W_MASS / np.median(m_lv[np.abs(m_lv / at_w - 1) < 0.03])
    above = m_lv > 1.1 * at_w  # no direction of the neutrino gives the W mass: it goes along with the lepton
    squared = 2 * values["lepton_pt"] * values["missing_energy"] * (1 - np.cos(difference))
    product = np.median((start["m_lv"] * m_lv[above]) ** 2 / squared[above])
    return start | {"missing_energy": product / start["lepton_pt"]}


def _ratios(values: dict[str, np.ndarray], scales: dict[str, float], masses: Sequence[str]) -> np.ndarray:
    """The `masses` in GeV, recomputed with trial `scales`, over the file's own values: (masses, n)."""
    recomputed = kinematics.recompute(values, scales)
    return np.stack([getattr(recomputed, name) / values[name] for name in masses])

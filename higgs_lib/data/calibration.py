"""Derives the scale of each feature from the events of a file, by relations that must hold in them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.optimize import least_squares, minimize

from higgs_lib.data import kinematics
from higgs_lib.data.features import HIGH, LOW

PHI = tuple(name for name in LOW if name.endswith("phi"))
JETS = tuple(name for name in LOW if name.startswith("jet") and name.endswith(("pt", "eta")))
PT_MIN, LEPTON_ETA_MAX, JET_ETA_MAX = 15.0, 2.5, 3.0  # GeV, edges of the selection, where the search begins
LEPTON_ETA_STARTS = (0.95, 0.97, 0.98, 1.0)  # times the edge of the selection, at which efficiency is lost
MAX_STEPS = 40  # of a fit: those from a good start take half as many, and the best of all fits counts
MAX_TRIALS = 300  # of the search that refines a fit
AGREEMENT = 0.003  # relative: masses that deviate more used a jet that is not stored


class Scales(NamedTuple):
    """The scales of the features, and how well the masses agree with them."""

    scales: dict[str, float]
    """Scale of each feature but the b-tags: value in GeV, rad or pseudorapidity over the value in the file."""
    agreement: dict[str, float]
    """Fraction of events with two stored tags in which each recomputed mass agrees with the file's within 0.5 %."""


def derive(table: pa.Table) -> Scales:
    """Derives the scales with which the masses recomputed from the low-level features agree with the file's own.

    phi fills its range, so the largest |phi| is pi. Everything else follows from the seven masses of events with two
    stored tags. A mass fixes the ratio of its own scale to those of the momenta, and the scales of the pseudorapidities
    in it; the neutrino's rule, which contains the W mass in GeV, fixes all of them. The fit is a robust least squares
    of the logarithms (Cauchy loss), as some masses used a jet beyond the four stored.

    `table` holds 2,000 events or more in normalised units. Raises ValueError for too few.
    """
    values = {name: np.asarray(table[name], float) for name in (*LOW, *HIGH)}
    two_tags = sum(values[f"jet_{jet}_b_tag"] > 0 for jet in (1, 2, 3, 4)) == 2
    if two_tags.sum() < 1000:
        raise ValueError(
            f"cannot derive scales from {two_tags.sum()} events with two stored tags; give 2,000 events or more"
        )
    values = {name: column[two_tags] for name, column in values.items()}
    phi = np.pi / max(np.abs(values[name]).max() for name in PHI)
    scales = dict.fromkeys(PHI, phi) | _initial_scales(values, phi)
    scales["m_bb"] = float(np.median(_ratios(values, scales, ["m_bb"])))
    scales = _fit(values, scales, [name for name in JETS if name != "jet_4_pt"], ["m_bb"])
    for name in HIGH:
        scales[name] = _mode(_ratios(values, scales, [name])[0])
    # The grid of the neutrino's rule makes local minima in the pseudorapidity of the lepton: fits begin at several.
    free = [name for name in scales if name not in (*PHI, *HIGH)]
    starts = [scales | {"lepton_eta": scales["lepton_eta"] * factor} for factor in LEPTON_ETA_STARTS]
    scales = min((_fit(values, start, free, HIGH) for start in starts), key=lambda fitted: _cost(values, fitted, HIGH))
    scales = _refine(values, scales, ["lepton_pt", "lepton_eta", "missing_energy"], "m_lv")
    agree = np.abs(_ratios(values, scales, HIGH) / [[scales[name]] for name in HIGH] - 1) < 0.005
    fractions = (float(fraction) for fraction in agree.mean(1))
    return Scales(
        {name: scales[name] for name in (*LOW, *HIGH) if name in scales}, dict(zip(HIGH, fractions, strict=True))
    )


def _initial_scales(values: dict[str, np.ndarray], phi: float) -> dict[str, float]:
    """Returns where the search begins: edges of the selection, and the W mass and momenta that m_lv needs.

    `values` are the columns (n,) of the file, `phi` is the scale of angles.
    """
    scales = {}
    for name in LOW:
        if name.endswith("pt"):
            scales[name] = PT_MIN / values[name].min()
        if name.endswith("eta"):
            scales[name] = (LEPTON_ETA_MAX if "lepton" in name else JET_ETA_MAX) / np.abs(values[name]).max()
    m_lv, difference = values["m_lv"], (values["lepton_phi"] - values["missing_energy_phi"]) * phi
    at_w = np.quantile(m_lv, 0.3)  # the rule puts most events at the W mass, and none far below
    scales["m_lv"] = kinematics.W_MASS / np.median(m_lv[np.abs(m_lv / at_w - 1) < 0.03])
    above = m_lv > 1.1 * at_w  # no direction of the neutrino gives the W mass: it is collinear with the lepton
    squared = 2 * values["lepton_pt"] * values["missing_energy"] * (1 - np.cos(difference))
    product = np.median((scales["m_lv"] * m_lv[above]) ** 2 / squared[above])
    return scales | {"missing_energy": product / scales["lepton_pt"]}


def _fit(
    values: dict[str, np.ndarray], scales: dict[str, float], free: list[str], masses: list[str]
) -> dict[str, float]:
    """Fits the scales of `free` features and of `masses` so that the recomputed masses agree best.

    Args:
        values: Columns (n,) of the file.
        scales: Scales of all features, where the fit begins.
        free: Features whose scales are fitted.
        masses: Masses that have to agree; their scales are fitted too.

    Returns:
        All scales, with the fitted ones replaced.
    """
    free = [*free, *masses]

    def residuals(logarithms: np.ndarray) -> np.ndarray:
        trial = scales | dict(zip(free, np.exp(logarithms), strict=True))
        return np.log(_ratios(values, trial, masses) / [[trial[name]] for name in masses]).ravel()

    start = np.log([scales[name] for name in free])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # far off: the fit takes a shorter step
        best = least_squares(residuals, start, loss="cauchy", f_scale=AGREEMENT, diff_step=1e-5, max_nfev=MAX_STEPS)
    return scales | {name: float(scale) for name, scale in zip(free, np.exp(best.x), strict=True)}


def _refine(values: dict[str, np.ndarray], scales: dict[str, float], free: list[str], mass: str) -> dict[str, float]:
    """Improves the fitted scales of a mass and of `free` features by a search that takes no derivatives.

    The neutrino's rule chooses among directions on a grid, so the loss has steps, which derivatives do not see.

    Args:
        values: Columns (n,) of the file.
        scales: Scales of all features, fitted.
        free: Features whose scales are improved.
        mass: Mass that has to agree; its scale is improved too.

    Returns:
        All scales, with the improved ones replaced.
    """
    free = [*free, mass]

    def improved(logarithms: np.ndarray) -> dict[str, float]:
        return scales | {name: scales[name] * float(np.exp(x)) for name, x in zip(free, logarithms, strict=True)}

    corners = np.vstack([np.zeros(len(free)), 5e-4 * np.eye(len(free))])  # as far as fits stop from the best
    options = {"initial_simplex": corners, "maxfev": MAX_TRIALS, "xatol": 1e-6, "fatol": 1e-3}
    best = minimize(lambda x: _cost(values, improved(x), [mass]), corners[0], method="Nelder-Mead", options=options)
    return improved(best.x)


def _cost(values: dict[str, np.ndarray], scales: dict[str, float], masses: Sequence[str]) -> float:
    """Returns the Cauchy loss of some masses with these scales, as `_fit` minimises it."""
    residuals = np.log(_ratios(values, scales, masses) / [[scales[name]] for name in masses])
    return float(np.log1p((residuals / AGREEMENT) ** 2).sum())


def _ratios(values: dict[str, np.ndarray], scales: dict[str, float], masses: Sequence[str]) -> np.ndarray:
    """Returns the ratio (masses, n) of masses recomputed in GeV with these `scales` to the file's own `values`."""
    recomputed = kinematics.recompute(values, scales)
    return np.stack([getattr(recomputed, name) / values[name] for name in masses])


def _mode(values: np.ndarray) -> float:
    """Returns where most of the values lie: the median of those near it, in ever narrower windows."""
    centre = np.median(values)
    for width in (0.2, 0.1, 0.05, 0.02, 0.01, AGREEMENT):
        centre = np.median(values[np.abs(values / centre - 1) < width])
    return float(centre)

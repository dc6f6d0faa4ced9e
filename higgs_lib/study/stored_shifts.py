"""Systematic variations of events that cannot be simulated again: shifts of their stored features.

What happened before the features were stored is out of reach: events that the selection lost do not come back, the
radiation and the masses of particles cannot be changed, and the flavour of a jet is known from its tag alone.
"""

from typing import NamedTuple

import numpy as np

from higgs_lib.data import COMPLETE, HIGH, kinematics
from higgs_lib.simulation import VARIATIONS, SimulationParameters

STORED = ("jet_scale_light", "jet_scale_b", "jet_resolution", "met_noise", "tag_b")
"""The variations that stored features allow; light jets are those without a tag, b jets those with one."""

WIDTHS = ("jet_resolution", "met_noise")
"""Those of them that only widen a distribution: noise can be added to stored features, but not taken away."""

_SIZES = {variation.name: variation.relative for variation in VARIATIONS}
_COLUMN = {name: number for number, name in enumerate(COMPLETE)}
_PT, _ETA, _PHI, _TAG = (
    [_COLUMN[f"jet_{jet}_{quantity}"] for jet in (1, 2, 3, 4)] for quantity in ("pt", "eta", "phi", "b_tag")
)
_MET = [_COLUMN["missing_energy"], _COLUMN["missing_energy_phi"]]
_MASSES = [_COLUMN[name] for name in HIGH]


class Shifted(NamedTuple):
    """Events with shifted features."""

    features: np.ndarray
    """All features in normalised units, (n, 28) float32."""
    weights: np.ndarray
    """What each event counts, (n,); 0 where a jet falls below the selection's threshold."""


def shift(features: np.ndarray, variation: str, deviations: float, *, seed: int) -> Shifted:
    """Shifts the stored features of events by a number of standard deviations of one of the `STORED` variations.

    Changed jet energies change the missing transverse momentum by the opposite amount. A mass that the stored jets give
    is multiplied by the ratio of its recomputed values with and without the shift; in events with other than two tags
    among the four jets all but m_lv stay as stored. A worse resolution is made by additional Gaussian noise: a width
    that grows by the fraction f needs the noise sqrt((1 + f)^2 - 1) times itself.

    Args:
        features: all features in normalised units, (n, 28).
        variation: the name of the variation.
        deviations: the shift in standard deviations; not negative for those of `WIDTHS`.
        seed: of the noise.

    Returns:
        The shifted events, in the same order.

    Raises:
        ValueError: the variation cannot be made from stored features.
    """
    if variation in WIDTHS and deviations < 0:
        raise ValueError(f"{variation}: noise cannot be taken away from stored features; mirror the effect instead")
    if variation not in STORED:
        raise ValueError(f"{variation}: stored features do not allow this variation; they allow {', '.join(STORED)}")
    values, rng, physics = features.astype(float), np.random.default_rng(seed), SimulationParameters()
    weights, tagged = np.ones(len(values)), features[:, _TAG] > 0
    if variation == "tag_b":
        return Shifted(features, (1 + deviations * _SIZES["tag_b"]["tag_b"]) ** tagged.sum(1))
    pt_scales = np.array([kinematics.SCALES[COMPLETE[column]] for column in _PT])
    pt, phi = values[:, _PT] * pt_scales, values[:, _PHI] * kinematics.SCALES["jet_1_phi"]
    met, met_phi = (values[:, column] * kinematics.SCALES[COMPLETE[column]] for column in _MET)
    x, y = met * np.cos(met_phi), met * np.sin(met_phi)
    if variation == "met_noise":
        width = np.hypot(physics.met_noise, physics.met_noise_root / 2 * np.sqrt(pt.sum(1)))
        added = np.sqrt((1 + deviations * _SIZES[variation]["met_noise"]) ** 2 - 1) * width
        x, y = x + added * rng.standard_normal(len(x)), y + added * rng.standard_normal(len(y))
        factors = np.ones_like(pt)
    elif variation == "jet_resolution":
        energy = pt * np.cosh(values[:, _ETA] * [kinematics.SCALES[COMPLETE[column]] for column in _ETA])
        stochastic = np.where(tagged, physics.stochastic_b, physics.stochastic_light)
        width = np.hypot(stochastic / np.sqrt(energy), physics.constant)
        width *= np.sqrt((1 + deviations * _SIZES[variation]["constant"]) ** 2 - 1)
        factors = np.maximum(1 + width * rng.standard_normal(pt.shape), 0)
    else:
        (size,) = _SIZES[variation].values()
        factors = np.where(tagged == (variation == "jet_scale_b"), 1 + deviations * size, 1.0)
    x -= (pt * (factors - 1) * np.cos(phi)).sum(1)
    y -= (pt * (factors - 1) * np.sin(phi)).sum(1)
    weights[(pt * factors < physics.jet_pt_min).any(1)] = 0
    shifted = values.copy()
    shifted[:, _PT] = pt * factors / pt_scales
    shifted[:, _MET] = np.stack([np.hypot(x, y), np.arctan2(y, x)], 1) / [
        kinematics.SCALES[COMPLETE[column]] for column in _MET
    ]
    before, after = (_masses(events) for events in (values, shifted))
    ratio = np.divide(after, before, where=before > 0, out=np.ones_like(after))
    shifted[:, _MASSES] = values[:, _MASSES] * np.where(np.isfinite(ratio), ratio, 1.0)
    return Shifted(shifted.astype(np.float32), weights)


def _masses(values: np.ndarray) -> np.ndarray:
    """Returns the recomputed masses (n, 7) in GeV; nan where they cannot be told."""
    return np.stack(kinematics.recompute(dict(zip(COMPLETE, values.T, strict=True))), 1)

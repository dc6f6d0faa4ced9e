"""Four-vectors (E, px, py, pz) in GeV, the file's units in GeV and back, and the rules of the seven masses.

The scales and rules were found from the events of UCI HIGGS themselves (doi:10.24432/C5V312): selection
thresholds, the range of phi, and masses recomputed from four-vectors against the file's own.
"""

from typing import NamedTuple

import numpy as np

W_MASS = 80.4  # GeV, the value that the file's neutrino and m_jj rules use
TOP_MASS = 175.0  # GeV, the value that the file's m_jjj rule uses

NEUTRINO_ETA_LIMIT, NEUTRINO_ETA_STEP = 3.0, 0.05  # the grid of the file's neutrino rule

_PHI = 1.8022  # rad per unit: the spread of a uniform angle, pi / sqrt(3), within 0.7 %

SCALES = {
    "lepton_pt": 54.6,
    "lepton_eta": 1.0267,
    "lepton_phi": _PHI,
    "missing_energy": 58.2,
    "missing_energy_phi": _PHI,
    "jet_1_pt": 109.09,
    "jet_1_eta": 1.0102,
    "jet_1_phi": _PHI,
    "jet_2_pt": 79.37,
    "jet_2_eta": 1.0298,
    "jet_2_phi": _PHI,
    "jet_3_pt": 56.90,
    "jet_3_eta": 1.0988,
    "jet_3_phi": _PHI,
    "jet_4_pt": 41.055,
    "jet_4_eta": 1.2010,
    "jet_4_phi": _PHI,
    "m_jj": 87.62,
    "m_jjj": 179.56,
    "m_lv": 81.42,
    "m_jlv": 195.1,
    "m_bb": 126.49,
    "m_wbb": 336.13,
    "m_wwbb": 511.07,
}
"""Value in GeV, radians or pseudorapidity = value in the file x scale. B-tags have levels instead."""

B_TAG_LEVELS = np.array(
    [
        [0, 1.0865380764007568, 2.1730761528015137],
        [0, 1.1074360609054565, 2.214872121810913],
        [0, 1.2741122245788574, 2.548224449157715],
        [0, 1.5509806871414185, 3.101961374282837],
    ],
    np.float32,
)
"""(4, 3): the value in the file for jets 1 to 4 without a tag, with a loose and with a tight one. Exact float32."""


def to_physical(values: np.ndarray, name: str) -> np.ndarray:
    """The values of feature `name` (any shape, the file's units) in GeV, rad or pseudorapidity; b-tags as 0, 1, 2."""
    if name.endswith("b_tag"):
        return np.rint(values / B_TAG_LEVELS[int(name[4]) - 1, 1])
    return values * SCALES[name]


def to_file(values: np.ndarray, name: str) -> np.ndarray:
    """The inverse of `to_physical`, as float32."""
    if name.endswith("b_tag"):
        return B_TAG_LEVELS[int(name[4]) - 1][np.asarray(values, int)]
    return (values / SCALES[name]).astype(np.float32)


def massless(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Four-vectors (..., 4) in GeV of massless particles from pT in GeV, pseudorapidity and phi in rad."""
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], -1)


def mass(p: np.ndarray) -> np.ndarray:
    """Invariant mass in GeV of four-vectors (..., 4); 0 where rounding makes its square negative."""
    energy, x, y, z = np.moveaxis(p, -1, 0)
    return np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0))


def pt_eta_phi(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transverse momentum in GeV, pseudorapidity and phi in rad of four-vectors (..., 4)."""
    pt = np.hypot(p[..., 1], p[..., 2])
    eta = np.arcsinh(p[..., 3] / np.maximum(pt, 1e-3))  # 1 MeV: keeps a particle along the beam finite
    return pt, eta, np.arctan2(p[..., 2], p[..., 1])


def boost(p: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Four-vectors `p` (n, 4), given in the rest frame of `frame` (n, 4), as seen where `frame` is given."""
    frame_mass = mass(frame)
    along = (frame[:, 1:] * p[:, 1:]).sum(-1)
    energy = (frame[:, 0] * p[:, 0] + along) / frame_mass
    factor = (p[:, 0] + energy) / (frame[:, 0] + frame_mass)
    return np.concatenate([energy[:, None], p[:, 1:] + factor[:, None] * frame[:, 1:]], -1)


def angle_between(phi_1: np.ndarray, phi_2: np.ndarray) -> np.ndarray:
    """Difference of two azimuthal angles in rad, in [0, pi]."""
    difference = np.abs(phi_1 - phi_2) % (2 * np.pi)
    return np.minimum(difference, 2 * np.pi - difference)


def neutrino_eta(
    lepton_pt: np.ndarray, lepton_eta: np.ndarray, lepton_phi: np.ndarray, met: np.ndarray, met_phi: np.ndarray
) -> np.ndarray:
    """The neutrino's pseudorapidity by the file's rule: on a grid, where the lepton and it come nearest to the W mass.

    All arguments (n,), in GeV and rad. With massless particles m^2 = 2 pT MET (cosh(d eta) - cos(d phi)), so only
    the grid points beside the two solutions, or the one nearest to the lepton if there is none, can win.
    """
    cos_phi = np.cos(lepton_phi - met_phi)
    product = 2 * lepton_pt * np.maximum(met, 1e-6)
    distance = np.arccosh(np.maximum(W_MASS**2 / product + cos_phi, 1))
    below = np.stack([lepton_eta - distance, lepton_eta + distance, lepton_eta]) / NEUTRINO_ETA_STEP
    grid = np.concatenate([np.floor(below), np.ceil(below)]) * NEUTRINO_ETA_STEP
    grid = np.clip(grid, -NEUTRINO_ETA_LIMIT, NEUTRINO_ETA_LIMIT)
    candidates = np.sqrt(np.maximum(product * (np.cosh(grid - lepton_eta) - cos_phi), 0))
    best = np.abs(candidates - W_MASS).argmin(0)
    return np.take_along_axis(grid, best[None], 0)[0]


class Masses(NamedTuple):
    """The seven high-level features, each (n,), in GeV, in the file's order."""

    m_jj: np.ndarray
    m_jjj: np.ndarray
    m_lv: np.ndarray
    m_jlv: np.ndarray
    m_bb: np.ndarray
    m_wbb: np.ndarray
    m_wwbb: np.ndarray


def _hadronic_w(jets: np.ndarray, exists: np.ndarray) -> np.ndarray:
    """The pair among the untagged `jets` (n, m, 4) whose mass is nearest to the W's: its sum (n, 4)."""
    nearest = np.full(len(jets), np.inf)
    w = np.zeros((len(jets), 4))
    for i in range(jets.shape[1]):
        for j in range(i + 1, jets.shape[1]):
            pair = jets[:, i] + jets[:, j]
            distance = np.where(exists[:, i] & exists[:, j], np.abs(mass(pair) - W_MASS), np.inf)
            better = distance < nearest
            nearest[better], w[better] = distance[better], pair[better]
    return w


def high_level_masses(jets: np.ndarray, tagged: np.ndarray, lepton: np.ndarray, neutrino: np.ndarray) -> Masses:
    """The seven masses by the file's own rules, for events with exactly two tagged jets and two others.

    Jets are (n, k, 4) in GeV, zero where there is none; `tagged` is (n, k) bool; lepton and neutrino are (n, 4).
    """
    order = np.argsort(~tagged, 1, kind="stable")
    jets = np.take_along_axis(jets, order[:, :, None], 1)
    b_1, b_2 = jets[:, 0], jets[:, 1]
    hadronic_w = _hadronic_w(jets[:, 2:], jets[:, 2:, 0] > 0)
    leptonic_w, bb = lepton + neutrino, b_1 + b_2
    top_1, top_2 = mass(hadronic_w + b_1), mass(hadronic_w + b_2)
    first = np.abs(top_1 - TOP_MASS) < np.abs(top_2 - TOP_MASS)
    other_b = np.where(first[:, None], b_2, b_1)
    return Masses(
        m_jj=mass(hadronic_w),
        m_jjj=np.where(first, top_1, top_2),
        m_lv=mass(leptonic_w),
        m_jlv=mass(leptonic_w + other_b),
        m_bb=mass(bb),
        m_wbb=np.maximum(mass(bb + hadronic_w), mass(bb + leptonic_w)),
        m_wwbb=mass(bb + hadronic_w + leptonic_w),
    )

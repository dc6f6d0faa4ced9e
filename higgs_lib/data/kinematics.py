"""Converts normalised units to four-vectors in GeV and back, and computes the seven masses by the file's rules.

`four_vectors` returns `vector` arrays; inside the package four-vectors are plain arrays (4, ...) of E, px, py, pz.
The scales and rules were found from the events of UCI HIGGS (doi:10.24432/C5V312); `calibration` derives the scales.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import vector

from higgs_lib.data.checks import check_b_tags, check_feature, check_floats, check_four_vectors
from higgs_lib.data.features import COMPLETE, JET_QUANTITIES, LOW

W_MASS = 80.4  # GeV, as in the file's neutrino and m_jj rules
TOP_MASS = 175.0  # GeV, as in the file's m_jjj rule

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
"""Scale of each feature: value in GeV, rad or pseudorapidity = normalised value x scale. B-tags have levels instead."""

B_TAG_LEVELS = np.array(
    [
        [0, 1.0865380764007568, 2.1730761528015137],
        [0, 1.1074360609054565, 2.214872121810913],
        [0, 1.2741122245788574, 2.548224449157715],
        [0, 1.5509806871414185, 3.101961374282837],
    ],
    np.float32,
)
"""Normalised values (4, 3) of jets 1 to 4 without a tag, with a loose and with a tight one; exact float32."""


def to_physical(values: np.ndarray, name: str) -> np.ndarray:
    """Converts normalised values of feature `name` (any shape) to GeV, rad or pseudorapidity; b-tags to 0, 1, 2.

    float32 stays float32, all else is float64. Raises ValueError for an unknown feature, and for b-tags at none of the
    three levels.
    """
    values = check_floats(name, values)
    if check_feature(name, COMPLETE).endswith("b_tag"):
        return check_b_tags(name, np.rint(values / B_TAG_LEVELS[int(name[4]) - 1, 1]))
    return values * SCALES[name]


def to_normalised(values: np.ndarray, name: str) -> np.ndarray:
    """Converts values of feature `name` back to normalised units, as float32; the inverse of `to_physical`.

    Raises ValueError for an unknown feature, and for b-tags that are not 0, 1 or 2.
    """
    if check_feature(name, COMPLETE).endswith("b_tag"):
        return B_TAG_LEVELS[int(name[4]) - 1][check_b_tags(name, values).astype(int)]
    return (check_floats(name, values) / SCALES[name]).astype(np.float32)


def bin_edges(values: np.ndarray, name: str, n_bins: int) -> np.ndarray:
    """Returns edges (n_bins + 1,) of a histogram of feature `name`, whose `values` are in GeV or rad.

    Momenta and masses are shown without the highest 2 %, their long tail; angles from -x to x. Each b-tag has one bin.
    Raises ValueError for an unknown feature, or if there are no values or one is not finite.
    """
    values = check_floats(name, values)
    if not (values.size and np.isfinite(values).all()):
        raise ValueError(f"{name}: the edges of {values.size} values need at least one, and all of them finite")
    if check_feature(name, COMPLETE).endswith("b_tag"):
        return np.arange(4) - 0.5
    if name.endswith(("eta", "phi")):
        limit = np.quantile(np.abs(values), 0.999)
        return np.linspace(-limit, limit, n_bins + 1)
    return np.linspace(*np.quantile(values, [0.001, 0.98]), n_bins + 1)


class FourVectors(NamedTuple):
    """What the detector measures in n events, in GeV and rad, as arrays of the `vector` package."""

    lepton: vector.MomentumNumpy4D
    """Massless leptons (n,)."""
    missing: vector.MomentumNumpy2D
    """Missing transverse momenta (n,)."""
    jets: vector.MomentumNumpy4D
    """Massless jets (4, n), in the file's order."""
    b_tags: np.ndarray
    """B-tags (4, n): 0 without a tag, 1 with a loose and 2 with a tight one."""


def four_vectors(table: pa.Table | Mapping[str, np.ndarray]) -> FourVectors:
    """Returns the four-vectors of a `table` with the 21 low-level columns in normalised units."""
    values = {name: to_physical(np.asarray(table[name]), name) for name in LOW}
    pt, eta, phi, b_tags = (np.stack([values[f"jet_{jet}_{q}"] for jet in (1, 2, 3, 4)]) for q in JET_QUANTITIES)
    lepton = {q: values[f"lepton_{q}"] for q in ("pt", "eta", "phi")}
    return FourVectors(
        vector.array(lepton | {"mass": np.zeros_like(lepton["pt"])}),
        vector.array({"pt": values["missing_energy"], "phi": values["missing_energy_phi"]}),
        vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": np.zeros_like(pt)}),
        b_tags.astype(np.int8),
    )


def to_table(events: FourVectors) -> pa.Table:
    """Returns the 21 low-level columns, float32, in normalised units; the inverse of `four_vectors`."""
    lepton, missing = events.lepton, events.missing
    columns = [lepton.pt, lepton.eta, lepton.phi, missing.pt, missing.phi]
    for jet, b_tag in zip(events.jets, events.b_tags, strict=True):
        columns += [jet.pt, jet.eta, jet.phi, b_tag]
    return pa.table({name: to_normalised(column, name) for name, column in zip(LOW, columns, strict=True)})


def massless(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Returns four-vectors (4, ...) in GeV of massless particles with `pt` in GeV and `phi` in rad."""
    pt, eta, phi = (check_floats(name, values) for name, values in (("pt", pt), ("eta", eta), ("phi", phi)))
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])


def mass(p: np.ndarray) -> np.ndarray:
    """Returns the invariant masses in GeV of four-vectors (4, ...); 0 where rounding makes the square negative."""
    energy, x, y, z = check_four_vectors("p", p)
    return np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0))


def pt_eta_phi(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns transverse momentum in GeV, pseudorapidity and phi in rad of four-vectors (4, ...)."""
    _, x, y, z = check_four_vectors("p", p)
    pt = np.sqrt(x**2 + y**2)
    return pt, np.arcsinh(z / np.maximum(pt, 1e-3)), np.arctan2(y, x)  # 1 MeV keeps one along the beam finite


def boost(p: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Boosts four-vectors `p` (4, n) from the rest frame of `frame` (4, n) to the frame in which `frame` is given."""
    p, frame = check_four_vectors("p", p), check_four_vectors("frame", frame)
    frame_mass = mass(frame)
    energy = (frame * p).sum(0) / frame_mass
    boosted = p + (p[0] + energy) / (frame[0] + frame_mass) * frame
    boosted[0] = energy
    return boosted


def angle_between(phi_1: np.ndarray, phi_2: np.ndarray) -> np.ndarray:
    """Returns the angle in rad, in [0, pi], between two azimuthal angles."""
    difference = phi_1 - phi_2
    return np.abs(difference - 2 * np.pi * np.rint(difference / (2 * np.pi)))


def neutrino_eta(
    lepton_pt: np.ndarray, lepton_eta: np.ndarray, lepton_phi: np.ndarray, met: np.ndarray, met_phi: np.ndarray
) -> np.ndarray:
    """Returns the neutrino's pseudorapidity by the file's rule: on a grid, where m_lv is nearest to the W mass.

    With massless particles m^2 = 2 pT MET (cosh(d eta) - cos(d phi)), so only the grid points beside the two solutions,
    or those beside the lepton if there is no solution, can be nearest.

    Args:
        lepton_pt: Transverse momentum (n,) of the lepton in GeV.
        lepton_eta: Pseudorapidity (n,) of the lepton.
        lepton_phi: Azimuthal angle (n,) of the lepton in rad.
        met: Missing transverse energy (n,) in GeV.
        met_phi: Its azimuthal angle (n,) in rad.

    Returns:
        Pseudorapidities (n,).
    """
    cos_phi = np.cos(lepton_phi - met_phi)
    product = 2 * lepton_pt * np.maximum(met, 1e-6)
    distance = np.arccosh(np.maximum(W_MASS**2 / product + cos_phi, 1))
    places = np.stack([lepton_eta - distance, lepton_eta + distance, lepton_eta]) / NEUTRINO_ETA_STEP
    grid = np.concatenate([np.floor(places), np.ceil(places)]) * NEUTRINO_ETA_STEP
    grid = np.clip(grid, -NEUTRINO_ETA_LIMIT, NEUTRINO_ETA_LIMIT)
    masses = np.sqrt(np.maximum(product * (np.cosh(grid - lepton_eta) - cos_phi), 0))
    best = np.abs(masses - W_MASS).argmin(0)
    return np.take_along_axis(grid, best[None], 0)[0]


class Masses(NamedTuple):
    """The seven high-level features, (n,) each, in GeV, in the file's order."""

    m_jj: np.ndarray
    m_jjj: np.ndarray
    m_lv: np.ndarray
    m_jlv: np.ndarray
    m_bb: np.ndarray
    m_wbb: np.ndarray
    m_wwbb: np.ndarray


def _hadronic_w(jets: np.ndarray) -> np.ndarray:
    """Returns the sum (4, n) of the pair of untagged `jets` (4, k, n) whose mass is nearest to the W mass."""
    _, k, n = jets.shape
    nearest, w = np.full(n, np.inf), np.zeros((4, n))
    for i in range(k):
        for j in range(i + 1, k):
            events = np.flatnonzero((jets[0, i] > 0) & (jets[0, j] > 0))
            pair = jets[:, i, events] + jets[:, j, events]
            distance = np.abs(mass(pair) - W_MASS)
            better = distance < nearest[events]
            nearest[events[better]], w[:, events[better]] = distance[better], pair[:, better]
    return w


def high_level_masses(jets: np.ndarray, tagged: np.ndarray, lepton: np.ndarray, neutrino: np.ndarray) -> Masses:
    """Computes the seven masses by the file's own rules, for events with exactly two tagged jets and two others.

    Args:
        jets: Four-vectors (4, k, n) in GeV, zero where there is no jet.
        tagged: Whether each jet has a b-tag, (k, n) bool.
        lepton: Four-vectors (4, n) in GeV.
        neutrino: Four-vectors (4, n) in GeV.

    Returns:
        The masses, (n,) each, in GeV.

    Raises:
        ValueError: `tagged` is not bool with a value for each jet, or what are four-vectors has other shapes.
    """
    jets = check_four_vectors("jets", jets)
    tagged = np.asarray(tagged)
    if tagged.dtype != bool or tagged.shape != jets.shape[1:]:
        raise ValueError(f"tagged must be bool of shape {jets.shape[1:]}, not {tagged.dtype} of {tagged.shape}")
    lepton, neutrino = check_four_vectors("lepton", lepton), check_four_vectors("neutrino", neutrino)
    order = np.argsort(~tagged, 0, kind="stable")
    jets = np.take_along_axis(jets, order[None], 1)
    b_1, b_2 = jets[:, 0], jets[:, 1]
    hadronic_w = _hadronic_w(jets[:, 2:])
    leptonic_w, bb = lepton + neutrino, b_1 + b_2
    top_1, top_2 = mass(hadronic_w + b_1), mass(hadronic_w + b_2)
    first = np.abs(top_1 - TOP_MASS) < np.abs(top_2 - TOP_MASS)  # the first b quark's top decays to jets
    other_b = np.where(first, b_2, b_1)
    return Masses(
        m_jj=mass(hadronic_w),
        m_jjj=np.where(first, top_1, top_2),
        m_lv=mass(leptonic_w),
        m_jlv=mass(leptonic_w + other_b),
        m_bb=mass(bb),
        m_wbb=np.maximum(mass(bb + hadronic_w), mass(bb + leptonic_w)),
        m_wwbb=mass(bb + hadronic_w + leptonic_w),
    )


def recompute(table: pa.Table | Mapping[str, np.ndarray], scales: Mapping[str, float] = SCALES) -> Masses:
    """Recomputes the seven masses, in GeV, of a `table` with the 21 low-level columns in normalised units.

    All but m_lv are nan where not exactly two of the four stored jets are tagged. m_bb is exact; masses with the
    W's two jets agree with the file's only where both are among the four stored.
    """
    values = {name: np.asarray(table[name], float) * scales.get(name, 1.0) for name in LOW}
    pt, eta, phi, b_tag = (np.stack([values[f"jet_{jet}_{q}"] for jet in (1, 2, 3, 4)]) for q in JET_QUANTITIES)
    lepton = [values[f"lepton_{q}"] for q in ("pt", "eta", "phi")]
    missing = values["missing_energy"], values["missing_energy_phi"]
    neutrino = massless(missing[0], neutrino_eta(*lepton, *missing), missing[1])
    tagged = b_tag > 0
    masses = high_level_masses(massless(pt, eta, phi), tagged, massless(*lepton), neutrino)
    two_tags = tagged.sum(0) == 2
    return Masses(*(m if name == "m_lv" else np.where(two_tags, m, np.nan) for name, m in masses._asdict().items()))

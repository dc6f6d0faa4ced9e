"""From the particles of a collision to what a detector writes down: jets, b-tags, missing energy, the selection.

Parton level, vectorised: an array (slots, n_events) per quantity. Constants were fitted to UCI HIGGS
(doi:10.24432/C5V312, CC BY 4.0). Momenta are in GeV.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from higgs_lib import kinematics
from higgs_lib.features import COMPLETE
from higgs_lib.kinematics import angle_between
from higgs_lib.process import Particles

LIGHT, CHARM, BOTTOM = 1, 4, 5  # flavours; the heavier wins when partons merge

N_QUARKS = 4  # two b quarks, two of a W
FAR = 99.0  # pseudorapidity of an empty slot: near to nothing
STORED_JETS = 4
RECONSTRUCTED_JETS = 8  # jets beyond the first eight are dropped


@dataclass(frozen=True)
class Detector:
    """Radiation in the final state, jets, response, tags and selection. Defaults are fitted to UCI HIGGS."""

    fsr_light: float = 0.236
    fsr_b: float = 0.292
    """Share of light and of b quarks that split once, with densities 1/z and 1/angle."""
    fsr_z_min: float = 0.0262
    fsr_angle: tuple[float, float] = (0.4, 1.6)
    jet_radius: float = 0.601
    jet_radius_spread: float = 0.084
    """Partons nearer than this merge: normal, one value an event."""
    response_light: float = 1.046
    response_b: float = 0.969
    """Measured over true energy: effective, since energy from outside the parton falls into its jet."""
    loss_light: float = 0.022
    loss_b: float = 0.0388
    """Scale of the exponential energy loss out of the jet at 50 GeV."""
    stochastic: float = 1.101
    constant: float = 0.0558
    """Jet energy resolution: stochastic / sqrt(E) and constant, added in quadrature."""
    tail_light: float = 0.129
    tail_b: float = 0.271
    """Share of jets at 40 GeV that lose up to `tail_depth` of their energy."""
    tail_depth: float = 0.623
    b_neutrino_share: float = 0.301
    """Share of b jets with a neutrino, whose energy share is Beta(1.2, `b_neutrino_shape`)."""
    b_neutrino_shape: float = 6.530
    met_noise: float = 3.743
    met_noise_root: float = 1.048
    """Missing energy noise on each axis: met_noise and met_noise_root sqrt(sum pT) / 2, added in quadrature."""
    lepton_resolution: float = 0.02
    tag_b: float = 0.586
    tag_charm: float = 0.236
    tag_light: float = 0.0141
    """Tag efficiencies at high pT; they rise as 1 - exp(-pT / tag_pt) and fall over tag_eta to zero."""
    tag_pt: float = 28.49
    tag_eta: tuple[float, float] = (1.45, 1.78)
    loose_tags: float = 0.183
    """Share of tags at the lower of the two levels."""
    order_noise: float = 0.327
    order_tag_shift: float = -0.119
    """Stored jets are ordered by pT times log-normal noise, tagged ones shifted by this logarithm."""
    lepton_pt_min: float = 15.0
    lepton_eta_max: float = 2.5
    jet_pt_min: float = 15.0
    jet_eta_max: float = 3.0
    isolation: float = 0.4
    """No jet within this distance in eta and phi of the lepton."""


class _Jets(NamedTuple):
    """Partons or jets in slots, each (slots, n); pt = 0 and a far eta where a slot is empty."""

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    flavour: np.ndarray

    def take(self, chosen: np.ndarray) -> "_Jets":
        return _Jets(*(array[:, chosen] for array in self))


def measure(particles: Particles, det: Detector, rng: np.random.Generator) -> np.ndarray:
    """The collisions that pass the selection, as the 28 features in the file's units: (n_selected, 28) float32."""
    particles = particles.take(_lepton_in_reach(particles.lepton, det))
    partons = _radiate(particles, det, rng)
    chosen = _may_be_selected(partons)
    particles, partons = particles.take(chosen), partons.take(chosen)
    partons = _merge(partons, det, rng)
    measured_pt = partons.pt * _response(partons, det, rng)
    met_x, met_y = _missing_energy(particles.neutrino, partons, measured_pt, det, rng)
    lepton_pt, lepton_eta, lepton_phi = kinematics.pt_eta_phi(particles.lepton)
    lepton_pt = lepton_pt * (1 + det.lepton_resolution * rng.standard_normal(len(lepton_pt)))
    jets = partons._replace(pt=measured_pt)
    seen = (jets.pt > det.jet_pt_min) & (np.abs(jets.eta) < det.jet_eta_max)
    tagged = _tagged(jets, det, rng) & seen
    isolated = _isolated(jets, lepton_eta, lepton_phi, det)
    selected = (seen.sum(0) >= STORED_JETS) & (tagged.sum(0) == 2) & isolated & (lepton_pt > det.lepton_pt_min)
    jets = jets._replace(pt=np.where(seen, jets.pt, 0)).take(selected)
    level = np.where(tagged, np.where(rng.random(tagged.shape) < det.loose_tags, 1, 2), 0)[:, selected]
    lepton = [x[selected] for x in (lepton_pt, lepton_eta, lepton_phi)]
    met = [np.hypot(met_x, met_y)[selected], np.arctan2(met_y, met_x)[selected]]
    return _reconstruct(jets, level, lepton, met, det, rng)


def _lepton_in_reach(lepton: np.ndarray, det: Detector) -> np.ndarray:
    pt, eta, _ = kinematics.pt_eta_phi(lepton)
    return (pt > det.lepton_pt_min - 0.5) & (np.abs(eta) < det.lepton_eta_max)  # resolution lifts few over 0.5 GeV


def _radiate(particles: Particles, det: Detector, rng) -> _Jets:
    """Each quark may split in two; the emissions of the initial state follow."""
    pt, eta, phi = (x.T for x in kinematics.pt_eta_phi(particles.quarks))
    n = pt.shape[1]
    chance = np.array([det.fsr_b, det.fsr_b, det.fsr_light, det.fsr_light])[:, None]
    z = det.fsr_z_min * (0.5 / det.fsr_z_min) ** rng.random(pt.shape)
    z = np.where(rng.random(pt.shape) < chance, z, 0)
    smallest, largest = det.fsr_angle
    angle = smallest * (largest / smallest) ** rng.random(pt.shape)
    azimuth = rng.uniform(-np.pi, np.pi, pt.shape)
    d_eta, d_phi = angle * np.cos(azimuth), angle * np.sin(azimuth)
    isr_pt, isr_eta, isr_phi = (x.T for x in kinematics.pt_eta_phi(particles.emissions))
    all_pt = np.concatenate([pt * (1 - z), pt * z, isr_pt])
    all_eta = np.concatenate([eta - d_eta * z, eta + d_eta * (1 - z), np.clip(isr_eta, -6, 6)])
    all_phi = np.concatenate([phi - d_phi * z, phi + d_phi * (1 - z), isr_phi])
    flavour = np.full(all_pt.shape, LIGHT, np.int8)
    flavour[:2] = BOTTOM
    flavour[2] = np.where(rng.random(n) < 0.5, CHARM, LIGHT)  # half of hadronic W bosons decay to charm
    return _Jets(all_pt, np.where(all_pt > 0, all_eta, FAR), all_phi, flavour)


def _may_be_selected(partons: _Jets) -> np.ndarray:
    """Looser than the selection: merging and response lift few events over it."""
    jets = (partons.pt > 11) & (np.abs(partons.eta) < 3.2)
    tags = (partons.pt > 10) & (np.abs(partons.eta) < 1.9)
    return (jets.sum(0) >= STORED_JETS) & (tags.sum(0) >= 2)


def _merge(partons: _Jets, det: Detector, rng) -> _Jets:
    """Adds to each quark, in turn, the later partons within the jet radius; the emissions stay apart."""
    n_slots, n = partons.pt.shape
    radius_2 = np.maximum(det.jet_radius + det.jet_radius_spread * rng.standard_normal(n), 0.2) ** 2
    pt, eta, phi, flavour = (array.copy() for array in partons)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), np.where(pt > 0, pt * np.sinh(np.clip(eta, -9, 9)), 0)
    for i in range(2 * N_QUARKS):
        for j in range(i + 1, n_slots):
            d_eta = eta[i] - eta[j]
            near = np.flatnonzero(np.abs(d_eta) < 1)
            near = near[(pt[i, near] > 0) & (pt[j, near] > 0)]
            distance_2 = d_eta[near] ** 2 + angle_between(phi[i, near], phi[j, near]) ** 2
            k = near[distance_2 < radius_2[near]]
            for p in (px, py, pz):
                p[i, k] += p[j, k]
            pt[i, k] = np.hypot(px[i, k], py[i, k])
            eta[i, k] = np.arcsinh(pz[i, k] / np.maximum(pt[i, k], 1e-3))
            phi[i, k] = np.arctan2(py[i, k], px[i, k])
            flavour[i, k] = np.maximum(flavour[i, k], flavour[j, k])
            pt[j, k], eta[j, k] = 0, FAR
    return _Jets(pt, eta, phi, flavour)


def _response(jets: _Jets, det: Detector, rng) -> np.ndarray:
    """Measured over true energy of each jet: losses, tails, neutrinos of b decays, resolution; not below zero."""
    shape, b = jets.pt.shape, jets.flavour == BOTTOM
    loss = rng.exponential(np.sqrt(50 / np.maximum(jets.pt, 8))) - 1
    response = np.where(b, det.response_b, det.response_light) - np.where(b, det.loss_b, det.loss_light) * loss
    chance = np.where(b, det.tail_b, det.tail_light) * np.sqrt(40 / np.maximum(jets.pt, 20))
    response = np.where(rng.random(shape) < chance, response * (1 - det.tail_depth * rng.random(shape)), response)
    decays = b & (rng.random(shape) < det.b_neutrino_share)
    response[decays] *= 1 - rng.beta(1.2, det.b_neutrino_shape, decays.sum())
    energy = jets.pt * np.cosh(np.clip(jets.eta, -6, 6))
    resolution = np.sqrt(det.stochastic**2 / np.maximum(energy, 1) + det.constant**2)
    return np.maximum(response * (1 + resolution * rng.standard_normal(shape)), 0)


def _missing_energy(neutrino, partons: _Jets, measured_pt, det: Detector, rng) -> tuple[np.ndarray, np.ndarray]:
    """Its two transverse components (n,): the neutrino, what the jets mismeasure, and noise."""
    excess = measured_pt - partons.pt
    noise = np.sqrt(det.met_noise**2 + det.met_noise_root**2 * 0.25 * partons.pt.sum(0))
    along = (np.cos(partons.phi), np.sin(partons.phi))
    return tuple(
        neutrino[:, axis] - (excess * direction).sum(0) + noise * rng.standard_normal(len(noise))
        for axis, direction in enumerate(along, 1)
    )


def _tagged(jets: _Jets, det: Detector, rng) -> np.ndarray:
    by_flavour = np.where(
        jets.flavour == BOTTOM, det.tag_b, np.where(jets.flavour == CHARM, det.tag_charm, det.tag_light)
    )
    inner, outer = det.tag_eta
    in_tracker = np.clip((outer - np.abs(jets.eta)) / (outer - inner), 0, 1)
    return rng.random(jets.pt.shape) < by_flavour * (1 - np.exp(-jets.pt / det.tag_pt)) * in_tracker


def _isolated(jets: _Jets, lepton_eta, lepton_phi, det: Detector) -> np.ndarray:
    distance_2 = (jets.eta - lepton_eta) ** 2 + angle_between(jets.phi, lepton_phi) ** 2
    return ~((jets.pt > det.jet_pt_min) & (distance_2 < det.isolation**2)).any(0)


def _reconstruct(jets: _Jets, level: np.ndarray, lepton, met, det: Detector, rng) -> np.ndarray:
    """Orders the jets as the file does and computes its 28 columns: (n, 28)."""
    key = jets.pt * np.exp(det.order_noise * rng.standard_normal(jets.pt.shape) + det.order_tag_shift * (level > 0))
    order = np.argsort(-key, 0)[:RECONSTRUCTED_JETS]
    pt, eta, phi, level = (np.take_along_axis(x, order, 0) for x in (jets.pt, jets.eta, jets.phi, level))
    four_vectors = np.moveaxis(kinematics.massless(pt, np.where(pt > 0, eta, 0), phi), 0, 1)
    neutrino = kinematics.massless(met[0], kinematics.neutrino_eta(*lepton, *met), met[1])
    masses = kinematics.high_level_masses(four_vectors, level.T > 0, kinematics.massless(*lepton), neutrino)
    stored = [x for jet in range(STORED_JETS) for x in (pt[jet], eta[jet], _wrapped(phi[jet]), level[jet])]
    columns = [*lepton, *met, *stored, *masses]
    return np.stack([kinematics.to_file(x, name) for x, name in zip(columns, COMPLETE, strict=True)], 1)


def _wrapped(phi: np.ndarray) -> np.ndarray:
    """The same angle in [-pi, pi)."""
    return (phi + np.pi) % (2 * np.pi) - np.pi

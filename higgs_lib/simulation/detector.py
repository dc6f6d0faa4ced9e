"""From the particles of a collision to what a detector writes down: jets, b-tags, missing energy, the selection.

Parton level, vectorised: an array (slots, n_events) per quantity, float32 for speed. Momenta are in GeV.
"""

from typing import NamedTuple

import numpy as np

from higgs_lib.data import COMPLETE, kinematics
from higgs_lib.data.kinematics import angle_between
from higgs_lib.simulation.hard_process import MAX_EMISSIONS, Particles
from higgs_lib.simulation.parameters import SimulationParameters

# slots of partons; when two merge the earlier, heavier one keeps its flavour
N_QUARKS = 4
QUARKS, RADIATED, ISR = slice(0, N_QUARKS), slice(N_QUARKS, 2 * N_QUARKS), slice(2 * N_QUARKS, None)
CHARM = 2  # after the two b quarks: half of hadronic W bosons decay to charm
N_SLOTS = 2 * N_QUARKS + MAX_EMISSIONS
FAR = 99 * (1 + np.arange(N_SLOTS, dtype=np.float32))[:, None]  # pseudorapidity of empty slots: near to nothing
STORED_JETS, N_TAGS = 4, 2
RECONSTRUCTED_JETS = 8  # jets beyond the first eight are dropped


class _Jets(NamedTuple):
    """Partons or jets in slots, each (slots, n); pt = 0 and eta far away where a slot is empty."""

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    candidate: np.ndarray
    """bool: tagged, if in the best place"""

    def take(self, chosen: np.ndarray) -> "_Jets":
        return _Jets(*(_take(array, chosen) for array in self))


class Chances(NamedTuple):
    """What is drawn before a collision is made: without two candidates for a tag it cannot be selected."""

    splits: np.ndarray
    """(N_QUARKS, n), bool: the quark radiates"""
    candidates: np.ndarray
    """(N_SLOTS, n), bool: the parton, if it is there, would be tagged in the best place, by its flavour"""


def draw_chances(n: int, physics: SimulationParameters, rng: np.random.Generator) -> Chances:
    """The chances of those of `n` collisions that have two candidates for a tag."""
    splits = rng.random((N_QUARKS, n), np.float32) < _column([physics.fsr_b] * 2 + [physics.fsr_light] * 2)
    efficiency = [physics.tag_b] * 2 + [physics.tag_light] * 2 + [physics.tag_b_radiation] * 2
    efficiency += [physics.tag_light] * 2 + [physics.tag_isr] * MAX_EMISSIONS
    candidates = rng.random((N_SLOTS, n), np.float32) < _column(efficiency)
    candidates[CHARM] = rng.random(n) < np.where(rng.random(n) < 0.5, physics.tag_charm, physics.tag_light)
    candidates[RADIATED] &= splits
    possible = np.flatnonzero(candidates.sum(0) >= N_TAGS)
    return Chances(splits[:, possible], candidates[:, possible])


def _column(values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def measure(
    particles: Particles, chances: Chances, physics: SimulationParameters, rng: np.random.Generator
) -> np.ndarray:
    """The collisions that pass the selection, as the 28 features in the file's units: (n_selected, 28) float32.

    What is lost is dropped as soon as that is known.
    """
    lepton, found = _lepton(particles.lepton, physics, rng)
    particles, chances = (type(kept)(*(_take(array, found) for array in kept)) for kept in (particles, chances))
    partons = _radiate(particles, chances, physics, rng)
    chosen = np.flatnonzero(_may_be_selected(partons, physics))
    lepton, neutrino, partons = _take(lepton, chosen), _take(particles.neutrino, chosen), partons.take(chosen)
    partons = _in_tracker(_merge(partons, physics, rng), physics, rng)
    chosen = np.flatnonzero(_may_be_selected(partons, physics))
    lepton, neutrino, partons = _take(lepton, chosen), _take(neutrino, chosen), partons.take(chosen)
    jets = partons._replace(pt=partons.pt * _response(partons, physics, rng))
    met = _missing_energy(neutrino, partons, jets.pt, physics, rng)
    seen = (jets.pt > physics.jet_pt_min) & (np.abs(jets.eta) < physics.jet_eta_max)
    tagged = jets.candidate & seen & (_random(seen.shape, rng) < 1 - np.exp(-jets.pt / physics.tag_pt))
    isolated = _isolated(jets, lepton, physics, rng)
    selected = np.flatnonzero((seen.sum(0) >= STORED_JETS) & (tagged.sum(0) == N_TAGS) & isolated)
    jets = jets._replace(pt=np.where(seen, jets.pt, 0)).take(selected)
    level = _tag_level(jets.pt, tagged[:, selected], physics, rng)
    return _reconstruct(jets, level, _take(lepton, selected), _take(met, selected), physics, rng)


def _random(shape, rng) -> np.ndarray:
    return rng.random(shape, np.float32)


def _normal(shape, rng) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def _take(array: np.ndarray, events: np.ndarray) -> np.ndarray:
    return array.take(events, -1)


def _lepton(lepton: np.ndarray, physics: SimulationParameters, rng) -> tuple[np.ndarray, np.ndarray]:
    """Measured pT, eta and phi (3, n) of the leptons (4, n_tried) that are found, and which these are (n,)."""
    pt, eta, phi = kinematics.pt_eta_phi(lepton)
    pt *= 1 + physics.lepton_resolution * rng.standard_normal(len(pt))
    central = 1 - np.abs(eta) / physics.lepton_eta_max
    efficiency = (1 - np.exp(-pt / physics.lepton_rise)) * (1 - physics.lepton_central_loss * central)
    in_reach = (pt > physics.lepton_pt_min) & (central > 0)
    found = np.flatnonzero(in_reach & (rng.random(len(pt)) < efficiency))
    return np.stack([pt[found], eta[found], phi[found]]), found


def _radiate(particles: Particles, chances: Chances, physics: SimulationParameters, rng) -> _Jets:
    """Quarks may split in two; what they radiate follows them, then the emissions of the initial state."""
    pt, eta, phi = np.zeros((3, N_SLOTS, chances.splits.shape[1]), np.float32)
    pt[QUARKS], eta[QUARKS], phi[QUARKS] = kinematics.pt_eta_phi(particles.quarks)
    pt[ISR], eta[ISR], phi[ISR] = particles.emissions
    quark, event = np.nonzero(chances.splits)
    z = physics.fsr_z_min * (0.5 / physics.fsr_z_min) ** _random(event.shape, rng)
    widest = np.where(quark < 2, physics.fsr_angle_max_b, physics.fsr_angle_max_light)
    angle = physics.fsr_angle_min * (widest / physics.fsr_angle_min) ** _random(event.shape, rng)
    azimuth = 2 * np.pi * _random(event.shape, rng)
    d_eta, d_phi = angle * np.cos(azimuth), angle * np.sin(azimuth)
    for slot, share, side in ((N_QUARKS + quark, z, 1 - z), (quark, 1 - z, -z)):
        pt[slot, event] = pt[quark, event] * share
        eta[slot, event] = eta[quark, event] + d_eta * side
        phi[slot, event] = phi[quark, event] + d_phi * side
    return _Jets(pt, np.where(pt > 0, eta, FAR), _wrapped(phi), chances.candidates)


def _may_be_selected(partons: _Jets, physics: SimulationParameters) -> np.ndarray:
    """Looser than the selection, as merging and response lift some partons over it; few over this."""
    pt, distance = partons.pt / np.float32(physics.jet_pt_min), np.abs(partons.eta)
    jets = (pt > 11 / 15) & (distance < physics.jet_eta_max + 0.2)
    tags = partons.candidate & (pt > 8 / 15) & (distance < physics.tag_eta_max + 0.256)
    return (jets.sum(0) >= STORED_JETS) & (tags.sum(0) >= N_TAGS)


def _merge(partons: _Jets, physics: SimulationParameters, rng) -> _Jets:
    """Adds to each parton the later ones within the jet radius, one after the other."""
    n_slots, n = partons.pt.shape
    radius = np.maximum(physics.jet_radius + physics.jet_radius_spread * _normal(n, rng), 0.2)
    pt, eta, phi, candidate = (array.copy() for array in partons)
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(np.where(pt > 0, eta, 0))])
    widest = (radius * (1 + physics.jet_radius_balance)) ** 2
    for i in range(n_slots - 1):
        distance_2 = (eta[i] - eta[i + 1 :]) ** 2 + angle_between(phi[i], phi[i + 1 :]) ** 2
        slots, events = np.nonzero(distance_2 < widest)
        for j in np.unique(slots) + i + 1:
            k = events[slots == j - i - 1]
            balance = np.minimum(pt[i, k], pt[j, k]) / np.maximum(pt[i, k], pt[j, k])
            distance_2 = (eta[i, k] - eta[j, k]) ** 2 + angle_between(phi[i, k], phi[j, k]) ** 2
            k = k[distance_2 < (radius[k] * (1 + physics.jet_radius_balance * balance)) ** 2]
            momentum[:, i, k] += momentum[:, j, k]
            x, y, z = momentum[:, i, k]
            pt[i, k], phi[i, k] = np.hypot(x, y), np.arctan2(y, x)
            eta[i, k] = np.arcsinh(z / np.maximum(pt[i, k], 1e-3))
            pt[j, k] = 0
            eta[j, k] = FAR[j]
    return _Jets(pt, eta, phi, candidate)


def _in_tracker(jets: _Jets, physics: SimulationParameters, rng) -> _Jets:
    """Fewer candidates for tags towards the end of the tracker."""
    efficiency = 1 - (np.abs(jets.eta) / physics.tag_eta_max) ** physics.tag_eta_power  # below 0 beyond the end
    return jets._replace(candidate=jets.candidate & (_random(efficiency.shape, rng) < efficiency))


def _response(jets: _Jets, physics: SimulationParameters, rng) -> np.ndarray:
    """Measured over true energy of each jet: losses, tails, neutrinos of b decays, resolution; not below zero."""
    filled = np.nonzero(jets.pt)
    pt, b = jets.pt[filled], filled[0] < 2

    def by_flavour(of_b: float, of_light: float) -> np.ndarray:
        return np.where(b, np.float32(of_b), np.float32(of_light))

    loss = rng.standard_exponential(pt.shape, np.float32) * np.sqrt(50 / np.maximum(pt, 8)) - 1
    response = by_flavour(physics.response_b, physics.response_light)
    response -= by_flavour(physics.loss_b, physics.loss_light) * loss
    chance = by_flavour(physics.tail_b, physics.tail_light) * np.sqrt(40 / np.maximum(pt, 20))
    tail = _random(pt.shape, rng) < chance
    response[tail] *= 1 - physics.tail_depth * _random(tail.sum(), rng)
    decays = b & (_random(pt.shape, rng) < physics.b_neutrino_share)
    response[decays] *= 1 - rng.beta(1.2, physics.b_neutrino_shape, decays.sum())
    energy = pt * np.cosh(np.clip(jets.eta[filled], -6, 6))
    stochastic = by_flavour(physics.stochastic_b, physics.stochastic_light)
    resolution = np.sqrt(stochastic**2 / np.maximum(energy, 1) + physics.constant**2)
    measured = np.zeros_like(jets.pt)
    measured[filled] = np.maximum(response * (1 + resolution * _normal(pt.shape, rng)), 0)
    return measured


def _missing_energy(neutrino, partons: _Jets, measured_pt, physics: SimulationParameters, rng) -> np.ndarray:
    """Its magnitude and phi (2, n): the neutrino, what the jets mismeasure, and noise."""
    excess = measured_pt - partons.pt
    noise = np.sqrt(physics.met_noise**2 + physics.met_noise_root**2 * 0.25 * partons.pt.sum(0))
    x = neutrino[1] - (excess * np.cos(partons.phi)).sum(0) + noise * _normal(noise.shape, rng)
    y = neutrino[2] - (excess * np.sin(partons.phi)).sum(0) + noise * _normal(noise.shape, rng)
    return np.stack([np.hypot(x, y), np.arctan2(y, x)])


def _tag_level(pt: np.ndarray, tagged: np.ndarray, physics: SimulationParameters, rng) -> np.ndarray:
    """0 without a tag, 1 with a loose and 2 with a tight one."""
    loose = rng.random(pt.shape) < physics.loose_tags + physics.loose_tags_slope * pt
    return np.where(tagged, np.where(loose, 1, 2), 0)


def _isolated(jets: _Jets, lepton: np.ndarray, physics: SimulationParameters, rng) -> np.ndarray:
    """No jet near the lepton, and further out one only at times: (n,)."""
    _, eta, phi = lepton
    distance_2 = (jets.eta - eta) ** 2 + angle_between(jets.phi, phi) ** 2
    nearest_2 = np.where(jets.pt > physics.jet_pt_min, distance_2, np.inf).min(0)
    lost = rng.random(len(eta)) > physics.lepton_in_jet
    return nearest_2 > np.where(lost, physics.isolation_in_jet, physics.isolation) ** 2


def _reconstruct(jets: _Jets, level: np.ndarray, lepton, met, physics: SimulationParameters, rng) -> np.ndarray:
    """Orders the jets as the file does and computes its 28 columns: (n, 28)."""
    key = jets.pt * np.exp(
        physics.order_noise * rng.standard_normal(jets.pt.shape) + physics.order_tag_shift * (level > 0)
    )
    order = np.argsort(-key, 0)[:RECONSTRUCTED_JETS]
    pt, eta, phi = (np.take_along_axis(x, order, 0).astype(float) for x in (jets.pt, jets.eta, jets.phi))
    level = np.take_along_axis(level, order, 0)
    four_vectors = kinematics.massless(pt, np.where(pt > 0, eta, 0), phi)
    neutrino = kinematics.massless(met[0], kinematics.neutrino_eta(*lepton, *met), met[1])
    masses = kinematics.high_level_masses(four_vectors, level > 0, kinematics.massless(*lepton), neutrino)
    stored = [x for jet in range(STORED_JETS) for x in (pt[jet], eta[jet], _wrapped(phi[jet]), level[jet])]
    columns = [*lepton, *met, *stored, *masses]
    return np.stack([kinematics.to_file(x, name) for x, name in zip(columns, COMPLETE, strict=True)], 1)


def _wrapped(phi: np.ndarray) -> np.ndarray:
    """The same angle in [-pi, pi)."""
    return (phi + np.pi) % (2 * np.pi) - np.pi

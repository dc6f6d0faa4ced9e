"""Simulates the detector and the selection: jets, b-tags, lepton, missing transverse energy.

It works at parton level, vectorised: one array (slots, n_events) per quantity, float32 for speed. Momenta are in GeV.
What `variations` measures several times with other parameters keeps its random numbers, so that only the parameters
differ.
"""

from typing import NamedTuple

import numpy as np

from higgs_lib.data import COMPLETE, kinematics
from higgs_lib.data.kinematics import angle_between
from higgs_lib.simulation.hard_process import MAX_EMISSIONS, Particles
from higgs_lib.simulation.parameters import SimulationParameters

# slots of partons; when two merge, the earlier and heavier one keeps its flavour
N_QUARKS = 4
QUARKS, RADIATED, ISR = slice(0, N_QUARKS), slice(N_QUARKS, 2 * N_QUARKS), slice(2 * N_QUARKS, None)
CHARM = 2  # the slot after the two b quarks: half of hadronic W bosons decay to charm
N_SLOTS = 2 * N_QUARKS + MAX_EMISSIONS
FAR = 99 * (1 + np.arange(N_SLOTS, dtype=np.float32))[:, None]  # pseudorapidity of empty slots, far from every parton
STORED_JETS, N_TAGS = 4, 2
RECONSTRUCTED_JETS = 8  # jets beyond the first eight are dropped


class _Jets(NamedTuple):
    """Partons or jets in slots; an empty slot has pt = 0 and eta far away."""

    pt: np.ndarray
    """The transverse momenta, (slots, n)."""
    eta: np.ndarray
    """The pseudorapidities, (slots, n)."""
    phi: np.ndarray
    """The azimuths, (slots, n)."""
    candidate: np.ndarray
    """The candidates for a b-tag, bool, (slots, n)."""


class TagCandidates(NamedTuple):
    """What is decided before a collision is generated, which passes only with two candidates for a tag."""

    splits: np.ndarray
    """The quarks that radiate, bool, (N_QUARKS, n)."""
    candidates: np.ndarray
    """The partons whose flavour gives a tag at high pT in the middle of the tracker, bool, (N_SLOTS, n)."""

    def possible(self) -> np.ndarray:
        """Returns which collisions (n,) have candidates for two tags."""
        return self.candidates.sum(0) >= N_TAGS

    def take(self, events: np.ndarray) -> "TagCandidates":
        """Returns the collisions at these indices."""
        return _take(self, events)


def draw_tag_candidates(n: int, physics: SimulationParameters, rng: np.random.Generator) -> TagCandidates:
    """Draws radiation and candidates of `n` collisions."""
    splits = rng.random((N_QUARKS, n), np.float32) < _column([physics.fsr_b] * 2 + [physics.fsr_light] * 2)
    efficiency = [physics.tag_b] * 2 + [physics.tag_light] * 2 + [physics.tag_b_radiation] * 2
    efficiency += [physics.tag_light] * 2 + [physics.tag_isr] * MAX_EMISSIONS
    candidates = rng.random((N_SLOTS, n), np.float32) < _column(efficiency)
    candidates[CHARM] = rng.random(n) < np.where(rng.random(n) < 0.5, physics.tag_charm, physics.tag_light)
    candidates[RADIATED] &= splits
    return TagCandidates(splits, candidates)


class _JetNoise(NamedTuple):
    """The random numbers of the jets of n collisions: uniform in [0, 1) unless another distribution is named."""

    tracker: np.ndarray
    """Whether a parton is inside the tracker, (N_SLOTS, n)."""
    loss: np.ndarray
    """Energy out of the jet, exponential, (N_SLOTS, n)."""
    tail: np.ndarray
    """Whether a jet is in the tail of the response, and how far, (2, N_SLOTS, n)."""
    b_decay: np.ndarray
    """Whether a b hadron decays to a neutrino, (2, n)."""
    neutrino: np.ndarray
    """The neutrino's fraction of the energy, Beta-distributed, (2, n)."""
    resolution: np.ndarray
    """Of the jet energy, normal, (N_SLOTS, n)."""
    met: np.ndarray
    """Of the missing transverse energy, normal, (2, n)."""
    tag: np.ndarray
    """Whether a candidate is tagged at its momentum, and at which level, (2, N_SLOTS, n)."""
    isolation: np.ndarray
    """Whether a jet lowers the lepton's efficiency, (n,)."""
    order: np.ndarray
    """Of the order of the jets, normal, (N_SLOTS, n)."""

    @classmethod
    def draw(cls, n: int, physics: SimulationParameters, rng: np.random.Generator) -> "_JetNoise":
        """Draws the numbers of `n` collisions."""
        return cls(
            tracker=_uniform((N_SLOTS, n), rng),
            loss=rng.standard_exponential((N_SLOTS, n), np.float32),
            tail=_uniform((2, N_SLOTS, n), rng),
            b_decay=_uniform((2, n), rng),
            neutrino=rng.beta(1.2, physics.b_neutrino_shape, (2, n)),
            resolution=_normal((N_SLOTS, n), rng),
            met=_normal((2, n), rng),
            tag=_uniform((2, N_SLOTS, n), rng),
            isolation=_uniform(n, rng),
            order=_normal((N_SLOTS, n), rng),
        )


def _column(values: list[float]) -> np.ndarray:
    """Returns the values as a column (slots, 1), float32."""
    return np.array(values, np.float32)[:, None]


def measure(
    particles: Particles,
    candidates: TagCandidates,
    physics: SimulationParameters,
    rng: np.random.Generator,
    *,
    keep_random_numbers: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the collisions that pass the selection, as the file has them, and which they are.

    Args:
        particles: the final state of n collisions.
        candidates: their radiation and candidates for b-tags.
        physics: the parameters of the simulation.
        rng: the random generator.
        keep_random_numbers: whether a collision has the same random numbers whatever else is dropped; slower.

    Returns:
        The 28 features in normalised units, (n_selected, 28) float32, and the indices (n_selected,) of the collisions.
    """
    n = particles.lepton.shape[1]
    splitting, radius = _uniform((3, N_QUARKS, n), rng), _normal(n, rng)
    # collisions that cannot pass are dropped as early as possible; `left` are the indices of the others
    lepton, left = _measure_lepton(particles.lepton, physics, rng)
    particles, candidates = _take(particles, left), _take(candidates, left)
    partons = _radiate(particles, candidates, _take(splitting, left), physics)
    events = np.flatnonzero(_preselection(partons, physics))
    lepton, neutrino, partons, left = (_take(x, events) for x in (lepton, particles.neutrino, partons, left))
    partons = _merge_partons(partons, _take(radius, left), physics)
    if keep_random_numbers:
        noise = _take(_JetNoise.draw(n, physics, rng), left)
    else:
        noise = _JetNoise.draw(len(left), physics, rng)
    # fewer candidates towards the end of the tracker
    efficiency = 1 - (np.abs(partons.eta) / physics.tag_eta_max) ** physics.tag_eta_power  # below 0 beyond the end
    partons = partons._replace(candidate=partons.candidate & (noise.tracker < efficiency))
    events = np.flatnonzero(_preselection(partons, physics))
    lepton, neutrino, partons, noise, left = (_take(x, events) for x in (lepton, neutrino, partons, noise, left))
    jets = partons._replace(pt=partons.pt * _jet_response(partons, noise, physics))
    met = _missing_transverse_energy(neutrino, partons, jets.pt, noise, physics)
    # the selection
    accepted = (jets.pt > physics.jet_pt_min) & (np.abs(jets.eta) < physics.jet_eta_max)
    tagged = jets.candidate & accepted & (noise.tag[0] < 1 - np.exp(-jets.pt / physics.tag_pt))
    isolated = _is_isolated(lepton, jets, noise, physics)
    events = np.flatnonzero((accepted.sum(0) >= STORED_JETS) & (tagged.sum(0) == N_TAGS) & isolated)
    jets = jets._replace(pt=np.where(accepted, jets.pt, 0))
    lepton, met, jets, tagged, noise, left = (_take(x, events) for x in (lepton, met, jets, tagged, noise, left))
    return _reconstruct(jets, _tag_levels(jets.pt, tagged, noise, physics), lepton, met, noise, physics), left


def _uniform(shape, rng) -> np.ndarray:
    """Draws uniform numbers in [0, 1), float32."""
    return rng.random(shape, np.float32)


def _normal(shape, rng) -> np.ndarray:
    """Draws standard normal numbers, float32."""
    return rng.standard_normal(shape, np.float32)


def _take(arrays, events: np.ndarray):
    """Returns the events at these indices of the last axis, of an array or of every array of a NamedTuple."""
    if isinstance(arrays, tuple):
        return type(arrays)(*(_take(array, events) for array in arrays))
    return arrays.take(events, -1)


def _measure_lepton(lepton: np.ndarray, physics: SimulationParameters, rng) -> tuple[np.ndarray, np.ndarray]:
    """Returns pT, eta and phi (3, n) of the leptons (4, n_collisions) that are detected, and their indices (n,)."""
    pt, eta, phi = kinematics.pt_eta_phi(lepton)
    pt *= 1 + physics.lepton_resolution * rng.standard_normal(len(pt))
    central = 1 - np.abs(eta) / physics.lepton_eta_max
    efficiency = (1 - np.exp(-pt / physics.lepton_rise)) * (1 - physics.lepton_central_loss * central)
    accepted = (pt > physics.lepton_pt_min) & (central > 0)
    events = np.flatnonzero(accepted & (rng.random(len(pt)) < efficiency))
    return np.stack([pt[events], eta[events], phi[events]]), events


def _radiate(
    particles: Particles, candidates: TagCandidates, uniform: np.ndarray, physics: SimulationParameters
) -> _Jets:
    """Splits the quarks that radiate; returns quarks, radiated partons and initial-state emissions in their slots."""
    pt, eta, phi = np.zeros((3, N_SLOTS, candidates.splits.shape[1]), np.float32)
    pt[QUARKS], eta[QUARKS], phi[QUARKS] = kinematics.pt_eta_phi(particles.quarks)
    pt[ISR], eta[ISR], phi[ISR] = particles.emissions
    quark, event = np.nonzero(candidates.splits)
    for_z, for_angle, for_azimuth = uniform[:, quark, event]
    z = physics.fsr_z_min * (0.5 / physics.fsr_z_min) ** for_z
    widest = np.where(quark < 2, physics.fsr_angle_max_b, physics.fsr_angle_max_light)
    angle = physics.fsr_angle_min * (widest / physics.fsr_angle_min) ** for_angle
    azimuth = 2 * np.pi * for_azimuth
    d_eta, d_phi = angle * np.cos(azimuth), angle * np.sin(azimuth)
    for slot, fraction, side in ((N_QUARKS + quark, z, 1 - z), (quark, 1 - z, -z)):
        pt[slot, event] = pt[quark, event] * fraction
        eta[slot, event] = eta[quark, event] + d_eta * side
        phi[slot, event] = phi[quark, event] + d_phi * side
    return _Jets(pt, np.where(pt > 0, eta, FAR), _wrap(phi), candidates.candidates)


def _preselection(partons: _Jets, physics: SimulationParameters) -> np.ndarray:
    """Returns which events pass cuts looser than the selection, as merging and response lift some partons above it."""
    pt, abs_eta = partons.pt / np.float32(physics.jet_pt_min), np.abs(partons.eta)
    jets = (pt > 11 / 15) & (abs_eta < physics.jet_eta_max + 0.2)
    tags = partons.candidate & (pt > 8 / 15) & (abs_eta < physics.tag_eta_max + 0.256)
    return (jets.sum(0) >= STORED_JETS) & (tags.sum(0) >= N_TAGS)


def _merge_partons(partons: _Jets, normal: np.ndarray, physics: SimulationParameters) -> _Jets:
    """Adds to each parton the later ones within the jet radius, one after the other."""
    n_slots = len(partons.pt)
    radius = np.maximum(physics.jet_radius + physics.jet_radius_spread * normal, 0.2)
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


def _jet_response(jets: _Jets, noise: _JetNoise, physics: SimulationParameters) -> np.ndarray:
    """Returns measured over true energy of each jet, at least 0: losses, tails, neutrinos of b decays, resolution."""
    filled = np.nonzero(jets.pt)
    pt, b = jets.pt[filled], filled[0] < 2
    in_tail, depth = noise.tail[:, *filled]

    def by_flavour(b_value: float, light_value: float) -> np.ndarray:
        return np.where(b, np.float32(b_value), np.float32(light_value))

    loss = noise.loss[filled] * np.sqrt(50 / np.maximum(pt, 8)) - 1
    response = by_flavour(physics.response_b, physics.response_light)
    response -= by_flavour(physics.loss_b, physics.loss_light) * loss
    tail_fraction = by_flavour(physics.tail_b, physics.tail_light) * np.sqrt(40 / np.maximum(pt, 20))
    response *= np.where(in_tail < tail_fraction, 1 - physics.tail_depth * depth, 1)
    of_b = filled[0][b], filled[1][b]
    response[b] *= np.where(noise.b_decay[of_b] < physics.b_neutrino_share, 1 - noise.neutrino[of_b], 1)
    energy = pt * np.cosh(np.clip(jets.eta[filled], -6, 6))
    stochastic = by_flavour(physics.stochastic_b, physics.stochastic_light)
    resolution = np.sqrt(stochastic**2 / np.maximum(energy, 1) + physics.constant**2)
    measured = np.zeros_like(jets.pt)
    measured[filled] = np.maximum(response * (1 + resolution * noise.resolution[filled]), 0)
    return measured


def _missing_transverse_energy(neutrino, partons: _Jets, measured_pt, noise: _JetNoise, physics) -> np.ndarray:
    """Returns its magnitude and phi (2, n): the neutrino, the mismeasurement of the jets, and noise."""
    excess = measured_pt - partons.pt
    width = np.sqrt(physics.met_noise**2 + physics.met_noise_root**2 * 0.25 * partons.pt.sum(0))
    x = neutrino[1] - (excess * np.cos(partons.phi)).sum(0) + width * noise.met[0]
    y = neutrino[2] - (excess * np.sin(partons.phi)).sum(0) + width * noise.met[1]
    return np.stack([np.hypot(x, y), np.arctan2(y, x)])


def _tag_levels(pt: np.ndarray, tagged: np.ndarray, noise: _JetNoise, physics: SimulationParameters) -> np.ndarray:
    """Returns the level of each jet's tag: 0 for none, 1 for a loose and 2 for a tight one."""
    loose = noise.tag[1] < physics.loose_tags + physics.loose_tags_slope * pt
    return np.where(tagged, np.where(loose, 1, 2), 0)


def _is_isolated(lepton: np.ndarray, jets: _Jets, noise: _JetNoise, physics: SimulationParameters) -> np.ndarray:
    """Returns which leptons pass (n,): none with a jet within `isolation`, some with one within `isolation_in_jet`."""
    _, eta, phi = lepton
    distance_2 = (jets.eta - eta) ** 2 + angle_between(jets.phi, phi) ** 2
    nearest_2 = np.where(jets.pt > physics.jet_pt_min, distance_2, np.inf).min(0)
    lost = noise.isolation > physics.lepton_in_jet
    return nearest_2 > np.where(lost, physics.isolation_in_jet, physics.isolation) ** 2


def _reconstruct(
    jets: _Jets, tags: np.ndarray, lepton, met, noise: _JetNoise, physics: SimulationParameters
) -> np.ndarray:
    """Orders the jets as the file does, and returns its 28 columns in normalised units, (n, 28)."""
    key = jets.pt * np.exp(physics.order_noise * noise.order + physics.order_tag_shift * (tags > 0))
    order = np.argsort(-key, 0)[:RECONSTRUCTED_JETS]
    pt, eta, phi = (np.take_along_axis(x, order, 0).astype(float) for x in (jets.pt, jets.eta, jets.phi))
    tags = np.take_along_axis(tags, order, 0)
    four_vectors = kinematics.massless(pt, np.where(pt > 0, eta, 0), phi)
    neutrino = kinematics.massless(met[0], kinematics.neutrino_eta(*lepton, *met), met[1])
    masses = kinematics.high_level_masses(four_vectors, tags > 0, kinematics.massless(*lepton), neutrino)
    stored = [x for jet in range(STORED_JETS) for x in (pt[jet], eta[jet], _wrap(phi[jet]), tags[jet])]
    columns = [*lepton, *met, *stored, *masses]
    return np.stack([kinematics.to_normalised(x, name) for x, name in zip(columns, COMPLETE, strict=True)], 1)


def _wrap(phi: np.ndarray) -> np.ndarray:
    """Returns the same angles in [-pi, pi)."""
    return (phi + np.pi) % (2 * np.pi) - np.pi

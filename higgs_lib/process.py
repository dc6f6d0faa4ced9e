"""The particles of a collision: the hard process, its decays and the radiation before it, for signal and background.

Leading-order matrix elements with simple parton densities, vectorised. Many constants were fitted to UCI HIGGS
(doi:10.24432/C5V312, CC BY 4.0) and are effective rather than physical, as noted beside them. All momenta are in GeV,
four-vectors are (E, px, py, pz).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from higgs_lib import kinematics
from higgs_lib.kinematics import boost, mass


class Particles(NamedTuple):
    """The final state of n collisions."""

    lepton: np.ndarray
    """(n, 4)"""
    neutrino: np.ndarray
    """(n, 4)"""
    quarks: np.ndarray
    """(n, 4, 4): b, b and the two of the W"""
    emissions: np.ndarray
    """(n, m, 4), zero where there is none"""

    @classmethod
    def of(cls, lepton, neutrino, quark_1, quark_2, b_1, b_2, emissions) -> "Particles":
        """Particles from one array (n, 4) each."""
        return cls(lepton, neutrino, np.stack([b_1, b_2, quark_1, quark_2], 1), emissions)

    def take(self, chosen: np.ndarray) -> "Particles":
        """The chosen events."""
        return Particles(*(array[chosen] for array in self))


@dataclass(frozen=True)
class Physics:
    """The two processes. Defaults are the study's; masses, widths and energies in GeV."""

    energy: float = 8000.0
    """Centre-of-mass energy of the proton collision."""
    signal_share: float = 0.53
    """Signal among all selected events."""
    m_heavy_higgs: float = 425.0
    m_charged_higgs: float = 325.0
    m_light_higgs: float = 125.0
    m_top: float = 173.0
    m_w: float = 80.4
    higgs_width: float = 5.0
    top_width: float = 1.5
    w_width: float = 2.1
    signal_density_exponent: float = 14.94
    """Of x^-1/2 (1-x)^e for the gluons that make H0: effective, steeper than real gluons (about 5 to 8)."""
    signal_w_polarised: float = 0.80
    """Share of W bosons of scalar decays that decay as longitudinal ones, the rest isotropically: effective."""
    top_w_polarised: float = 0.653
    """The same of W bosons of top decays (70 % longitudinal, 30 % left-handed): effective."""
    top_pair_mass_exponent: float = 1.293
    """The top-pair mass spectrum falls by (M / 400 GeV)^-e beyond leading order: effective."""
    isr_density: float = 0.303
    """Initial-state radiation: emissions per squared logarithm, halved: A ln(Q/pT) d ln(pT)."""
    isr_density_quarks: float = 0.6
    """Factor of the density where quarks collide, which radiate less than gluons (4/9 by colour)."""
    isr_scale_signal: float = 0.754
    """Q as a share of the H0 mass."""
    isr_scale_background: float = 0.481
    """Q as a share of the top-pair mass, taken as 800 GeV at most."""
    isr_pt_min: float = 6.343
    isr_log_exponent: float = 0.532
    """ln(Q/pT) is spread as u^e for uniform u; 0.5 would be the density above exactly."""
    isr_rapidity_follow: tuple[float, float] = (1.479, 1.346)
    """Signal, background: the emissions' rapidity follows this multiple of the system's: effective."""
    isr_rapidity_offset: tuple[float, float] = (1.302, 1.968)
    """Signal, background: half-width in rapidity on top of ln(Q/pT), limited to the next."""
    isr_rapidity_limit: float = 4.368
    soft_recoil: float = 16.61
    """GeV on each transverse axis, of radiation too soft to be seen; leaves no missing energy."""
    soft_recoil_shape: float = 0.76
    """Of the Gamma distribution of its square."""
    light_virtuality: float = 9.427
    b_virtuality: float = 10.662
    """Mean of the Gamma part of a quark's mass before it radiates, above 4.7 GeV."""

    def __post_init__(self):
        if not 0 <= self.signal_share <= 1:
            raise ValueError(f"Physics: signal_share must lie in [0, 1], not {self.signal_share}")
        for parent, children, names in (
            (self.m_heavy_higgs, self.m_charged_higgs + self.m_w, "m_heavy_higgs > m_charged_higgs + m_w"),
            (self.m_charged_higgs, self.m_light_higgs + self.m_w, "m_charged_higgs > m_light_higgs + m_w"),
            (self.m_light_higgs, 2 * VIRTUALITY_MAX, f"m_light_higgs > {2 * VIRTUALITY_MAX:g} GeV, two b quarks"),
            (self.m_top, self.m_w + VIRTUALITY_MAX, f"m_top > m_w + {VIRTUALITY_MAX:g} GeV, a b quark"),
            (self.energy, self.m_heavy_higgs, "energy > m_heavy_higgs"),
        ):
            if parent <= children + WIDTHS * self.higgs_width:
                raise ValueError(f"Physics: a decay is closed: it needs {names}, with room for the widths")


VIRTUALITY_MIN, VIRTUALITY_MAX, VIRTUALITY_SHAPE = 4.7, 38.0, 1.3  # GeV, GeV, of the Gamma distribution
WIDTHS = 3.0  # Breit-Wigner masses lie within so many widths of the pole
MAX_EMISSIONS = 5
TOP_PAIR_MASS_MAX = 3000.0  # GeV
PROPOSAL_EXPONENT = 4.2  # top-pair masses are proposed by M^-e, then accepted by the matrix element
RAPIDITY_TRIES = 4  # candidates from which a rapidity is drawn by its weight
W_LONGITUDINAL, W_OF_TOP = "longitudinal", "of top"


def _inverse_distribution(density) -> tuple[np.ndarray, np.ndarray]:
    cosine = np.linspace(-1, 1, 401)
    cumulative = np.cumsum(density(cosine))
    return cumulative / cumulative[-1], cosine


_HELICITY_ANGLE = {
    W_LONGITUDINAL: _inverse_distribution(lambda c: 1 - c**2),
    W_OF_TOP: _inverse_distribution(lambda c: 0.7 * 0.75 * (1 - c**2) + 0.3 * 0.375 * (1 - c) ** 2),
}
"""Cumulative distribution and cosine of the fermion's angle in the W's rest frame."""


def _gluons(x):
    """x g(x) near Q = 200 GeV, up to a factor."""
    return x**-0.5 * (1 - x) ** 8


def _quarks(x):
    """x (u + d), valence-like, in units of the gluons'."""
    return 2.2 * x**0.35 * (1 - x) ** 3


def _antiquarks(x):
    return 0.24 * x**-0.3 * (1 - x) ** 8


def _breit_wigner(pole: float, width: float, n: int, rng) -> np.ndarray:
    limit = np.arctan(2 * WIDTHS)
    return pole + 0.5 * width * np.tan(rng.uniform(-limit, limit, n))


def _quark_mass(mean: float, n: int, rng) -> np.ndarray:
    return np.minimum(VIRTUALITY_MIN + mean * rng.gamma(VIRTUALITY_SHAPE, 1 / VIRTUALITY_SHAPE, n), VIRTUALITY_MAX)


def _rapidity(tau: np.ndarray, density_1, density_2, rng) -> tuple[np.ndarray, np.ndarray]:
    """Rapidity (n,) of a system of mass sqrt(tau s), by the densities of the two partons, and their luminosity (n,)."""
    limit = -0.5 * np.log(tau)
    y = rng.uniform(-1, 1, (RAPIDITY_TRIES, len(tau))) * limit
    weight = density_1(np.sqrt(tau) * np.exp(y)) * density_2(np.sqrt(tau) * np.exp(-y)) + 1e-12
    chosen = (rng.random(len(tau)) * weight.sum(0) < weight.cumsum(0)).argmax(0)
    return y[chosen, np.arange(len(tau))], weight.mean(0) * 2 * limit


def _system(system_mass: np.ndarray, y: np.ndarray, recoil: np.ndarray) -> np.ndarray:
    """Four-vector (n, 4) of given mass, rapidity and transverse momentum (n, 2)."""
    transverse = np.sqrt(system_mass**2 + (recoil**2).sum(1))
    return np.stack([transverse * np.cosh(y), *recoil.T, transverse * np.sinh(y)], -1)


def _emissions(scale, density, y, signal: bool, physics: Physics, rng) -> np.ndarray:
    """Initial-state radiation: four-vectors (n, MAX_EMISSIONS, 4), zero where there is none."""
    n = len(scale)
    longest = np.log(scale / physics.isr_pt_min)
    count = np.minimum(rng.poisson(density * longest**2 / 2), MAX_EMISSIONS)
    logarithm = longest[:, None] * rng.random((n, MAX_EMISSIONS)) ** physics.isr_log_exponent
    pt = np.where(np.arange(MAX_EMISSIONS) < count[:, None], scale[:, None] * np.exp(-logarithm), 0)
    follow, offset = (pair[0 if signal else 1] for pair in (physics.isr_rapidity_follow, physics.isr_rapidity_offset))
    spread = np.minimum(logarithm + offset, physics.isr_rapidity_limit)
    eta = follow * y[:, None] + rng.uniform(-1, 1, pt.shape) * spread
    return kinematics.massless(pt, eta, rng.uniform(-np.pi, np.pi, pt.shape))


def _recoil(emissions: np.ndarray, physics: Physics, rng) -> np.ndarray:
    """Transverse momentum (n, 2) that balances the emissions and the soft radiation."""
    n = len(emissions)
    shape = physics.soft_recoil_shape
    soft = physics.soft_recoil * np.sqrt(rng.gamma(shape, 1 / shape, n))[:, None] * rng.standard_normal((n, 2))
    return soft - emissions.sum(1)[:, 1:3]


def _directions(cosine: np.ndarray, axis: np.ndarray, rng) -> np.ndarray:
    """Unit vectors (n, 3) at an angle of given cosine to `axis` (n, 3), at a random azimuth."""
    z = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    helper = np.where(np.abs(z[:, 2:]) < 0.9, [[0.0, 0, 1]], [[1.0, 0, 0]])
    x = np.cross(helper, z)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    azimuth = rng.uniform(0, 2 * np.pi, len(z))[:, None]
    sine = np.sqrt(1 - cosine**2)[:, None]
    return sine * (np.cos(azimuth) * x + np.sin(azimuth) * np.cross(z, x)) + cosine[:, None] * z


def decay(parent, m_1, m_2, rng, cosine=None, axis=None) -> tuple[np.ndarray, np.ndarray]:
    """Two-body decay of `parent` (n, 4) to masses `m_1`, `m_2` (n,): two four-vectors (n, 4).

    Isotropic in the rest frame unless the cosine (n,) to an `axis` (n, 3) of that frame is given.
    """
    m = mass(parent)
    momentum = np.sqrt(np.maximum((m**2 - (m_1 + m_2) ** 2) * (m**2 - (m_1 - m_2) ** 2), 0)) / (2 * m)
    cosine = rng.uniform(-1, 1, len(m)) if cosine is None else cosine
    axis = np.broadcast_to([0.0, 0, 1], (len(m), 3)) if axis is None else axis
    p = momentum[:, None] * _directions(cosine, axis, rng)
    first = np.concatenate([np.sqrt(momentum**2 + m_1**2)[:, None], p], 1)
    second = np.concatenate([np.sqrt(momentum**2 + m_2**2)[:, None], -p], 1)
    return boost(first, parent), boost(second, parent)


def _decay_w(w, parent, m_1, m_2, polarised: float, kind: str, rng) -> tuple[np.ndarray, np.ndarray]:
    """A W to two fermions, its helicity angle taken about its direction in the parent's rest frame."""
    n = len(w)
    cosine = np.where(
        rng.random(n) < polarised, np.interp(rng.random(n), *_HELICITY_ANGLE[kind]), rng.uniform(-1, 1, n)
    )
    backwards = parent * [1.0, -1, -1, -1]
    w_in_parent = boost(w, backwards)
    first, second = decay(w_in_parent, m_1, m_2, rng, cosine, w_in_parent[:, 1:])
    return boost(first, parent), boost(second, parent)


def _w_pair(ws, parents, polarised: float, kind: str, physics: Physics, rng) -> tuple[np.ndarray, ...]:
    """One W, chosen at random, to lepton and neutrino, the other to two quarks: four four-vectors (n, 4)."""
    n = len(ws[0])
    swap = (rng.random(n) < 0.5)[:, None]
    leptonic, hadronic = np.where(swap, ws[1], ws[0]), np.where(swap, ws[0], ws[1])
    leptonic_parent, hadronic_parent = (np.where(swap, *parents[::-1]), np.where(swap, *parents))
    zero = np.zeros(n)
    lepton, neutrino = _decay_w(leptonic, leptonic_parent, zero, zero, polarised, kind, rng)
    m_1, m_2 = (_quark_mass(physics.light_virtuality, n, rng) for _ in range(2))
    return lepton, neutrino, *_decay_w(hadronic, hadronic_parent, m_1, m_2, polarised, kind, rng)


def signal(n: int, physics: Physics, rng) -> Particles:
    """gg -> H0 -> W H+-, H+- -> W h0, h0 -> b b."""
    m_heavy = _breit_wigner(physics.m_heavy_higgs, physics.higgs_width, n, rng)
    m_charged = _breit_wigner(physics.m_charged_higgs, physics.higgs_width, n, rng)
    # a W off its shell where the tails of the Higgs bosons' masses leave less room
    m_w_1 = np.minimum(_breit_wigner(physics.m_w, physics.w_width, n, rng), m_heavy - m_charged - 0.5)
    m_w_2 = np.minimum(_breit_wigner(physics.m_w, physics.w_width, n, rng), m_charged - physics.m_light_higgs - 0.5)

    def density(x):
        return x**-0.5 * (1 - x) ** physics.signal_density_exponent

    y, _ = _rapidity((m_heavy / physics.energy) ** 2, density, density, rng)
    emissions = _emissions(physics.isr_scale_signal * m_heavy, physics.isr_density, y, True, physics, rng)
    heavy = _system(m_heavy, y, _recoil(emissions, physics, rng))
    charged, w_1 = decay(heavy, m_charged, m_w_1, rng)
    light, w_2 = decay(charged, np.full(n, physics.m_light_higgs), m_w_2, rng)
    b_1, b_2 = decay(light, *(_quark_mass(physics.b_virtuality, n, rng) for _ in range(2)), rng)
    products = _w_pair((w_1, w_2), (heavy, charged), physics.signal_w_polarised, W_LONGITUDINAL, physics, rng)
    return Particles.of(*products, b_1, b_2, emissions)


def background(n: int, physics: Physics, rng) -> Particles:
    """gg, qq -> t t, t -> W b."""
    m_pair, y, cosine, quarks = _top_pairs(n, physics, rng)
    scale = physics.isr_scale_background * np.minimum(m_pair, 800.0)
    density = physics.isr_density * np.where(quarks, physics.isr_density_quarks, 1.0)
    emissions = _emissions(scale, density, y, False, physics, rng)
    pair = _system(m_pair, y, _recoil(emissions, physics, rng))
    m_1, m_2 = (
        np.minimum(_breit_wigner(physics.m_top, physics.top_width, n, rng), m_pair / 2 - 0.01) for _ in range(2)
    )
    top_1, top_2 = decay(pair, m_1, m_2, rng, cosine)
    m_w_1, m_w_2 = (_breit_wigner(physics.m_w, physics.w_width, n, rng) for _ in range(2))
    b_1, w_1 = decay(top_1, _quark_mass(physics.b_virtuality, n, rng), m_w_1, rng)
    b_2, w_2 = decay(top_2, _quark_mass(physics.b_virtuality, n, rng), m_w_2, rng)
    products = _w_pair((w_1, w_2), (top_1, top_2), physics.top_w_polarised, W_OF_TOP, physics, rng)
    return Particles.of(*products, b_1, b_2, emissions)


def _top_pairs(n: int, physics: Physics, rng) -> tuple[np.ndarray, ...]:
    """Mass, rapidity, cosine of the scattering angle and whether quarks collided, each (n,), by acceptance."""
    accepted, total = [], 0
    while total < n:
        trial = _weighted_top_pairs(max(4 * n, 20_000), physics, rng)
        weight = trial[0] / np.quantile(trial[0], 0.9995)  # the tail above is kept at weight one
        passed = rng.random(len(weight)) < weight
        accepted.append(np.stack(trial[1:])[:, passed])
        total += passed.sum()
    m_pair, y, cosine, quarks = np.concatenate(accepted, 1)[:, :n]
    return m_pair, y, cosine, quarks > 0


def _weighted_top_pairs(n: int, physics: Physics, rng) -> tuple[np.ndarray, ...]:
    """Weight, mass, rapidity, cosine and quark collision of proposals, by leading-order gg and qq -> tt.

    Matrix elements of B. Combridge, Nucl. Phys. B151 (1979) 429, in the rest frame of the pair.
    """
    power = 1 - PROPOSAL_EXPONENT
    low, high = (2 * physics.m_top + 0.5) ** power, TOP_PAIR_MASS_MAX**power
    m_pair = (low + rng.random(n) * (high - low)) ** (1 / power)
    tau = (m_pair / physics.energy) ** 2
    y_gluons, luminosity_gluons = _rapidity(tau, _gluons, _gluons, rng)
    y_quarks, luminosity_quarks = _rapidity(tau, _quarks, _antiquarks, rng)
    cosine = rng.uniform(-1, 1, n)
    rho = (2 * physics.m_top / m_pair) ** 2
    beta = np.sqrt(1 - rho)
    beta_cos_2 = (beta * cosine) ** 2
    product = (1 - beta_cos_2) / 4  # of the two momentum transfers, in units of the mass squared
    gluons = (1 / (6 * product) - 0.375) * ((1 + beta_cos_2) / 2 + rho - rho**2 / (4 * product))
    quarks = (4 / 9) * ((1 + beta_cos_2) / 2 + rho / 2)
    from_gluons = luminosity_gluons * np.maximum(gluons, 0) * beta
    from_quarks = 2 * luminosity_quarks * quarks * beta  # the quark may come from either side
    falling = m_pair ** (PROPOSAL_EXPONENT - 3) * (m_pair / 400.0) ** -physics.top_pair_mass_exponent
    is_quarks = rng.random(n) < from_quarks / (from_gluons + from_quarks)
    y = np.where(is_quarks, y_quarks * rng.choice([-1.0, 1.0], n), y_gluons)
    return (from_gluons + from_quarks) * falling, m_pair, y, cosine, is_quarks

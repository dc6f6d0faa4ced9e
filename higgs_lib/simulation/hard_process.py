"""The particles of a collision: the hard process, its decays and the radiation before it, for signal and background.

Leading-order matrix elements with simple parton densities, vectorised. All momenta are in GeV, four-vectors are (4, n):
E, px, py, pz.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from higgs_lib.data.kinematics import boost, mass
from higgs_lib.simulation.parameters import VIRTUALITY_MAX, VIRTUALITY_MIN, WIDTHS, SimulationParameters


class Particles(NamedTuple):
    """The final state of n collisions."""

    lepton: np.ndarray
    """(4, n)"""
    neutrino: np.ndarray
    """(4, n)"""
    quarks: np.ndarray
    """(4, 4, n): the four-vectors of b, b and the two of the W"""
    emissions: np.ndarray
    """(3, m, n): pT, rapidity and phi of massless partons, pT zero where there is none"""


MAX_EMISSIONS = 5
VIRTUALITY_SHAPE = 1.3  # of the Gamma distribution
TOP_PAIR_MASS_MAX = 3000.0  # GeV
W_LONGITUDINAL, W_OF_TOP = "longitudinal", "of top"

QUANTILES = 513  # of a tabulated distribution; between them its density is flat


def _quantiles(values: np.ndarray, density: np.ndarray) -> np.ndarray:
    """The quantiles (rows, QUANTILES) of distributions given by their `density` (rows, k) at `values` (k,)."""
    steps = (density[:, 1:] + density[:, :-1]) * np.diff(values)
    cumulative = np.pad(steps.cumsum(1), ((0, 0), (1, 0)))
    wanted = np.linspace(0, 1, QUANTILES)
    return np.stack([np.interp(wanted, row / row[-1], values) for row in cumulative])


def _draw(quantiles: np.ndarray, row: np.ndarray, rng) -> np.ndarray:
    """A value (n,) of the distributions of `_quantiles` at positions `row` (n,); of either where between two rows."""
    row = np.minimum(row + rng.random(len(row)), len(quantiles) - 1).astype(np.intp)
    position = rng.random(len(row)) * (QUANTILES - 1)
    below = position.astype(np.intp)
    flat = row * QUANTILES + below
    lower, upper = quantiles.ravel()[flat], quantiles.ravel()[flat + 1]
    return lower + (position - below) * (upper - lower)


_COSINES = np.linspace(-1, 1, 401)
_HELICITY_ANGLE = {
    W_LONGITUDINAL: _quantiles(_COSINES, (1 - _COSINES**2)[None]),
    W_OF_TOP: _quantiles(_COSINES, (0.7 * 0.75 * (1 - _COSINES**2) + 0.3 * 0.375 * (1 - _COSINES) ** 2)[None]),
}
"""Of the cosine of the fermion's angle to the W's direction of flight, in the W's rest frame."""


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


class _Rapidity(NamedTuple):
    """Rapidities of systems of given masses, by the densities of the two partons that make them."""

    limit: np.ndarray
    """(rows,): the largest, ln(energy / mass)"""
    quantiles: np.ndarray
    """(rows, QUANTILES), in units of the limit"""
    luminosity: np.ndarray
    """(rows,): the densities' product, summed over rapidity"""

    @classmethod
    def of(cls, masses: np.ndarray, energy: float, density_1: Callable, density_2: Callable) -> "_Rapidity":
        share = np.linspace(-1, 1, 401)
        limit = np.log(energy / masses)
        x = masses[:, None] / energy * np.exp(np.outer([1, -1], limit)[:, :, None] * share)
        product = density_1(np.minimum(x[0], 1)) * density_2(np.minimum(x[1], 1))
        return cls(limit, _quantiles(share, product + 1e-12), product.mean(1) * 2 * limit)

    def draw(self, row: np.ndarray, rng) -> np.ndarray:
        """One rapidity for each of the positions `row` (n,) among the masses."""
        return np.interp(row, np.arange(len(self.limit)), self.limit) * _draw(self.quantiles, row, rng)


def _system(system_mass: np.ndarray, y: np.ndarray, recoil: np.ndarray) -> np.ndarray:
    """Four-vector (4, n) of given mass, rapidity and transverse momentum (2, n)."""
    transverse = np.sqrt(system_mass**2 + (recoil**2).sum(0))
    return np.stack([transverse * np.cosh(y), *recoil, transverse * np.sinh(y)])


def _emissions(
    scale, density, y, follow: float, offset: float, limit: float, physics: SimulationParameters, rng
) -> np.ndarray:
    """Initial-state radiation: pT, rapidity and phi (3, MAX_EMISSIONS, n), pT zero where there is none."""
    longest = np.maximum(np.log(scale / physics.isr_pt_min), 0)
    count = rng.poisson(density * longest**2 / 2)
    emissions = np.zeros((3, MAX_EMISSIONS, len(scale)))
    slot, event = np.nonzero(np.arange(MAX_EMISSIONS)[:, None] < count)
    logarithm = longest[event] * rng.random(len(event)) ** physics.isr_log_exponent
    spread = np.minimum(logarithm + offset, limit) * rng.uniform(-1, 1, len(event))
    pt = scale[event] * np.exp(-logarithm)
    emissions[:, slot, event] = pt, follow * y[event] + spread, rng.uniform(-np.pi, np.pi, len(event))
    return emissions


def _recoil(emissions: np.ndarray, physics: SimulationParameters, rng) -> np.ndarray:
    """Transverse momentum (2, n) that balances the emissions and the soft radiation."""
    pt, _, phi = emissions
    shape, n = physics.soft_recoil_shape, pt.shape[1]
    soft = physics.soft_recoil * np.sqrt(rng.gamma(shape, 1 / shape, n)) * rng.standard_normal((2, n))
    return soft - np.stack([(pt * np.cos(phi)).sum(0), (pt * np.sin(phi)).sum(0)])


def _directions(cosine: np.ndarray, axis: np.ndarray | None, rng) -> np.ndarray:
    """Unit vectors (3, n) at an angle of given cosine to `axis` (3, n), or to z, at a random azimuth."""
    azimuth, sine = rng.uniform(0, 2 * np.pi, len(cosine)), np.sqrt(1 - cosine**2)
    across_1, across_2 = sine * np.cos(azimuth), sine * np.sin(azimuth)
    if axis is None:
        return np.stack([across_1, across_2, cosine])
    # an orthonormal frame about z: T. Duff et al., J. Comput. Graph. Tech. 6 (2017) 1
    x, y, z = axis / np.sqrt((axis**2).sum(0))
    sign = np.copysign(1.0, z)
    a = -1 / (sign + z)
    b = x * y * a
    return np.stack(
        [
            across_1 * (1 + sign * x**2 * a) + across_2 * b + cosine * x,
            across_1 * sign * b + across_2 * (sign + y**2 * a) + cosine * y,
            -across_1 * sign * x - across_2 * y + cosine * z,
        ]
    )


def decay(parent, m_1, m_2, rng, cosine=None, axis=None) -> tuple[np.ndarray, np.ndarray]:
    """Two-body decay of `parent` (4, n) to masses `m_1`, `m_2` (n,): two four-vectors (4, n).

    Isotropic in the rest frame unless the cosine (n,) to z, or to an `axis` (3, n) of that frame, is given.
    """
    m = mass(parent)
    momentum = np.sqrt(np.maximum((m**2 - (m_1 + m_2) ** 2) * (m**2 - (m_1 - m_2) ** 2), 0)) / (2 * m)
    cosine = rng.uniform(-1, 1, len(m)) if cosine is None else cosine
    at_rest = np.concatenate([np.sqrt(momentum**2 + m_1**2)[None], momentum * _directions(cosine, axis, rng)])
    first = boost(at_rest, parent)
    return first, parent - first


def _decay_w(w, parent, m_1, m_2, polarised: float, kind: str, rng) -> tuple[np.ndarray, np.ndarray]:
    """A W to two fermions, by its helicity: in its rest frame it flies against its parent's direction."""
    n = w.shape[1]
    by_helicity = _draw(_HELICITY_ANGLE[kind], np.zeros(n), rng)
    cosine = np.where(rng.random(n) < polarised, by_helicity, rng.uniform(-1, 1, n))
    backwards = w * np.array([[1.0], [-1], [-1], [-1]])
    return decay(w, m_1, m_2, rng, cosine, -boost(parent, backwards)[1:])


def _decay_ws(ws, parents, polarised: float, kind: str, physics: SimulationParameters, rng) -> tuple[np.ndarray, ...]:
    """One W, chosen at random, to lepton and neutrino, the other to two quarks: four four-vectors (4, n)."""
    n = ws[0].shape[1]
    swap = rng.random(n) < 0.5
    leptonic, hadronic = np.where(swap, *ws[::-1]), np.where(swap, *ws)
    leptonic_parent, hadronic_parent = np.where(swap, *parents[::-1]), np.where(swap, *parents)
    zero = np.zeros(n)
    leptons = _decay_w(leptonic, leptonic_parent, zero, zero, polarised, kind, rng)
    m_1, m_2 = (_quark_mass(physics.light_virtuality, n, rng) for _ in range(2))
    return *leptons, *_decay_w(hadronic, hadronic_parent, m_1, m_2, polarised, kind, rng)


@lru_cache(maxsize=8)
def _heavy_higgs_rapidity(physics: SimulationParameters) -> _Rapidity:
    def density(x):
        return x**-0.5 * (1 - x) ** physics.signal_density_exponent

    return _Rapidity.of(np.array([physics.m_heavy_higgs]), physics.energy, density, density)


def signal(n: int, physics: SimulationParameters, rng) -> Particles:
    """gg -> H0 -> W H+-, H+- -> W h0, h0 -> b b."""
    m_heavy = _breit_wigner(physics.m_heavy_higgs, physics.higgs_width, n, rng)
    m_charged = _breit_wigner(physics.m_charged_higgs, physics.higgs_width, n, rng)
    # a W off its shell where the tails of the Higgs bosons' masses leave less room
    m_w_1 = np.minimum(_breit_wigner(physics.m_w, physics.w_width, n, rng), m_heavy - m_charged - 0.5)
    m_w_2 = np.minimum(_breit_wigner(physics.m_w, physics.w_width, n, rng), m_charged - physics.m_light_higgs - 0.5)
    y = _heavy_higgs_rapidity(physics).draw(np.zeros(n), rng)
    spread = physics.isr_rapidity_follow_signal, physics.isr_rapidity_offset_signal, physics.isr_rapidity_limit_signal
    emissions = _emissions(physics.isr_scale_signal * m_heavy, physics.isr_density, y, *spread, physics, rng)
    heavy = _system(m_heavy, y, _recoil(emissions, physics, rng))
    charged, w_1 = decay(heavy, m_charged, m_w_1, rng)
    light, w_2 = decay(charged, np.full(n, physics.m_light_higgs), m_w_2, rng)
    bs = decay(light, *(_quark_mass(physics.b_virtuality, n, rng) for _ in range(2)), rng)
    products = _decay_ws((w_1, w_2), (heavy, charged), physics.signal_w_polarised, W_LONGITUDINAL, physics, rng)
    lepton, neutrino, *quarks = products
    return Particles(lepton, neutrino, np.stack([*bs, *quarks], 1), emissions)


def background(n: int, physics: SimulationParameters, rng) -> Particles:
    """gg, qq -> t t, t -> W b."""
    m_pair, y, cosine, by_quarks = _top_pairs(n, physics, rng)
    scale = physics.isr_scale_background * np.minimum(m_pair, 800.0)
    density = physics.isr_density * np.where(by_quarks, physics.isr_density_quarks, 1.0)
    spread = (
        physics.isr_rapidity_follow_background,
        physics.isr_rapidity_offset_background,
        physics.isr_rapidity_limit_background,
    )
    emissions = _emissions(scale, density, y, *spread, physics, rng)
    pair = _system(m_pair, y, _recoil(emissions, physics, rng))
    m_1, m_2 = (
        np.minimum(_breit_wigner(physics.m_top, physics.top_width, n, rng), m_pair / 2 - 0.01) for _ in range(2)
    )
    top_1, top_2 = decay(pair, m_1, m_2, rng, cosine)
    m_w_1, m_w_2 = (_breit_wigner(physics.m_w, physics.w_width, n, rng) for _ in range(2))
    b_1, w_1 = decay(top_1, _quark_mass(physics.b_virtuality, n, rng), m_w_1, rng)
    b_2, w_2 = decay(top_2, _quark_mass(physics.b_virtuality, n, rng), m_w_2, rng)
    products = _decay_ws((w_1, w_2), (top_1, top_2), physics.top_w_polarised, W_OF_TOP, physics, rng)
    lepton, neutrino, *quarks = products
    return Particles(lepton, neutrino, np.stack([b_1, b_2, *quarks], 1), emissions)


class _TopPairs(NamedTuple):
    """Leading-order gg -> tt (row 0) and qq -> tt (row 1), tabulated over the pair's mass."""

    masses: np.ndarray
    """(k,), GeV"""
    cumulative: np.ndarray
    """(k,), of the pair's mass"""
    quark_share: np.ndarray
    """(k,)"""
    rapidity: tuple[_Rapidity, _Rapidity]
    cosine: tuple[np.ndarray, np.ndarray]
    """(k, QUANTILES) each, of the scattering angle in the rest frame of the pair"""


@lru_cache(maxsize=8)
def _top_pair_tables(physics: SimulationParameters) -> _TopPairs:
    """Matrix elements of B. Combridge, Nucl. Phys. B151 (1979) 429."""
    threshold = 2 * physics.m_top + 0.5
    masses = threshold * (min(TOP_PAIR_MASS_MAX, 0.99 * physics.energy) / threshold) ** np.linspace(0, 1, 300)
    rapidity = (
        _Rapidity.of(masses, physics.energy, _gluons, _gluons),
        _Rapidity.of(masses, physics.energy, _quarks, _antiquarks),
    )
    rho = ((2 * physics.m_top / masses) ** 2)[:, None]
    beta = np.sqrt(1 - rho)
    beta_cos_2 = (beta * _COSINES) ** 2
    product = (1 - beta_cos_2) / 4  # of the two momentum transfers, in units of the mass squared
    gluons = (1 / (6 * product) - 0.375) * ((1 + beta_cos_2) / 2 + rho - rho**2 / (4 * product))
    quarks = (4 / 9) * ((1 + beta_cos_2) / 2 + rho / 2)
    rate_gluons = rapidity[0].luminosity * gluons.mean(1)
    rate_quarks = 2 * rapidity[1].luminosity * quarks.mean(1)  # the quark may come from either side
    spectrum = (rate_gluons + rate_quarks) * beta[:, 0] * masses**-3 * masses**-physics.top_pair_mass_exponent
    cumulative = np.pad(((spectrum[1:] + spectrum[:-1]) * np.diff(masses)).cumsum(), (1, 0))
    angles = (_quantiles(_COSINES, gluons), _quantiles(_COSINES, quarks))
    return _TopPairs(masses, cumulative / cumulative[-1], rate_quarks / (rate_gluons + rate_quarks), rapidity, angles)


def _top_pairs(n: int, physics: SimulationParameters, rng) -> tuple[np.ndarray, ...]:
    """Mass, rapidity, cosine of the scattering angle and whether quarks collided, each (n,)."""
    tables = _top_pair_tables(physics)
    rows = np.arange(len(tables.masses))
    row = np.interp(rng.random(n), tables.cumulative, rows)
    by_quarks = rng.random(n) < np.interp(row, rows, tables.quark_share)
    y, cosine = np.empty(n), np.empty(n)
    for quarks, side in ((False, 1.0), (True, rng.choice([-1.0, 1.0], n))):
        chosen = by_quarks == quarks
        y[chosen] = tables.rapidity[quarks].draw(row[chosen], rng) * np.broadcast_to(side, n)[chosen]
        cosine[chosen] = _draw(tables.cosine[quarks], row[chosen], rng)
    return np.interp(row, rows, tables.masses), y, cosine, by_quarks

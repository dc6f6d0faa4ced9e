"""Generates the particles of a collision: hard process, decays and initial-state radiation, for signal and background.

It uses leading-order matrix elements with simple parton densities, vectorised. All momenta are in GeV; four-vectors are
(4, n): E, px, py, pz. The number of random numbers does not depend on masses, scales and densities: with these changed,
the same random generator gives the same collisions, a little changed.
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
    """The four-vectors of the lepton, (4, n)."""
    neutrino: np.ndarray
    """The four-vectors of the neutrino, (4, n)."""
    quarks: np.ndarray
    """The four-vectors of the two b quarks and the two quarks of the W, (4, 4, n)."""
    emissions: np.ndarray
    """The pT, rapidity and phi of massless initial-state partons, (3, m, n); pT is zero in empty slots."""


PARAMETERS = frozenset(
    {
        "b_virtuality",
        "energy",
        "higgs_width",
        "isr_density",
        "isr_density_quarks",
        "isr_log_exponent",
        "isr_pt_min",
        "isr_rapidity_follow_background",
        "isr_rapidity_follow_signal",
        "isr_rapidity_limit_background",
        "isr_rapidity_limit_signal",
        "isr_rapidity_offset_background",
        "isr_rapidity_offset_signal",
        "isr_scale_background",
        "isr_scale_signal",
        "light_virtuality",
        "m_charged_higgs",
        "m_heavy_higgs",
        "m_light_higgs",
        "m_top",
        "m_w",
        "signal_density_exponent",
        "signal_w_polarised",
        "soft_recoil",
        "soft_recoil_shape",
        "top_pair_mass_exponent",
        "top_w_polarised",
        "top_width",
        "w_width",
    }
)
"""The parameters of the simulation that the particles depend on; all others are the detector's."""

MAX_EMISSIONS = 5
VIRTUALITY_SHAPE = 1.3  # shape of the Gamma distribution of a quark's mass
TOP_PAIR_MASS_MAX = 3000.0  # GeV
W_LONGITUDINAL, W_OF_TOP = "longitudinal", "of top"
N_TABULATED = 72  # masses of H0 whose rapidity distributions are tabulated, 6 % apart at 8 TeV
QUANTILES = 513  # points of a tabulated distribution; between them its density is flat


def _tabulate_quantiles(values: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Returns the quantiles (rows, QUANTILES) of distributions with a `density` (rows, k) at `values` (k,)."""
    steps = (density[:, 1:] + density[:, :-1]) * np.diff(values)
    cumulative = np.pad(steps.cumsum(1), ((0, 0), (1, 0)))
    levels = np.linspace(0, 1, QUANTILES)
    return np.stack([np.interp(levels, row / row[-1], values) for row in cumulative])


def _sample(quantiles: np.ndarray, row: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draws values (n,) from tabulated distributions at positions `row` (n,); between two rows, from either.

    `uniform` (2, n) are random numbers in [0, 1).
    """
    row = np.minimum(row + uniform[0], len(quantiles) - 1).astype(np.intp)
    position = uniform[1] * (QUANTILES - 1)
    below = position.astype(np.intp)
    flat = row * QUANTILES + below
    lower, upper = quantiles.ravel()[flat], quantiles.ravel()[flat + 1]
    return lower + (position - below) * (upper - lower)


_COSINES = np.linspace(-1, 1, 401)
_HELICITY_ANGLE = {
    W_LONGITUDINAL: _tabulate_quantiles(_COSINES, (1 - _COSINES**2)[None]),
    W_OF_TOP: _tabulate_quantiles(_COSINES, (0.7 * 0.75 * (1 - _COSINES**2) + 0.3 * 0.375 * (1 - _COSINES) ** 2)[None]),
}
"""The quantiles of the cosine of the fermion's angle to the W's direction of flight, in the W's rest frame."""


def _gluons(x):
    """Returns the gluon density x g(x) near Q = 200 GeV, up to a factor."""
    return x**-0.5 * (1 - x) ** 8


def _quarks(x):
    """Returns the quark density x (u + d), valence-like, with the factor of `_gluons`."""
    return 2.2 * x**0.35 * (1 - x) ** 3


def _antiquarks(x):
    """Returns the antiquark density x (ubar + dbar), with the factor of `_gluons`."""
    return 0.24 * x**-0.3 * (1 - x) ** 8


def _breit_wigner(pole: float | np.ndarray, width: float, n: int, rng) -> np.ndarray:
    """Draws masses (n,) from Breit-Wigner distributions with one pole, or each its own (n,), cut at `WIDTHS` widths."""
    limit = np.arctan(2 * WIDTHS)
    return pole + 0.5 * width * np.tan(rng.uniform(-limit, limit, n))


def _quark_mass(mean: float, n: int, rng) -> np.ndarray:
    """Draws masses (n,) of quarks before they radiate."""
    return np.minimum(VIRTUALITY_MIN + mean * rng.gamma(VIRTUALITY_SHAPE, 1 / VIRTUALITY_SHAPE, n), VIRTUALITY_MAX)


class _Rapidity(NamedTuple):
    """The rapidity distributions of systems of given masses, from the densities of the two colliding partons."""

    limit: np.ndarray
    """The largest rapidities, ln(energy / mass), (rows,)."""
    quantiles: np.ndarray
    """The quantiles in units of the limit, (rows, QUANTILES)."""
    luminosity: np.ndarray
    """The products of the densities, integrated over rapidity, (rows,)."""

    @classmethod
    def tabulate(cls, masses: np.ndarray, energy: float, density_1: Callable, density_2: Callable) -> "_Rapidity":
        """Returns the distributions for `masses` (rows,) and two functions x f(x)."""
        relative = np.linspace(-1, 1, 401)
        limit = np.log(energy / masses)
        x = masses[:, None] / energy * np.exp(np.outer([1, -1], limit)[:, :, None] * relative)
        product = density_1(np.minimum(x[0], 1)) * density_2(np.minimum(x[1], 1))
        return cls(limit, _tabulate_quantiles(relative, product + 1e-12), product.mean(1) * 2 * limit)

    def sample(self, row: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Draws one rapidity for each of the positions `row` (n,) among the masses; `uniform` as in `_sample`."""
        return np.interp(row, np.arange(len(self.limit)), self.limit) * _sample(self.quantiles, row, uniform)


def _four_vector(system_mass: np.ndarray, y: np.ndarray, transverse_momentum: np.ndarray) -> np.ndarray:
    """Returns four-vectors (4, n) of given mass (n,), rapidity (n,) and transverse momentum (2, n)."""
    transverse_mass = np.sqrt(system_mass**2 + (transverse_momentum**2).sum(0))
    return np.stack([transverse_mass * np.cosh(y), *transverse_momentum, transverse_mass * np.sinh(y)])


def _initial_state_radiation(
    scale, density, y, follow: float, offset: float, limit: float, physics: SimulationParameters, rng
) -> np.ndarray:
    """Draws pT, rapidity and phi of the emissions, (3, MAX_EMISSIONS, n); pT is zero in empty slots."""
    longest = np.maximum(np.log(scale / physics.isr_pt_min), 0)
    count = _poisson(density * longest**2 / 2, rng.random(len(scale)))
    uniform = rng.random((3, MAX_EMISSIONS, len(scale)))
    emissions = np.zeros_like(uniform)
    slot, event = np.nonzero(np.arange(MAX_EMISSIONS)[:, None] < count)
    for_pt, for_rapidity, for_phi = uniform[:, slot, event]
    logarithm = longest[event] * for_pt**physics.isr_log_exponent
    spread = np.minimum(logarithm + offset, limit) * (2 * for_rapidity - 1)
    pt = scale[event] * np.exp(-logarithm)
    emissions[:, slot, event] = pt, follow * y[event] + spread, np.pi * (2 * for_phi - 1)
    return emissions


def _poisson(mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Returns Poisson numbers (n,), at most MAX_EMISSIONS, that grow with their `mean` for the same `uniform` (n,)."""
    probability, count = np.exp(-mean), np.zeros(len(mean), int)
    cumulative = probability.copy()
    for number in range(1, MAX_EMISSIONS + 1):
        count += uniform >= cumulative
        probability *= mean / number
        cumulative += probability
    return count


def _recoil(emissions: np.ndarray, physics: SimulationParameters, rng) -> np.ndarray:
    """Returns the transverse momentum (2, n) that balances the emissions and the soft radiation."""
    pt, _, phi = emissions
    shape, n = physics.soft_recoil_shape, pt.shape[1]
    soft = physics.soft_recoil * np.sqrt(rng.gamma(shape, 1 / shape, n)) * rng.standard_normal((2, n))
    return soft - np.stack([(pt * np.cos(phi)).sum(0), (pt * np.sin(phi)).sum(0)])


def _directions(cosine: np.ndarray, axis: np.ndarray | None, rng) -> np.ndarray:
    """Returns unit vectors (3, n) at angles of given cosine (n,) to `axis` (3, n), or to z, at random azimuths."""
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
    """Decays particles into two, isotropically in the rest frame unless `cosine` is given.

    Args:
        parent: the four-vectors of the parents, (4, n).
        m_1: the masses of the first products, (n,).
        m_2: the masses of the second products, (n,).
        rng: the random generator.
        cosine: the cosines (n,) of the first product's angle to `axis` in the rest frame.
        axis: vectors (3, n) in the rest frame; None: the z axis.

    Returns:
        The four-vectors (4, n) of the first and of the second products.
    """
    m = mass(parent)
    momentum = np.sqrt(np.maximum((m**2 - (m_1 + m_2) ** 2) * (m**2 - (m_1 - m_2) ** 2), 0)) / (2 * m)
    cosine = rng.uniform(-1, 1, len(m)) if cosine is None else cosine
    at_rest = np.concatenate([np.sqrt(momentum**2 + m_1**2)[None], momentum * _directions(cosine, axis, rng)])
    first = boost(at_rest, parent)
    return first, parent - first


def _decay_w(w, parent, m_1, m_2, polarised: float, helicity: str, rng) -> tuple[np.ndarray, np.ndarray]:
    """Decays a W into two fermions by its helicity; in its frame it flies opposite to its parent."""
    n = w.shape[1]
    by_helicity = _sample(_HELICITY_ANGLE[helicity], np.zeros(n), rng.random((2, n)))
    cosine = np.where(rng.random(n) < polarised, by_helicity, rng.uniform(-1, 1, n))
    backwards = w * np.array([[1.0], [-1], [-1], [-1]])
    return decay(w, m_1, m_2, rng, cosine, -boost(parent, backwards)[1:])


def _decay_w_pair(ws, parents, polarised: float, helicity: str, physics, rng) -> tuple[np.ndarray, ...]:
    """Decays one W, at random, to lepton and neutrino and the other to two quarks; returns four four-vectors (4, n)."""
    n = ws[0].shape[1]
    swap = rng.random(n) < 0.5
    leptonic, hadronic = np.where(swap, *ws[::-1]), np.where(swap, *ws)
    leptonic_parent, hadronic_parent = np.where(swap, *parents[::-1]), np.where(swap, *parents)
    zero = np.zeros(n)
    leptons = _decay_w(leptonic, leptonic_parent, zero, zero, polarised, helicity, rng)
    m_1, m_2 = (_quark_mass(physics.light_virtuality, n, rng) for _ in range(2))
    return *leptons, *_decay_w(hadronic, hadronic_parent, m_1, m_2, polarised, helicity, rng)


@lru_cache(maxsize=8)
def _heavy_higgs_rapidity(masses: tuple[float, ...], energy: float, exponent: float) -> _Rapidity:
    """Returns the rapidity distributions of H0 of these masses, made by two gluons of density x^-1/2 (1-x)^exponent."""

    def density(x):
        return x**-0.5 * (1 - x) ** exponent

    return _Rapidity.tabulate(np.array(masses), energy, density, density)


def _sample_heavy_higgs_rapidity(m_heavy_higgs, n: int, physics: SimulationParameters, rng) -> np.ndarray:
    """Draws rapidities (n,) of H0 of one mass, or of n masses (n,), between which tabulated distributions are mixed."""
    if np.ndim(m_heavy_higgs):
        tabulated = np.geomspace(physics.m_light_higgs, 0.99 * physics.energy, N_TABULATED)
    else:
        tabulated = np.array([m_heavy_higgs])
    tables = _heavy_higgs_rapidity(tuple(tabulated.tolist()), physics.energy, physics.signal_density_exponent)
    row = np.interp(np.broadcast_to(m_heavy_higgs, n), tabulated, np.arange(len(tabulated)))
    return tables.sample(row, rng.random((2, n)))


def signal(n: int, physics: SimulationParameters, rng, masses: np.ndarray | None = None) -> Particles:
    """Generates `n` collisions gg -> H0 -> W H+-, H+- -> W h0, h0 -> b b.

    Args:
        n: the number of collisions.
        physics: the parameters of the simulation.
        rng: the random generator.
        masses: the masses (2, n) of H0 and H+- in each collision; None: those of `physics` in all.

    Returns:
        The final states.
    """
    m_heavy_higgs, m_charged_higgs = (physics.m_heavy_higgs, physics.m_charged_higgs) if masses is None else masses
    m_heavy = _breit_wigner(m_heavy_higgs, physics.higgs_width, n, rng)
    m_charged = _breit_wigner(m_charged_higgs, physics.higgs_width, n, rng)
    # the W is off-shell where the tails of the Higgs bosons' masses leave less room
    m_w_1 = np.minimum(_breit_wigner(physics.m_w, physics.w_width, n, rng), m_heavy - m_charged - 0.5)
    m_w_2 = np.minimum(_breit_wigner(physics.m_w, physics.w_width, n, rng), m_charged - physics.m_light_higgs - 0.5)
    y = _sample_heavy_higgs_rapidity(m_heavy_higgs, n, physics, rng)
    spread = physics.isr_rapidity_follow_signal, physics.isr_rapidity_offset_signal, physics.isr_rapidity_limit_signal
    scale = physics.isr_scale_signal * m_heavy
    emissions = _initial_state_radiation(scale, physics.isr_density, y, *spread, physics, rng)
    heavy = _four_vector(m_heavy, y, _recoil(emissions, physics, rng))
    charged, w_1 = decay(heavy, m_charged, m_w_1, rng)
    light, w_2 = decay(charged, np.full(n, physics.m_light_higgs), m_w_2, rng)
    bs = decay(light, *(_quark_mass(physics.b_virtuality, n, rng) for _ in range(2)), rng)
    products = _decay_w_pair((w_1, w_2), (heavy, charged), physics.signal_w_polarised, W_LONGITUDINAL, physics, rng)
    lepton, neutrino, *quarks = products
    return Particles(lepton, neutrino, np.stack([*bs, *quarks], 1), emissions)


def background(n: int, physics: SimulationParameters, rng) -> Particles:
    """Generates `n` collisions gg, qq -> t t, t -> W b."""
    m_pair, y, cosine, by_quarks = _top_pairs(n, physics, rng)
    scale = physics.isr_scale_background * np.minimum(m_pair, 800.0)
    density = physics.isr_density * np.where(by_quarks, physics.isr_density_quarks, 1.0)
    spread = (
        physics.isr_rapidity_follow_background,
        physics.isr_rapidity_offset_background,
        physics.isr_rapidity_limit_background,
    )
    emissions = _initial_state_radiation(scale, density, y, *spread, physics, rng)
    pair = _four_vector(m_pair, y, _recoil(emissions, physics, rng))
    m_1, m_2 = (
        np.minimum(_breit_wigner(physics.m_top, physics.top_width, n, rng), m_pair / 2 - 0.01) for _ in range(2)
    )
    top_1, top_2 = decay(pair, m_1, m_2, rng, cosine)
    m_w_1, m_w_2 = (_breit_wigner(physics.m_w, physics.w_width, n, rng) for _ in range(2))
    b_1, w_1 = decay(top_1, _quark_mass(physics.b_virtuality, n, rng), m_w_1, rng)
    b_2, w_2 = decay(top_2, _quark_mass(physics.b_virtuality, n, rng), m_w_2, rng)
    products = _decay_w_pair((w_1, w_2), (top_1, top_2), physics.top_w_polarised, W_OF_TOP, physics, rng)
    lepton, neutrino, *quarks = products
    return Particles(lepton, neutrino, np.stack([b_1, b_2, *quarks], 1), emissions)


class _TopPairs(NamedTuple):
    """Leading-order gg -> tt (first of each pair) and qq -> tt (second), tabulated over the pair's mass."""

    masses: np.ndarray
    """The masses of the pair in GeV, (k,)."""
    cumulative: np.ndarray
    """The cumulative distribution of the pair's mass, (k,)."""
    quark_fraction: np.ndarray
    """The fraction of collisions of quarks, (k,)."""
    rapidity: tuple[_Rapidity, _Rapidity]
    """The rapidity distributions of the pair."""
    cosine: tuple[np.ndarray, np.ndarray]
    """The quantiles of the cosine of the scattering angle in the rest frame of the pair, (k, QUANTILES) each."""


@lru_cache(maxsize=8)
def _top_pair_tables(m_top: float, energy: float, mass_exponent: float) -> _TopPairs:
    """Tabulates the matrix elements of B. Combridge, Nucl. Phys. B151 (1979) 429."""
    threshold = 2 * m_top + 0.5
    masses = threshold * (min(TOP_PAIR_MASS_MAX, 0.99 * energy) / threshold) ** np.linspace(0, 1, 300)
    rapidity = (
        _Rapidity.tabulate(masses, energy, _gluons, _gluons),
        _Rapidity.tabulate(masses, energy, _quarks, _antiquarks),
    )
    rho = ((2 * m_top / masses) ** 2)[:, None]
    beta = np.sqrt(1 - rho)
    beta_cos_2 = (beta * _COSINES) ** 2
    product = (1 - beta_cos_2) / 4  # product of the two momentum transfers, in units of the squared mass
    gluons = (1 / (6 * product) - 0.375) * ((1 + beta_cos_2) / 2 + rho - rho**2 / (4 * product))
    quarks = (4 / 9) * ((1 + beta_cos_2) / 2 + rho / 2)
    rate_gluons = rapidity[0].luminosity * gluons.mean(1)
    rate_quarks = 2 * rapidity[1].luminosity * quarks.mean(1)  # the quark comes from either side
    spectrum = (rate_gluons + rate_quarks) * beta[:, 0] * masses**-3 * masses**-mass_exponent
    cumulative = np.pad(((spectrum[1:] + spectrum[:-1]) * np.diff(masses)).cumsum(), (1, 0))
    angles = (_tabulate_quantiles(_COSINES, gluons), _tabulate_quantiles(_COSINES, quarks))
    return _TopPairs(masses, cumulative / cumulative[-1], rate_quarks / (rate_gluons + rate_quarks), rapidity, angles)


def _top_pairs(n: int, physics: SimulationParameters, rng) -> tuple[np.ndarray, ...]:
    """Draws mass, rapidity, cosine of the scattering angle and whether quarks collide, each (n,)."""
    tables = _top_pair_tables(physics.m_top, physics.energy, physics.top_pair_mass_exponent)
    rows = np.arange(len(tables.masses))
    row = np.interp(rng.random(n), tables.cumulative, rows)
    by_quarks = rng.random(n) < np.interp(row, rows, tables.quark_fraction)
    y, cosine, uniform = np.empty(n), np.empty(n), rng.random((4, n))
    for quarks, side in ((False, 1.0), (True, rng.choice([-1.0, 1.0], n))):
        events = by_quarks == quarks
        y[events] = tables.rapidity[quarks].sample(row[events], uniform[:2, events]) * np.broadcast_to(side, n)[events]
        cosine[events] = _sample(tables.cosine[quarks], row[events], uniform[2:, events])
    return np.interp(row, rows, tables.masses), y, cosine, by_quarks

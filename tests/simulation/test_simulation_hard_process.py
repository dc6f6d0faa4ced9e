import inspect
import re

import numpy as np
import pytest
import vector

from higgs_lib.data import kinematics
from higgs_lib.simulation import SimulationParameters, hard_process

WIDTH_TO_QUARTILES = np.tan(np.arctan(6) / 2)  # quartile range of a Breit-Wigner cut at three widths, per width


@pytest.fixture(params=[hard_process.signal, hard_process.background], ids=["signal", "background"])
def particles(request):
    return request.param(4000, SimulationParameters(soft_recoil=0.0), np.random.default_rng(1))


def quartile_range(values):
    return np.subtract(*np.quantile(values, [0.75, 0.25]))


def as_vectors(p):
    """Converts four-vectors of this library to those of `vector`."""
    return vector.array(dict(zip(("E", "px", "py", "pz"), p, strict=True)))


def test_both_ws_have_the_mass_and_width_of_the_w(particles):
    for w in (particles.lepton + particles.neutrino, particles.quarks[:, 2] + particles.quarks[:, 3]):
        masses = as_vectors(w).mass
        assert np.median(masses) == pytest.approx(SimulationParameters().m_w, abs=0.2)
        assert quartile_range(masses) == pytest.approx(SimulationParameters().w_width * WIDTH_TO_QUARTILES, rel=0.1)


def test_transverse_momentum_balances_the_radiation(particles):
    total = particles.lepton + particles.neutrino + particles.quarks.sum(1)
    total = total + kinematics.massless(*particles.emissions).sum(1)
    assert total[1:3] == pytest.approx(0, abs=1e-6)


def test_signal_decays_have_the_masses_of_the_higgs_bosons():
    physics = SimulationParameters(m_heavy_higgs=600.0, m_charged_higgs=400.0, m_light_higgs=150.0, higgs_width=3.0)
    p = hard_process.signal(4000, physics, np.random.default_rng(2))
    bb = p.quarks[:, 0] + p.quarks[:, 1]
    assert as_vectors(bb).mass == pytest.approx(150, abs=1e-4)
    leptonic, hadronic = p.lepton + p.neutrino, p.quarks[:, 2] + p.quarks[:, 3]
    charged = np.stack([as_vectors(bb + w).mass for w in (leptonic, hadronic)])
    nearest = np.abs(charged - 400).min(0)  # either W may be the one of the charged Higgs boson
    assert np.quantile(nearest, 0.9) < 3 * 3.0
    heavy = as_vectors(bb + leptonic + hadronic).mass
    assert np.median(heavy) == pytest.approx(600, abs=0.3)
    assert quartile_range(heavy) == pytest.approx(3.0 * WIDTH_TO_QUARTILES, rel=0.1)


def test_each_collision_has_its_own_masses():
    physics = SimulationParameters(higgs_width=1.0)
    masses = np.stack([np.linspace(400, 900, 4000), np.linspace(300, 500, 4000)])
    p = hard_process.signal(4000, physics, np.random.default_rng(2), masses)
    heavy = as_vectors(p.quarks.sum(1) + p.lepton + p.neutrino).mass
    assert np.abs(heavy - masses[0]).max() < 3.001  # Breit-Wigner distributions are cut at three widths
    bb = p.quarks[:, 0] + p.quarks[:, 1]
    charged = np.stack([as_vectors(bb + w).mass for w in (p.lepton + p.neutrino, p.quarks[:, 2] + p.quarks[:, 3])])
    assert np.abs(charged - masses[1]).min(0).max() < 3.001


def test_equal_masses_of_all_collisions_give_what_the_parameters_give():
    physics, masses = SimulationParameters(), np.full((2, 4000), [[425.0], [325.0]])
    one, other = (hard_process.signal(4000, physics, np.random.default_rng(2), m) for m in (None, masses))
    difference = np.abs(one.lepton - other.lepton).max(0) / one.lepton[0]
    assert np.quantile(difference, 0.9) < 0.002  # rapidities are tabulated at other masses, 6 % apart
    assert one.lepton[1:3] == pytest.approx(other.lepton[1:3], rel=0.05, abs=2.0)


def test_b_quarks_and_ws_of_the_background_form_tops():
    physics = SimulationParameters(m_top=170.0, top_width=0.5)
    p = hard_process.background(4000, physics, np.random.default_rng(2))
    ws = (p.lepton + p.neutrino, p.quarks[:, 2] + p.quarks[:, 3])
    pairs = [[as_vectors(w + p.quarks[:, b]).mass for b in (0, 1)] for w in ws]
    straight = np.maximum(np.abs(pairs[0][0] - 170), np.abs(pairs[1][1] - 170))
    crossed = np.maximum(np.abs(pairs[0][1] - 170), np.abs(pairs[1][0] - 170))
    assert np.minimum(straight, crossed).max() < 0.5 * 3.01


def test_ws_from_scalars_are_longitudinal():
    """The lepton's angle in the W's rest frame follows sin^2, whose second moment is 1/5 (isotropic: 1/3)."""
    physics = SimulationParameters(signal_w_polarised=1.0)
    rng = np.random.default_rng(1)
    n = 20_000
    parent = np.stack([np.full(n, 325.0), *np.zeros((3, n))])
    _, w = hard_process.decay(parent, np.full(n, 125.0), np.full(n, 80.4), rng)
    lepton, _ = hard_process._decay_w(w, parent, 0.0, 0.0, physics.signal_w_polarised, hard_process.W_LONGITUDINAL, rng)
    at_rest = as_vectors(lepton).boost_p4(as_vectors(w * np.array([[1.0], [-1], [-1], [-1]])))
    direction = as_vectors(w).to_Vector3D().unit()
    cosine = at_rest.to_Vector3D().unit().dot(direction)
    assert (cosine**2).mean() == pytest.approx(1 / 5, abs=0.005)


def test_top_pairs_follow_the_matrix_elements():
    """Compares the scattering angle of qq with integrals of the formula at a few masses of the pair."""
    physics = SimulationParameters()
    n = 200_000
    mass, _, cosine, quarks = hard_process._top_pairs(n, physics, np.random.default_rng(3))
    assert mass.min() >= 2 * physics.m_top
    for low, high in ((360, 380), (480, 520), (700, 800)):
        events = quarks & (mass > low) & (mass < high)
        beta_2 = 1 - (2 * physics.m_top / mass[events].mean()) ** 2
        # (1 + b^2 c^2) / 2 + r / 2: its second moment, by integration
        expected = ((2 - beta_2) / 3 + beta_2 / 5) / ((2 - beta_2) + beta_2 / 3)
        assert (cosine[events] ** 2).mean() == pytest.approx(expected, abs=4 * 0.3 / np.sqrt(events.sum()))
    assert 0.1 < quarks.mean() < 0.35  # qq produces a sixth to a fifth of top pairs at 8 TeV


def test_the_parameters_of_the_process_are_those_that_its_code_reads():
    assert set(re.findall(r"physics\.(\w+)", inspect.getsource(hard_process))) == hard_process.PARAMETERS

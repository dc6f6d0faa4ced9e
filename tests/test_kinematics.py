import numpy as np
import pytest

from higgs_lib import kinematics, samples
from higgs_lib.data import origin
from higgs_lib.features import COMPLETE, HIGH, LOW
from higgs_lib.process import decay


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def particles(rng, n=1000):
    momentum = rng.normal(0, 50, (n, 3))
    masses = rng.uniform(1, 200, n)
    return np.concatenate([np.sqrt(masses**2 + (momentum**2).sum(1))[:, None], momentum], 1), masses


def test_mass_is_what_went_in_and_does_not_change_under_a_boost(rng):
    p, masses = particles(rng)
    frame, _ = particles(rng)
    assert kinematics.mass(p) == pytest.approx(masses, rel=1e-9)
    assert kinematics.mass(kinematics.boost(p, frame)) == pytest.approx(masses, rel=1e-6)


def test_a_particle_at_rest_is_boosted_to_its_frame(rng):
    frame, masses = particles(rng)
    at_rest = np.concatenate([masses[:, None], np.zeros((1000, 3))], 1)
    assert kinematics.boost(at_rest, frame) == pytest.approx(frame, rel=1e-9)


def test_a_decay_conserves_four_momentum_and_gives_the_masses_asked(rng):
    parent, masses = particles(rng)
    m_1, m_2 = 0.3 * masses, 0.5 * masses
    for cosine in (None, rng.uniform(-1, 1, len(masses))):
        first, second = decay(parent, m_1, m_2, rng, cosine)
        assert first + second == pytest.approx(parent, rel=1e-9, abs=1e-7)
        assert kinematics.mass(first) == pytest.approx(m_1, rel=1e-5)
        assert kinematics.mass(second) == pytest.approx(m_2, rel=1e-5)


def test_massless_vectors_have_no_mass_and_come_back(rng):
    pt, eta, phi = rng.uniform(10, 200, 100), rng.uniform(-3, 3, 100), rng.uniform(-np.pi, np.pi, 100)
    p = kinematics.massless(pt, eta, phi)
    assert kinematics.mass(p) == pytest.approx(0, abs=1e-4)
    for back, was in zip(kinematics.pt_eta_phi(p), (pt, eta, phi), strict=True):
        assert back == pytest.approx(was, rel=1e-9)


def test_units_there_and_back(rows):
    for column, name in enumerate(COMPLETE, 1):
        physical = kinematics.to_physical(rows[:, column], name)
        assert np.allclose(kinematics.to_file(physical, name), rows[:, column], rtol=1e-6)


def test_the_neutrino_is_where_a_scan_of_the_whole_grid_finds_it(rng):
    n = 2000
    lepton_pt, met = rng.uniform(15, 150, n), rng.uniform(1, 150, n)
    lepton_eta = rng.uniform(-2.5, 2.5, n)
    lepton_phi, met_phi = rng.uniform(-np.pi, np.pi, (2, n))
    grid = np.arange(-60, 61) * 0.05
    lepton = kinematics.massless(lepton_pt, lepton_eta, lepton_phi)
    neutrino = kinematics.massless(*np.broadcast_arrays(met[:, None], grid, met_phi[:, None]))
    masses = kinematics.mass(lepton[:, None] + neutrino)
    wanted = np.abs(masses - kinematics.W_MASS).min(1)
    eta = kinematics.neutrino_eta(lepton_pt, lepton_eta, lepton_phi, met, met_phi)
    found = kinematics.mass(lepton + kinematics.massless(met, eta, met_phi))
    assert np.abs(found - kinematics.W_MASS) == pytest.approx(wanted, abs=1e-4)


def test_masses_of_real_two_tag_events_come_out_as_in_the_file(real_events):
    sample = samples.load(real_events, COMPLETE, range(origin(real_events).n_events))
    x = {name: kinematics.to_physical(sample.features[:, i], name) for i, name in enumerate(COMPLETE)}
    jets = [[x[f"jet_{j}_{q}"] for j in (1, 2, 3, 4)] for q in ("pt", "eta", "phi", "b_tag")]
    pt, eta, phi, tag = (np.stack(columns, 1) for columns in jets)
    two = (tag > 0).sum(1) == 2
    lepton = [x[name] for name in LOW[:3]]
    met = [x["missing_energy"], x["missing_energy_phi"]]
    neutrino = kinematics.massless(met[0], kinematics.neutrino_eta(*lepton, *met), met[1])
    masses = kinematics.high_level_masses(
        kinematics.massless(pt, eta, phi), tag > 0, kinematics.massless(*lepton), neutrino
    )
    agree = {name: np.mean(np.abs(getattr(masses, name) / x[name] - 1)[two] < 0.005) for name in HIGH}
    assert agree["m_bb"] > 0.995
    assert agree["m_lv"] > 0.97
    assert min(agree.values()) > 0.6  # the others may use jets beyond the four stored

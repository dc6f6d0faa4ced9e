import numpy as np
import pytest
import vector

from higgs_lib import data, simulation
from higgs_lib.data import COMPLETE, HIGH, LOW, kinematics, origin
from higgs_lib.simulation.hard_process import decay


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def particles(rng, n=1000):
    momentum = rng.normal(0, 50, (3, n))
    masses = rng.uniform(1, 200, n)
    return np.concatenate([np.sqrt(masses**2 + (momentum**2).sum(0))[None], momentum]), masses


def as_vectors(p):
    """Four-vectors of the package as those of another."""
    return vector.array(dict(zip(("E", "px", "py", "pz"), p, strict=True)))


def test_mass_is_what_went_in_and_does_not_change_under_a_boost(rng):
    p, masses = particles(rng)
    frame, _ = particles(rng)
    assert kinematics.mass(p) == pytest.approx(masses, rel=1e-9)
    assert kinematics.mass(kinematics.boost(p, frame)) == pytest.approx(masses, rel=1e-6)


def test_a_particle_at_rest_is_boosted_to_its_frame(rng):
    frame, masses = particles(rng)
    at_rest = np.concatenate([masses[None], np.zeros((3, 1000))])
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
    neutrino = kinematics.massless(*np.broadcast_arrays(met, grid[:, None], met_phi))
    masses = kinematics.mass(lepton[:, None] + neutrino)
    wanted = np.abs(masses - kinematics.W_MASS).min(0)
    eta = kinematics.neutrino_eta(lepton_pt, lepton_eta, lepton_phi, met, met_phi)
    found = kinematics.mass(lepton + kinematics.massless(met, eta, met_phi))
    assert np.abs(found - kinematics.W_MASS) == pytest.approx(wanted, abs=1e-4)


def test_boosts_and_masses_are_those_of_another_library(rng):
    (p, _), (frame, _) = particles(rng), particles(rng)
    boosted, wanted = as_vectors(kinematics.boost(p, frame)), as_vectors(p).boost_p4(as_vectors(frame))
    for component in ("E", "px", "py", "pz"):
        assert getattr(boosted, component) == pytest.approx(getattr(wanted, component), rel=1e-7, abs=1e-6)
    assert kinematics.mass(p) == pytest.approx(as_vectors(p).mass, rel=1e-9)
    for ours, theirs in zip(kinematics.pt_eta_phi(p), ("pt", "eta", "phi"), strict=True):
        assert ours == pytest.approx(getattr(as_vectors(p), theirs), rel=1e-9, abs=1e-12)


def test_masses_do_not_change_where_everything_is_boosted_along_the_beam_and_turned(rng):
    """But for the neutrino's, whose direction along the beam is on a grid that stays where it is."""
    n = 500
    pt, eta, phi = rng.uniform(20, 150, (4, n)), rng.uniform(-2, 2, (4, n)), rng.uniform(-3, 3, (4, n))
    tagged = np.repeat([[True], [True], [False], [False]], n, 1)
    nothing = np.zeros((4, n))
    one, other = (
        kinematics.high_level_masses(kinematics.massless(pt, eta + shift, phi + turn), tagged, nothing, nothing)
        for shift, turn in ((0, 0), (0.7, 1.1))
    )
    for name in ("m_jj", "m_jjj", "m_bb", "m_wwbb"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)


def test_a_table_becomes_four_vectors_and_comes_back():
    table = simulation.generate(2000, seed=3)
    events = kinematics.four_vectors(table)
    assert events.jets.shape == events.b_tags.shape == (4, 2000)
    assert events.lepton.mass == pytest.approx(0, abs=1e-3)
    back = kinematics.table(events)
    assert back.column_names == list(LOW)
    for name in LOW:
        assert back[name].to_numpy() == pytest.approx(table[name].to_numpy(), rel=2e-6, abs=1e-6)


def test_m_bb_of_the_two_tagged_jets_by_another_library():
    table = simulation.generate(2000, seed=3)
    events = kinematics.four_vectors(table)
    two = (events.b_tags > 0).sum(0) == 2
    order = np.argsort(events.b_tags == 0, axis=0, kind="stable")[:2]
    jets = np.take_along_axis(events.jets, order, 0)[:, two]
    mass = (jets[0] + jets[1]).mass
    assert mass == pytest.approx(table["m_bb"].to_numpy()[two] * kinematics.SCALES["m_bb"], rel=1e-4)
    assert np.isnan(kinematics.recompute(table).m_bb[~two]).all()


def real_table(real_events):
    return data.load_table(real_events, range(origin(real_events).n_events))


def test_masses_of_real_two_tag_events_come_out_as_in_the_file(real_events):
    table = real_table(real_events)
    masses = kinematics.recompute(table)
    two = np.isfinite(masses.m_bb)
    assert 0.75 < two.mean() < 0.85
    agree = {
        name: np.mean(
            np.abs(getattr(masses, name) / (table[name].to_numpy() * kinematics.SCALES[name]) - 1)[two] < 0.005
        )
        for name in HIGH
    }
    assert agree["m_bb"] > 0.995
    assert agree["m_lv"] > 0.97
    assert min(agree.values()) > 0.6  # the others may use jets beyond the four stored

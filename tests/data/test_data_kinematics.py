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
    """Converts four-vectors to those of the `vector` package."""
    return vector.array(dict(zip(("E", "px", "py", "pz"), p, strict=True)))


def test_the_mass_is_the_given_one_and_invariant_under_a_boost(rng):
    p, masses = particles(rng)
    frame, _ = particles(rng)
    assert kinematics.mass(p) == pytest.approx(masses, rel=1e-9)
    assert kinematics.mass(kinematics.boost(p, frame)) == pytest.approx(masses, rel=1e-6)


def test_a_particle_at_rest_is_boosted_to_its_frame(rng):
    frame, masses = particles(rng)
    at_rest = np.concatenate([masses[None], np.zeros((3, 1000))])
    assert kinematics.boost(at_rest, frame) == pytest.approx(frame, rel=1e-9)


def test_a_decay_conserves_four_momentum_and_gives_the_requested_masses(rng):
    parent, masses = particles(rng)
    m_1, m_2 = 0.3 * masses, 0.5 * masses
    for cosine in (None, rng.uniform(-1, 1, len(masses))):
        first, second = decay(parent, m_1, m_2, rng, cosine)
        assert first + second == pytest.approx(parent, rel=1e-9, abs=1e-7)
        assert kinematics.mass(first) == pytest.approx(m_1, rel=1e-5)
        assert kinematics.mass(second) == pytest.approx(m_2, rel=1e-5)


def test_massless_vectors_have_no_mass_and_convert_back(rng):
    pt, eta, phi = rng.uniform(10, 200, 100), rng.uniform(-3, 3, 100), rng.uniform(-np.pi, np.pi, 100)
    p = kinematics.massless(pt, eta, phi)
    assert kinematics.mass(p) == pytest.approx(0, abs=1e-4)
    for back, original in zip(kinematics.pt_eta_phi(p), (pt, eta, phi), strict=True):
        assert back == pytest.approx(original, rel=1e-9)


def test_units_convert_there_and_back(rows):
    for column, name in enumerate(COMPLETE, 1):
        physical = kinematics.to_physical(rows[:, column], name)
        assert np.allclose(kinematics.to_normalised(physical, name), rows[:, column], rtol=1e-6)


def test_the_neutrino_agrees_with_a_scan_of_the_whole_grid(rng):
    n = 2000
    lepton_pt, met = rng.uniform(15, 150, n), rng.uniform(1, 150, n)
    lepton_eta = rng.uniform(-2.5, 2.5, n)
    lepton_phi, met_phi = rng.uniform(-np.pi, np.pi, (2, n))
    grid = np.arange(-60, 61) * 0.05
    lepton = kinematics.massless(lepton_pt, lepton_eta, lepton_phi)
    neutrino = kinematics.massless(*np.broadcast_arrays(met, grid[:, None], met_phi))
    masses = kinematics.mass(lepton[:, None] + neutrino)
    distance = np.abs(masses - kinematics.W_MASS).min(0)
    eta = kinematics.neutrino_eta(lepton_pt, lepton_eta, lepton_phi, met, met_phi)
    mass = kinematics.mass(lepton + kinematics.massless(met, eta, met_phi))
    assert np.abs(mass - kinematics.W_MASS) == pytest.approx(distance, abs=1e-4)


def test_boosts_and_masses_agree_with_the_vector_package(rng):
    (p, _), (frame, _) = particles(rng), particles(rng)
    boosted, expected = as_vectors(kinematics.boost(p, frame)), as_vectors(p).boost_p4(as_vectors(frame))
    for component in ("E", "px", "py", "pz"):
        assert getattr(boosted, component) == pytest.approx(getattr(expected, component), rel=1e-7, abs=1e-6)
    assert kinematics.mass(p) == pytest.approx(as_vectors(p).mass, rel=1e-9)
    for ours, theirs in zip(kinematics.pt_eta_phi(p), ("pt", "eta", "phi"), strict=True):
        assert ours == pytest.approx(getattr(as_vectors(p), theirs), rel=1e-9, abs=1e-12)


def test_masses_are_invariant_under_boosts_along_the_beam_and_rotations_about_it(rng):
    """Without a neutrino, whose pseudorapidity lies on a fixed grid."""
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


def test_a_table_converts_to_four_vectors_and_back():
    table = simulation.generate(2000, seed=3)
    events = kinematics.four_vectors(table)
    assert events.jets.shape == events.b_tags.shape == (4, 2000)
    assert events.lepton.mass == pytest.approx(0, abs=1e-3)
    back = kinematics.to_table(events)
    assert back.column_names == list(LOW)
    for name in LOW:
        assert back[name].to_numpy() == pytest.approx(table[name].to_numpy(), rel=2e-6, abs=1e-6)


def test_m_bb_agrees_with_the_vector_package():
    table = simulation.generate(2000, seed=3)
    events = kinematics.four_vectors(table)
    two_tags = (events.b_tags > 0).sum(0) == 2
    order = np.argsort(events.b_tags == 0, axis=0, kind="stable")[:2]
    jets = np.take_along_axis(events.jets, order, 0)[:, two_tags]
    mass = (jets[0] + jets[1]).mass
    assert mass == pytest.approx(table["m_bb"].to_numpy()[two_tags] * kinematics.SCALES["m_bb"], rel=1e-4)
    assert np.isnan(kinematics.recompute(table).m_bb[~two_tags]).all()


def test_recomputed_masses_of_uci_events_with_two_tags_agree_with_the_file(uci_events):
    table = data.load_table(uci_events, range(origin(uci_events).n_events))
    masses = kinematics.recompute(table)
    two_tags = np.isfinite(masses.m_bb)
    assert 0.75 < two_tags.mean() < 0.85
    agree = {
        name: np.mean(
            np.abs(getattr(masses, name) / (table[name].to_numpy() * kinematics.SCALES[name]) - 1)[two_tags] < 0.005
        )
        for name in HIGH
    }
    assert agree["m_bb"] > 0.995
    assert agree["m_lv"] > 0.97
    assert min(agree.values()) > 0.6  # the others may use jets beyond the four stored


def test_edges_are_symmetric_for_angles_and_leave_out_the_tail_of_momenta(rng):
    momenta, angles = rng.exponential(50, 100_000), rng.uniform(-np.pi, np.pi, 100_000)
    edges = kinematics.bin_edges(momenta, "jet_1_pt", 10)
    assert edges[-1] == pytest.approx(-50 * np.log(0.02), rel=0.02)  # the quantile of an exponential
    edges = kinematics.bin_edges(angles, "jet_1_phi", 10)
    assert edges[[0, 5, 10]] == pytest.approx([-np.pi, 0, np.pi], abs=0.01)
    assert kinematics.bin_edges(angles, "jet_1_b_tag", 10).tolist() == [-0.5, 0.5, 1.5, 2.5]


@pytest.mark.parametrize("convert", [kinematics.to_physical, kinematics.to_normalised])
def test_what_is_no_feature_or_no_number_is_refused(convert):
    with pytest.raises(ValueError, match="unknown feature 'jet_5_pt': choose one of lepton_pt, "):
        convert(np.ones(3), "jet_5_pt")
    with pytest.raises(ValueError, match="lepton_pt must be numbers"):
        convert(np.array(["a"]), "lepton_pt")


@pytest.mark.parametrize("b_tag", [-1, 3, np.nan, np.inf, 0.5, 1.7])
def test_a_b_tag_is_one_of_three(b_tag):
    with pytest.raises(ValueError, match="jet_2_b_tag must be 0 without a tag, 1 for a loose or 2 for a tight one"):
        kinematics.to_normalised(np.array([0, 1, b_tag]), "jet_2_b_tag")


@pytest.mark.parametrize("level", [-1.2, 5.0, np.nan])
def test_a_normalised_b_tag_is_at_one_of_its_levels(level):
    with pytest.raises(ValueError, match="jet_1_b_tag must be 0"):
        kinematics.to_physical(np.array([0, level], np.float32), "jet_1_b_tag")


def test_conversions_of_any_type_and_of_unknown_values():
    for values in ([1, 2], np.array([1, 2], np.int8), np.array([1, 2], np.float16)):
        assert kinematics.to_physical(values, "m_bb").tolist() == [126.49, 252.98]
        assert kinematics.to_normalised(values, "m_bb").dtype == np.float32
    assert kinematics.to_physical(np.ones(1, np.float32), "m_bb").dtype == np.float32
    assert np.isnan(kinematics.to_physical([np.nan], "m_bb")).all()


def test_masses_of_integers_and_of_float32_are_computed_in_float64():
    p = np.array([[50_000], [30_000], [0], [39_999]])
    exact = kinematics.mass(p.astype(float))
    assert kinematics.mass(p.astype(np.int32)) == pytest.approx(exact, rel=1e-12)
    assert kinematics.mass(p.astype(np.float32)) == pytest.approx(exact, rel=1e-12)
    assert kinematics.pt_eta_phi(p.astype(np.int32))[0] == pytest.approx(30_000)


@pytest.mark.parametrize("shape", [(), (3,), (3, 5), (5, 4)])
def test_four_vectors_have_four_components(shape):
    p, four = np.ones(shape), np.ones((4, 5))
    for function in (kinematics.mass, kinematics.pt_eta_phi, lambda p: kinematics.boost(p, four)):
        with pytest.raises(ValueError, match=r"must be four-vectors \(4, ...\) of E, px, py, pz"):
            function(p)


@pytest.mark.parametrize("tagged", [np.ones((4, 5), int), np.ones((5, 4), bool), np.ones(5, bool)])
def test_each_jet_is_tagged_or_not(tagged):
    with pytest.raises(ValueError, match=r"tagged must be bool of shape \(4, 5\)"):
        kinematics.high_level_masses(np.ones((4, 4, 5)), tagged, np.ones((4, 5)), np.ones((4, 5)))


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [1.0, np.inf]])
def test_edges_need_finite_values(values):
    with pytest.raises(ValueError, match="need at least one, and all of them finite"):
        kinematics.bin_edges(np.array(values), "jet_1_pt", 10)

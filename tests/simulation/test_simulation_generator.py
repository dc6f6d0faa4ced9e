import numpy as np
import pytest
import vector

from higgs_lib import data, simulation
from higgs_lib.data import Sample, kinematics
from higgs_lib.simulation import SimulationParameters, detector, hard_process
from higgs_lib.study import diagnostics


@pytest.fixture(scope="module")
def physical() -> dict[str, np.ndarray]:
    table = simulation.generate(30_000, seed=5)
    columns = {name: kinematics.to_physical(table[name].to_numpy(), name) for name in data.COMPLETE}
    return columns | {"label": table["label"].to_numpy()}


def test_the_same_seed_gives_the_same_events_however_the_stream_is_cut():
    whole = simulation.generate(20_000, seed=4)
    parts = [simulation.generate(n, seed=4, first_event=start) for start, n in ((0, 1), (1, 9_999), (10_000, 10_000))]
    assert whole.equals(type(whole).from_batches([b for part in parts for b in part.to_batches()]).combine_chunks())
    assert not whole.equals(simulation.generate(20_000, seed=5))


def test_the_table_is_in_the_format_of_the_file():
    table = simulation.generate(1000, seed=1)
    assert table.schema == data.SCHEMA
    assert set(table["label"].to_pylist()) == {0.0, 1.0}
    for jet in range(4):
        assert set(np.unique(table[f"jet_{jet + 1}_b_tag"])) <= set(kinematics.B_TAG_LEVELS[jet])
    assert simulation.generate(0, seed=1).num_rows == 0


def test_the_selection_holds(physical):
    assert physical["lepton_pt"].min() > 15
    assert np.abs(physical["lepton_eta"]).max() < 2.5
    lepton = physical["lepton_eta"], physical["lepton_phi"]
    tags = sum(physical[f"jet_{jet}_b_tag"] > 0 for jet in (1, 2, 3, 4))
    assert tags.max() == 2
    for jet in (1, 2, 3, 4):
        pt, eta, phi = (physical[f"jet_{jet}_{quantity}"] for quantity in ("pt", "eta", "phi"))
        assert pt.min() > 14.999
        assert np.abs(eta).max() < 3.0001
        assert np.abs(phi).max() < np.pi + 1e-4
        assert np.hypot(eta - lepton[0], kinematics.angle_between(phi, lepton[1])).min() > 0.399


def test_the_selection_follows_its_parameters():
    table = simulation.generate(
        3000, seed=2, physics=SimulationParameters(jet_pt_min=7.0, tag_eta_max=2.4, lepton_pt_min=25.0)
    )
    columns = {name: kinematics.to_physical(table[name].to_numpy(), name) for name in data.COMPLETE}
    assert columns["lepton_pt"].min() > 25
    assert 7 < columns["jet_4_pt"].min() < 8
    tagged = columns["jet_1_b_tag"] > 0
    assert 2.0 < np.abs(columns["jet_1_eta"][tagged]).max() < 2.4


def test_the_signal_share_is_the_one_asked():
    for share in (0.0, 0.3, 1.0):
        labels = simulation.generate(5000, seed=2, physics=SimulationParameters(signal_share=share))["label"].to_numpy()
        assert labels.mean() == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / 5000))


@pytest.fixture(params=[hard_process.signal, hard_process.background], ids=["signal", "background"])
def particles(request):
    return request.param(4000, SimulationParameters(soft_recoil=0.0), np.random.default_rng(1))


QUARTILES = np.tan(np.arctan(6) / 2)  # between those of a Breit-Wigner cut at three widths, in units of its width


def quartile_range(values):
    return np.subtract(*np.quantile(values, [0.75, 0.25]))


def as_vectors(p):
    """Four-vectors of the package as those of another."""
    return vector.array(dict(zip(("E", "px", "py", "pz"), p, strict=True)))


def test_both_ws_come_from_their_pole(particles):
    for w in (particles.lepton + particles.neutrino, particles.quarks[:, 2] + particles.quarks[:, 3]):
        masses = as_vectors(w).mass
        assert np.median(masses) == pytest.approx(SimulationParameters().m_w, abs=0.2)
        assert quartile_range(masses) == pytest.approx(SimulationParameters().w_width * QUARTILES, rel=0.1)


def test_what_flies_off_balances_the_radiation(particles):
    everything = particles.lepton + particles.neutrino + particles.quarks.sum(1)
    everything = everything + kinematics.massless(*particles.emissions).sum(1)
    assert everything[1:3] == pytest.approx(0, abs=1e-6)


def test_every_mass_of_the_signal_chain_is_at_its_pole():
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
    assert quartile_range(heavy) == pytest.approx(3.0 * QUARTILES, rel=0.1)


def test_each_b_quark_and_its_w_of_the_background_make_a_top():
    physics = SimulationParameters(m_top=170.0, top_width=0.5)
    p = hard_process.background(4000, physics, np.random.default_rng(2))
    ws = (p.lepton + p.neutrino, p.quarks[:, 2] + p.quarks[:, 3])
    pairs = [[as_vectors(w + p.quarks[:, b]).mass for b in (0, 1)] for w in ws]
    straight = np.maximum(np.abs(pairs[0][0] - 170), np.abs(pairs[1][1] - 170))
    crossed = np.maximum(np.abs(pairs[0][1] - 170), np.abs(pairs[1][0] - 170))
    assert np.minimum(straight, crossed).max() < 0.5 * 3.01


def test_the_ws_of_scalars_are_longitudinal():
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
    """The scattering angle of gg and qq, against sums over the formula itself at a few masses of the pair."""
    physics = SimulationParameters()
    n = 200_000
    mass, _, cosine, quarks = hard_process._top_pairs(n, physics, np.random.default_rng(3))
    assert mass.min() >= 2 * physics.m_top
    for low, high in ((360, 380), (480, 520), (700, 800)):
        chosen = quarks & (mass > low) & (mass < high)
        beta_2 = 1 - (2 * physics.m_top / mass[chosen].mean()) ** 2
        # (1 + b^2 c^2) / 2 + r / 2: its second moment, by integration
        wanted = ((2 - beta_2) / 3 + beta_2 / 5) / ((2 - beta_2) + beta_2 / 3)
        assert (cosine[chosen] ** 2).mean() == pytest.approx(wanted, abs=4 * 0.3 / np.sqrt(chosen.sum()))
    assert 0.1 < quarks.mean() < 0.35  # qq makes a sixth to a fifth of top pairs at 8 TeV


def test_another_heavy_higgs_moves_its_peak():
    table = simulation.generate(
        4000, seed=1, physics=SimulationParameters(signal_share=1.0, m_heavy_higgs=600.0, m_charged_higgs=400.0)
    )
    heavy = kinematics.to_physical(table["m_wwbb"].to_numpy(), "m_wwbb")
    assert 550 < np.median(heavy) < 680


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"signal_share": 1.2}, "signal_share"),
        ({"m_charged_higgs": 400.0}, "m_heavy_higgs > m_charged_higgs"),
        ({"m_light_higgs": 300.0}, "m_charged_higgs > m_light_higgs"),
        ({"m_top": 90.0}, "m_top > m_w"),
        ({"energy": 300.0}, "energy > m_heavy_higgs"),
        ({"tag_b": -0.1}, "tag_b"),
        ({"m_w": "heavy"}, "m_w must be a number, not 'heavy'"),
        ({"stochastic_light": float("nan")}, "stochastic_light"),
        ({"tag_pt": 0.0}, "tag_pt must be above zero"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        SimulationParameters(**values)


def test_negative_arguments_are_refused():
    with pytest.raises(ValueError, match="n_events=-1"):
        simulation.generate(-1, seed=1)


def test_physics_of_which_nothing_is_selected_is_refused():
    blind = SimulationParameters(tag_b=0.0, tag_charm=0.0, tag_light=0.0, tag_b_radiation=0.0, tag_isr=0.0)
    with pytest.raises(ValueError, match="0 passed the selection"):
        simulation.generate(10, seed=1, physics=blind)


def test_a_better_detector_measures_the_w_better():
    def width(physics):
        table = simulation.generate(4000, seed=1, physics=physics)
        return quartile_range(table["m_jj"].to_numpy())

    better = SimulationParameters(signal_share=0.0, stochastic_light=0.1, constant=0.01, tail_light=0.0)
    assert width(better) < 0.8 * width(SimulationParameters(signal_share=0.0))


def test_an_empty_collision_leaves_nothing():
    rng = np.random.default_rng(1)
    chances = detector.draw_chances(0, SimulationParameters(), rng)
    assert detector.measure(
        hard_process.signal(0, SimulationParameters(), rng), chances, SimulationParameters(), rng
    ).shape == (0, 28)


def test_built_in_events_are_near_to_real_ones(real_events):
    """On the third of the real events that no constant was fitted to."""
    from higgs_lib.data import origin

    real = data.load(real_events, data.COMPLETE, range(origin(real_events).n_events))
    real = Sample(real.features[::3], real.labels[::3])
    table = simulation.generate(60_000, seed=9)
    built_in = Sample(np.stack([table[name].to_numpy() for name in data.COMPLETE], 1), table["label"].to_numpy())
    for label in (0, 1):
        distances = diagnostics.ks_distances(real, built_in, label)
        assert distances.mean() < 0.0145
        assert distances.max() < 0.038
        assert diagnostics.two_sample_auc(real, built_in, label, seed=1).low < 0.56

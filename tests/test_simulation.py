import numpy as np
import pytest
from scipy import stats

from higgs_lib import detector, features, kinematics, process, samples, simulation
from higgs_lib.detector import Detector
from higgs_lib.process import Physics


@pytest.fixture(scope="module")
def physical() -> dict[str, np.ndarray]:
    table = simulation.generate(30_000, seed=5)
    columns = {name: kinematics.to_physical(table[name].to_numpy(), name) for name in features.COMPLETE}
    return columns | {"label": table["label"].to_numpy()}


def test_the_same_seed_gives_the_same_events_however_the_stream_is_cut():
    whole = simulation.generate(20_000, seed=4)
    parts = [simulation.generate(n, seed=4, first_event=start) for start, n in ((0, 1), (1, 9_999), (10_000, 10_000))]
    assert whole.equals(type(whole).from_batches([b for part in parts for b in part.to_batches()]).combine_chunks())
    assert not whole.equals(simulation.generate(20_000, seed=5))


def test_the_table_is_in_the_format_of_the_file():
    table = simulation.generate(1000, seed=1)
    assert table.schema == features.SCHEMA
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


def test_the_signal_share_is_the_one_asked():
    for share in (0.0, 0.3, 1.0):
        labels = simulation.generate(5000, seed=2, physics=Physics(signal_share=share))["label"].to_numpy()
        assert labels.mean() == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / 5000))


def test_particles_come_from_their_poles_and_balance():
    rng = np.random.default_rng(1)
    physics = Physics(soft_recoil=0.0)
    for make in (process.signal, process.background):
        particles = make(4000, physics, rng)
        w = kinematics.mass(particles.lepton + particles.neutrino)
        assert np.median(w) == pytest.approx(physics.m_w, abs=0.2)
        assert np.median(kinematics.mass(particles.quarks[:, 2:].sum(1))) == pytest.approx(physics.m_w, abs=0.2)
        everything = particles.lepton + particles.neutrino + particles.quarks.sum(1) + particles.emissions.sum(1)
        assert everything[:, 1:3] == pytest.approx(0, abs=1e-6)
    b_pair = kinematics.mass(process.signal(1000, physics, rng).quarks[:, :2].sum(1))
    assert b_pair == pytest.approx(physics.m_light_higgs, abs=1e-4)


def test_another_heavy_higgs_moves_its_peak():
    table = simulation.generate(
        4000, seed=1, physics=Physics(signal_share=1.0, m_heavy_higgs=600.0, m_charged_higgs=400.0)
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
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        Physics(**values)


def test_negative_arguments_are_refused():
    with pytest.raises(ValueError, match="n_events=-1"):
        simulation.generate(-1, seed=1)


def test_a_better_detector_measures_the_w_better():
    def width(det):
        table = simulation.generate(4000, seed=1, physics=Physics(signal_share=0.0), detector=det)
        return np.subtract(*np.quantile(table["m_jj"].to_numpy(), [0.75, 0.25]))

    assert width(Detector(stochastic=0.1, constant=0.01, tail_light=0.0)) < 0.8 * width(Detector())


def test_an_empty_collision_leaves_nothing():
    rng = np.random.default_rng(1)
    none = process.signal(50, Physics(), rng).take(np.zeros(50, bool))
    assert detector.measure(none, Detector(), rng).shape == (0, 28)


def test_built_in_events_are_near_to_real_ones(real_events):
    """Mean Kolmogorov-Smirnov distance over the 28 features; two halves of the real sample differ by 0.009."""
    from higgs_lib.data import origin

    n = origin(real_events).n_events
    real = samples.load(real_events, features.COMPLETE, range(n))
    table = simulation.generate(n, seed=9)
    labels = table["label"].to_numpy()
    for label in (0, 1):
        distances = [
            stats.ks_2samp(table[name].to_numpy()[labels == label], real.features[real.labels == label, i]).statistic
            for i, name in enumerate(features.COMPLETE)
        ]
        assert np.mean(distances) < 0.018
        assert np.max(distances) < 0.05

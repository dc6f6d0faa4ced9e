import numpy as np
import pytest
from scipy import stats

from higgs_lib import metrics, simulation
from higgs_lib.data import COMPLETE, LABEL, SCHEMA, SIGNAL_MASSES, DataError, Sample, kinematics
from higgs_lib.simulation import MassPlane, SimulationParameters
from higgs_lib.study import diagnostics

PLANE = MassPlane((350.0, 800.0), lowest_charged=230.0, smallest_gap=100.0)
ONE_POINT = MassPlane((425.0, 425.0), lowest_charged=325.0, smallest_gap=100.0)


@pytest.fixture(scope="module")
def table():
    return simulation.generate(20_000, seed=4, masses=PLANE)


def complete(table):
    return Sample(np.stack([table[name].to_numpy() for name in COMPLETE], 1), table[LABEL].to_numpy())


def test_masses_are_uniform_where_they_are_allowed():
    heavy, charged = PLANE.draw(20_000, np.random.default_rng(1))
    assert PLANE.contains(heavy, charged).all()
    for uniform in ((heavy - 350) / 450, (charged - 230) / (heavy - 100 - 230)):
        assert stats.kstest(uniform, "uniform").pvalue > 0.001
    assert not PLANE.contains([340, 900, 500, 500], [235, 300, 229, 401]).any()


def test_the_peak_follows_the_masses_of_each_event(table):
    signal = table[LABEL].to_numpy() == 1
    heavy = table["m_heavy_higgs"].to_numpy()
    ratio = kinematics.to_physical(table["m_wwbb"].to_numpy(), "m_wwbb") / heavy
    for low, high in ((350, 500), (500, 650), (650, 800)):
        in_bin = signal & (heavy >= low) & (heavy < high)
        assert in_bin.sum() > 1000
        assert np.median(ratio[in_bin]) == pytest.approx(1.0, abs=0.06)


def test_masses_alone_do_not_tell_signal_from_background(table):
    assert table.schema.names == [*SCHEMA.names, *SIGNAL_MASSES]
    labels = table[LABEL].to_numpy()
    heavy, charged = (table[name].to_numpy() for name in SIGNAL_MASSES)
    for values in (heavy, charged, heavy - charged):
        auc = metrics.auc_interval(labels, values, level=0.999)
        assert auc.low < 0.5 < auc.high


def test_a_plane_of_one_point_gives_the_events_of_its_masses():
    at_point, usual = (complete(simulation.generate(16_000, seed, masses=m)) for seed, m in ((5, ONE_POINT), (6, None)))
    for label in (0, 1):
        sizes = [int((sample.labels == label).sum()) for sample in (at_point, usual)]
        distances = diagnostics.ks_distances(at_point, usual, label)
        assert distances.mean() < 1.5 * diagnostics.expected_ks_distance(*sizes)


def test_events_in_a_plane_do_not_depend_on_how_the_stream_is_divided(table):
    part = simulation.generate(500, seed=4, first_event=9_000, masses=PLANE)
    assert part.equals(table.slice(9_000, 500).combine_chunks())


@pytest.mark.parametrize("limits", [{"m_heavy_higgs": (500, 400)}, {"lowest_charged": 300, "smallest_gap": 100}])
def test_limits_that_leave_no_room_are_refused(limits):
    with pytest.raises(DataError, match="no masses lie between the limits"):
        MassPlane(**limits)


@pytest.mark.parametrize(
    ("plane", "physics", "message"),
    [
        (MassPlane(smallest_gap=90.0), {}, "choose m_heavy_higgs > m_charged_higgs"),
        (MassPlane(lowest_charged=200.0), {}, "choose m_charged_higgs > m_light_higgs"),
        (MassPlane((325.0, 9000.0)), {}, "choose energy > m_heavy_higgs"),
        (MassPlane(), {"m_light_higgs": 200.0}, "choose m_charged_higgs > m_light_higgs"),
        (MassPlane(), {"signal_share": 0.0}, "too few signal events"),
    ],
)
def test_planes_that_reach_too_far_are_refused(plane, physics, message):
    with pytest.raises(DataError, match=message):
        simulation.generate(10, seed=1, physics=SimulationParameters(**physics), masses=plane)

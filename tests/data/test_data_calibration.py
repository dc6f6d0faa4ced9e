import pytest

from higgs_lib import data, simulation
from higgs_lib.data import LOW, calibration, kinematics


def assert_near(found, tolerance):
    for name, scale in kinematics.SCALES.items():
        assert found.scales[name] == pytest.approx(scale, rel=tolerance), name


def test_the_scales_follow_from_built_in_events_which_were_made_with_them():
    found = calibration.derive(simulation.generate(6000, seed=5))
    assert_near(found, 0.004)
    assert found.agreement["m_bb"] > 0.995


def test_the_scales_follow_from_real_events(real_events):
    found = calibration.derive(data.load_table(real_events, range(10_000)))
    assert_near(found, 0.003)
    assert found.agreement["m_lv"] > 0.97


def test_other_units_are_found_too():
    """A file in which every jet momentum, and every mass, stands for half as many GeV."""
    table = simulation.generate(6000, seed=5)
    halved = [
        name for name in table.column_names if name.startswith("m_") or name in {f"jet_{i}_pt" for i in (1, 2, 3, 4)}
    ]
    columns = {name: table[name].to_numpy() * (2 if name in halved else 1) for name in (*LOW, *halved)}
    found = calibration.derive(columns)
    for name in halved:
        assert found.scales[name] == pytest.approx(kinematics.SCALES[name] / 2, rel=0.004), name


def test_too_few_events_are_refused():
    with pytest.raises(ValueError, match="2,000 events or more"):
        calibration.derive(simulation.generate(500, seed=1))

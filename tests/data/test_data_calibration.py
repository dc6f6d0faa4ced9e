import pytest

from higgs_lib import data, simulation
from higgs_lib.data import LOW, calibration, kinematics


def assert_near(derived, tolerance):
    for name, scale in kinematics.SCALES.items():
        assert derived.scales[name] == pytest.approx(scale, rel=tolerance), name


def test_the_scales_of_built_in_events_are_those_they_were_made_with():
    derived = calibration.derive(simulation.generate(4000, seed=5))
    assert_near(derived, 0.004)
    assert derived.agreement["m_bb"] > 0.995
    assert derived.agreement["m_lv"] > 0.98


def test_the_scales_of_uci_events_are_the_stored_ones(uci_events):
    derived = calibration.derive(data.load_table(uci_events, range(6000)))
    assert_near(derived, 0.003)
    assert derived.agreement["m_lv"] > 0.97


def test_scales_in_other_units_are_derived_too():
    """Every jet momentum and every mass of the file has half the scale."""
    table = simulation.generate(4000, seed=6)
    halved = [
        name for name in table.column_names if name.startswith("m_") or name in {f"jet_{i}_pt" for i in (1, 2, 3, 4)}
    ]
    columns = {name: table[name].to_numpy() * (2 if name in halved else 1) for name in (*LOW, *halved)}
    derived = calibration.derive(columns)
    for name in halved:
        assert derived.scales[name] == pytest.approx(kinematics.SCALES[name] / 2, rel=0.004), name


def test_too_few_events_are_an_error():
    with pytest.raises(ValueError, match="2,000 events or more"):
        calibration.derive(simulation.generate(500, seed=1))

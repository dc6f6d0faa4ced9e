import pytest

from higgs_lib.data import Origin
from higgs_lib.simulation import SimulationParameters, parameters_of


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"signal_share": 1.2}, "signal_share"),
        ({"m_charged_higgs": 400.0}, "m_heavy_higgs > m_charged_higgs"),
        ({"m_light_higgs": 300.0}, "m_charged_higgs > m_light_higgs"),
        ({"m_top": 90.0}, "m_top > m_w"),
        ({"energy": 300.0}, "energy > m_heavy_higgs"),
        (
            {"higgs_width": 17.0, "m_w": 20.0, "w_width": 1.0},
            "m_heavy_higgs > m_charged_higgs, with room for the widths",
        ),
        ({"w_width": 20.0, "m_w": 50.0}, "m_w > 0, with room for the widths"),
        ({"top_pair_mass_exponent": float("nan")}, "top_pair_mass_exponent must be finite, not nan"),
        ({"order_tag_shift": float("-inf")}, "order_tag_shift must be finite, not -inf"),
        ({"m_heavy_higgs": float("nan")}, "m_heavy_higgs must be finite"),
        ({"tag_b": -0.1}, "tag_b"),
        ({"m_w": "heavy"}, "m_w must be a number, not 'heavy'"),
        ({"stochastic_light": float("nan")}, "stochastic_light"),
        ({"tag_pt": 0.0}, "tag_pt must be above zero"),
    ],
)
def test_unphysical_values_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=f"SimulationParameters: .*{message}"):
        SimulationParameters(**values)


def test_changes_are_what_differs_from_the_defaults():
    assert SimulationParameters().changes() == {}
    assert SimulationParameters(m_top=172.5, m_w=80.4).changes() == {"m_top": 172.5}


def test_parameters_are_known_for_files_of_built_in_events():
    assert parameters_of(Origin("uci", 10, {"source": "HIGGS.csv.gz"}, "")) is None
    assert parameters_of(Origin("simulated", 10, {"seed": 1}, "")) == SimulationParameters()
    heavier = parameters_of(Origin("simulated", 10, {"seed": 1, "physics": {"m_heavy_higgs": 600.0}}, ""))
    assert heavier == SimulationParameters(m_heavy_higgs=600.0)

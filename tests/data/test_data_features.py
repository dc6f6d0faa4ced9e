import pytest

from higgs_lib import data
from higgs_lib.data import kinematics


def test_the_columns_are_those_of_the_file():
    assert (len(data.LOW), len(data.HIGH), len(data.COLUMNS)) == (21, 7, 29)
    assert data.COLUMNS[0] == "label"
    assert data.SCHEMA.names == list(data.COLUMNS)


def test_every_feature_has_a_scale_or_levels_and_a_label():
    for name in data.COMPLETE:
        assert (name in kinematics.SCALES) != name.endswith("b_tag")
        assert data.unit(name) in data.axis_label(name)
    assert data.axis_label("m_wwbb") == "$m_{WWbb}$ [GeV]"
    assert data.axis_label("jet_2_eta") == r"jet 2 $\eta$"


def test_an_unknown_feature_set_is_an_error():
    with pytest.raises(ValueError, match=r"'raw'.*low, high, complete"):
        data.feature_set("raw")

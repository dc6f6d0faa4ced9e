import pytest

from higgs_lib import features, kinematics


def test_the_columns_are_those_of_the_file():
    assert (len(features.LOW), len(features.HIGH), len(features.COLUMNS)) == (21, 7, 29)
    assert features.COLUMNS[0] == "label"
    assert features.SCHEMA.names == list(features.COLUMNS)


def test_every_feature_has_a_scale_or_levels_and_a_label():
    for name in features.COMPLETE:
        assert (name in kinematics.SCALES) != name.endswith("b_tag")
        assert features.unit(name) in features.axis_label(name)
    assert features.axis_label("m_wwbb") == "$m_{WWbb}$ [GeV]"
    assert features.axis_label("jet_2_eta") == r"jet 2 $\eta$"


def test_an_unknown_feature_set_is_named():
    with pytest.raises(ValueError, match=r"'raw'.*low, high, complete"):
        features.feature_set("raw")

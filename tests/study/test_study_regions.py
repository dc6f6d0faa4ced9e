import numpy as np
import pytest
from sklearn import metrics as sk

from higgs_lib import data
from higgs_lib.data import LOW, kinematics
from higgs_lib.study import regions


@pytest.fixture(scope="module")
def samples(events):
    """Validation and test events."""
    return data.load(events, LOW, range(4000)), data.load(events, LOW, range(4000, 20_000))


def test_the_leading_jet_is_that_of_the_four_vectors(samples):
    validation, _ = samples
    jets = kinematics.four_vectors(dict(zip(LOW, validation.features.T, strict=True))).jets
    momenta = regions.leading_jet_pt(validation)
    assert momenta == pytest.approx(np.asarray(jets.pt).max(0), rel=1e-5)
    first = kinematics.to_physical(validation.features[:, LOW.index("jet_1_pt")], "jet_1_pt")
    assert 0.1 < np.mean(momenta > first) < 0.9  # the file does not sort jets


def test_regions_divide_the_test_events_at_quartiles_of_validation_events(samples):
    validation, test = samples
    divided = regions.divide(validation, test)
    by_momentum = [rows for name, rows in divided.items() if "GeV" in name]
    assert len(by_momentum) == 4
    assert np.array_equal(np.sum(by_momentum, 0), np.ones(test.n_events))
    assert [rows.mean() for rows in by_momentum] == pytest.approx([0.25] * 4, abs=0.03)
    edge = np.quantile(regions.leading_jet_pt(validation), 0.25)
    assert regions.leading_jet_pt(test)[divided[f"leading jet below {edge:.0f} GeV"]].max() < edge
    assert np.sum([rows for name, rows in divided.items() if "b-tag" in name], 0).max() == 1
    assert (regions.n_b_tagged(test)[divided["1 b-tagged jet"]] == 1).all()
    assert (regions.n_b_tagged(test)[divided["2 b-tagged jets"]] == 2).all()


def test_regions_with_few_events_of_a_class_are_left_out(samples):
    validation, test = samples
    few = test.take(np.flatnonzero((test.labels == 0) | (regions.n_b_tagged(test) == 2)))
    assert "1 b-tagged jet" in regions.divide(validation, test)
    assert "1 b-tagged jet" not in regions.divide(validation, few)


def test_the_auc_of_a_region_is_that_of_its_events(samples):
    validation, test = samples
    scores = test.features[:, LOW.index("missing_energy")]
    divided = regions.divide(validation, test)
    for name, auc in regions.auc(test.labels, scores, divided).items():
        rows = divided[name]
        assert auc.value == pytest.approx(sk.roc_auc_score(test.labels[rows], scores[rows]), abs=1e-9)
        assert auc.low < auc.value < auc.high

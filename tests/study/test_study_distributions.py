import numpy as np
import pytest

from higgs_lib import data, metrics
from higgs_lib.data import COMPLETE, Sample, kinematics
from higgs_lib.study import distributions


@pytest.fixture(scope="module")
def sample(events):
    return data.load(events, COMPLETE, range(8000))


def test_samples_are_counted_in_common_bins_and_by_class(sample):
    first, second = sample.slice(0, 5000), sample.slice(5000)
    one, other = distributions.histograms(first, second, n_bins=20)
    assert list(one) == list(other) == list(COMPLETE)
    for name in COMPLETE:
        assert np.array_equal(one[name].edges, other[name].edges)
    tags = one["jet_2_b_tag"]
    column = first.features[:, COMPLETE.index("jet_2_b_tag")]
    assert tags.signal[0] == np.count_nonzero((column == 0) & (first.labels == 1))
    assert tags.background.sum() == np.count_nonzero(first.labels == 0)
    inside = [one[name].signal.sum() + one[name].background.sum() for name in ("m_bb", "jet_1_pt")]
    assert np.array(inside) / 5000 == pytest.approx(0.98, abs=0.003)


def test_peaks_lie_where_the_values_do(sample):
    rng = np.random.default_rng(2)
    features, labels = sample.features.copy(), sample.labels
    values = np.where(labels == 1, rng.normal(125, 8, len(labels)), rng.normal(90, 8, len(labels)))
    features[:, COMPLETE.index("m_bb")] = kinematics.to_normalised(values, "m_bb")
    particles = {"m_bb": {"signal": 125.0, "background": 91.0}}
    signal, background = distributions.peaks(Sample(features, labels), particles, seed=1)
    assert (signal.feature, signal.event_class, signal.particle) == ("m_bb", "signal", 125.0)
    assert signal.position.value == pytest.approx(125, abs=1.5)
    assert background.position.value == pytest.approx(90, abs=1.5)
    assert isinstance(signal.position, metrics.Interval)

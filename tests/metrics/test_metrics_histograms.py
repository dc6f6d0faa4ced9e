import numpy as np
import pytest

from higgs_lib import metrics


def test_histograms_count_each_class(scored):
    histogram = metrics.histogram(*scored, np.linspace(0, 1, 11))
    assert histogram.signal.sum() == scored[0].sum()
    assert histogram.background.sum() == (1 - scored[0]).sum()


def test_the_peak_of_a_skewed_distribution():
    values = np.random.default_rng(1).gamma(9.0, 10.0, 200_000)  # its mode is 80
    peak = metrics.peak(values, seed=1)
    assert peak.low < 80.5
    assert peak.high > 79.5
    assert peak.value == pytest.approx(80, abs=1.5)

import numpy as np
import pytest
from scipy import stats

from higgs_lib.data import Sample
from higgs_lib.study import diagnostics


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def sample(rng, n=4000, shift=0.0):
    labels = np.repeat(np.float32([0, 1]), n // 2)
    return Sample((rng.standard_normal((n, 3)) + shift * labels[:, None]).astype(np.float32), labels)


def test_distances_are_those_of_each_class(rng):
    one, other = sample(rng), sample(rng, shift=0.5)
    background, signal = (diagnostics.ks_distances(one, other, label) for label in (0, 1))
    assert background.max() < 0.06
    # two unit normals a half apart: 2 Phi(1/4) - 1
    assert signal == pytest.approx(2 * stats.norm.cdf(0.25) - 1, abs=0.04)


def test_equal_samples_differ_as_much_as_they_should(rng):
    n, m = 500, 2000
    found = [stats.ks_2samp(rng.random(n), rng.random(m)).statistic for _ in range(300)]
    assert np.mean(found) == pytest.approx(diagnostics.expected_ks_distance(n, m), rel=0.05)


def test_trees_separate_what_differs_and_nothing_else(rng):
    one, other = sample(rng), sample(rng, shift=1.0)
    assert (
        diagnostics.two_sample_auc(one, other, 0, seed=1).low
        < 0.5
        < diagnostics.two_sample_auc(one, other, 0, seed=1).high
    )
    # three features, each shifted by one: AUC of the best is Phi(sqrt(3) / sqrt(2))
    assert diagnostics.two_sample_auc(one, other, 1, seed=1).value == pytest.approx(
        stats.norm.cdf(np.sqrt(1.5)), abs=0.03
    )


def test_halves_hold_every_event_once(rng):
    whole = Sample(np.arange(100, dtype=np.float32)[:, None], np.zeros(100, np.float32))
    training, test = diagnostics.random_split(whole, seed=3)
    assert (len(training.labels), len(test.labels)) == (70, 30)
    assert sorted(np.concatenate([training.features, test.features])[:, 0]) == list(range(100))

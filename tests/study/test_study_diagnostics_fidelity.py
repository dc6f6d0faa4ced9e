import numpy as np
import pytest
from scipy import stats

from higgs_lib import simulation
from higgs_lib.data import COMPLETE, Sample
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
    distances = [stats.ks_2samp(rng.random(n), rng.random(m)).statistic for _ in range(300)]
    assert np.mean(distances) == pytest.approx(diagnostics.expected_ks_distance(n, m), rel=0.05)


def test_trees_separate_what_differs_and_nothing_else(rng):
    one, other = sample(rng), sample(rng, shift=1.0)
    equal, shifted = (diagnostics.two_sample_auc(one, other, label, seed=1) for label in (0, 1))
    assert equal.low < 0.5 < equal.high
    # three features, each shifted by one: AUC of the best is Phi(sqrt(3) / sqrt(2))
    assert shifted.value == pytest.approx(stats.norm.cdf(np.sqrt(1.5)), abs=0.03)


def test_a_single_feature_is_scored_by_the_ratio_of_the_densities(rng):
    labels = np.repeat(np.float32([0, 1]), 20_000)
    peak = np.where(labels > 0.5, rng.normal(0, 0.5, 40_000), rng.normal(0, 2, 40_000))  # invisible to a one-sided cut
    shifted, level = rng.normal(labels, 1), rng.binomial(1, 0.3 + 0.4 * labels)
    order = rng.permutation(40_000)
    whole = Sample(np.column_stack([peak, shifted, level, rng.normal(size=40_000)])[order], labels[order])
    aucs = diagnostics.single_feature_auc(whole.slice(0, 20_000), whole.slice(20_000))
    # |peak| decides: ratio 4 of the widths of two half-normals, AUC 2 arctan(4) / pi
    assert aucs[0].value == pytest.approx(2 * np.arctan(4) / np.pi, abs=0.01)
    assert aucs[1].value == pytest.approx(stats.norm.cdf(np.sqrt(0.5)), abs=0.01)
    assert aucs[2].value == pytest.approx(0.7, abs=0.01)  # 0.7 x 0.7 + (0.7 x 0.3 + 0.3 x 0.7) / 2
    assert aucs[3].low < 0.5 < aucs[3].high


def built_in(seed, n=40_000):
    table = simulation.generate(n, seed)
    return Sample(np.stack([table[name].to_numpy() for name in COMPLETE], 1), table["label"].to_numpy())


def test_ranges_compare_fractions_of_each_class():
    one, other = (built_in(seed) for seed in (3, 4))
    same, different = diagnostics.compare_ranges(one, one), diagnostics.compare_ranges(one, other)
    assert [(r.quantity, r.label, r.low, r.high) for r in same] == diagnostics.RANGES
    assert all(r.fractions[0] == r.fractions[1] and r.excess.value == 0 for r in same)
    covered = [r.excess.low < 0 < r.excess.high for r in different]
    assert sum(covered) >= len(covered) - 2


def test_halves_hold_every_event_once(rng):
    whole = Sample(np.arange(100, dtype=np.float32)[:, None], np.zeros(100, np.float32))
    training, test = diagnostics.random_split(whole, seed=3)
    assert (len(training.labels), len(test.labels)) == (70, 30)
    assert sorted(np.concatenate([training.features, test.features])[:, 0]) == list(range(100))

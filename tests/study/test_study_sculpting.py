import numpy as np
import pytest
from scipy import stats

from higgs_lib.study import Scores, sculpting


def background_alone(mass, selected, seed=1):
    """Measures background (n,) with one signal event beside it, of mass 0."""
    labels = np.append(np.zeros(len(mass)), 1)
    return sculpting.sculpting(np.append(mass, 0.0), labels, np.append(selected, True), seed=seed)


def test_the_distance_of_half_of_the_background_is_exact():
    mass = np.arange(1000.0)
    one = background_alone(mass, mass < 500)  # p = 1/5 in five bins, 0 in five; q = 1/10: 10 x 1/10 / 2
    assert one.distance.value == pytest.approx(0.5)
    assert one.kept == 0.5
    assert one.signal_distance == pytest.approx(0.9)
    assert len(one.selected) == 500
    assert one.signal.tolist() == [0.0]


def test_the_interval_contains_the_distance_of_two_known_distributions():
    """Uniform background, kept in proportion to 2 x: the integral of |2 x - 1| / 2 is a quarter."""
    bins = np.linspace(0, 1, sculpting.N_BINS + 1)
    exact = np.abs(np.diff(bins**2) - np.diff(bins)).sum() / 2
    assert exact == pytest.approx(0.25)
    contained = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        mass = rng.uniform(size=4000)
        kept = rng.uniform(size=4000) < 0.2 * mass
        distance = background_alone(mass, kept, seed).distance
        contained.append(distance.low <= exact <= distance.high)
    assert stats.binomtest(sum(contained), 100, 0.95).pvalue > 1e-3


def test_a_random_selection_lies_as_far_as_by_chance():
    rng = np.random.default_rng(1)
    mass = rng.normal(size=20_000)
    runs = [background_alone(mass, rng.uniform(size=20_000) < 0.05) for _ in range(40)]
    distances = [one.distance.value for one in runs]
    assert np.mean(distances) == pytest.approx(runs[0].by_chance, rel=0.1)
    # the mean |deviation| of a binomial fraction of 1/10, in ten bins
    assert runs[0].by_chance == pytest.approx(5 * np.sqrt(2 / np.pi * 0.09 / 1000 * 0.95), rel=0.05)


def test_the_cut_is_chosen_on_validation_background():
    validation = Scores(np.repeat([0, 1], [100, 50]), np.append(np.arange(100.0), np.full(50, 1e6)))
    test = Scores(np.array([0, 0, 1]), np.array([94.0, 96.0, 97.0]))
    assert sculpting.most_signal_like(validation, test).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="none of 3"):
        background_alone(np.ones(3), np.zeros(3, bool))


def test_texts_name_the_classifiers():
    mass = np.arange(1000.0)
    one, other = (background_alone(mass, mass < n) for n in (100, 500))
    by_classifier = {"deep network": {"m": one}, "shallow network": {"m": other}}
    text = sculpting.describe(by_classifier, "m")
    assert "the deep network likes best lies 0.90" in text
    assert f"(a random selection of as many: {other.by_chance:.2f}); signal lies 0.90 from it" in text
    rows = sculpting.table(by_classifier)
    assert list(rows.index) == ["deep network", "shallow network", "the same number at random", "signal"]
    assert rows.iloc[1, 0] == "50.0%"

import numpy as np
import pytest

from higgs_lib.metrics import Interval
from higgs_lib.study import learning_curve

SIZES = [62_500, 250_000, 1_000_000, 2_000_000, 4_000_000]


def points(error, noise=0.0, seed=1):
    """Returns AUCs of a known power law, 0.9 - 0.1 (N / 62,500)^-0.4, with noise."""
    rng = np.random.default_rng(seed)
    values = [0.9 - 0.1 * (size / SIZES[0]) ** -0.4 + noise * rng.normal() for size in SIZES]
    return [Interval(value, value - 1.96 * error, value + 1.96 * error) for value in values]


def truth(n_events):
    return 0.9 - 0.1 * (n_events / SIZES[0]) ** -0.4


def test_a_power_law_without_noise_is_found():
    predicted = learning_curve.extrapolate(SIZES, points(1e-6), 10_000_000, seed=1)
    assert predicted.value == pytest.approx(truth(10_000_000), abs=1e-5)


def test_the_interval_covers_the_truth_and_grows_with_the_distance():
    inside = []
    for seed in range(20):
        near = learning_curve.extrapolate(SIZES, points(1e-3, 1e-3, seed), 1e7, seed=1)
        inside.append(near.low < truth(1e7) < near.high)
    far = learning_curve.extrapolate(SIZES, points(1e-3, 1e-3, seed), 1e9, seed=1)
    assert far.high - far.low > near.high - near.low
    assert np.mean(inside) >= 0.8


def test_draws_are_seeded():
    one, same = (learning_curve.extrapolate(SIZES, points(1e-3), 10_000_000, seed=3) for _ in range(2))
    assert one == same


def test_too_few_sizes_are_refused():
    with pytest.raises(ValueError, match="a learning curve needs 4 numbers of training events, not 3"):
        learning_curve.extrapolate(SIZES[:3], points(1e-3)[:3], 10_000_000, seed=1)

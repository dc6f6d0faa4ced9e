import numpy as np
import pytest
from scipy.optimize import nnls

from higgs_lib.models import PRESETS
from higgs_lib.performance import step_cost

SIZES = np.array([64, 128, 512, 2048, 8192])


def test_a_fit_recovers_a_line_without_deviation():
    cost = step_cost.fit(SIZES, [[3e-3 + 5e-6 * size] * 3 for size in SIZES])
    assert (cost.launch.value, cost.event.value) == pytest.approx((3e-3, 5e-6))
    assert cost.deviation < 1e-6
    assert cost.break_even == pytest.approx(600)
    assert cost.seconds(1000) == pytest.approx(8e-3)


def test_the_fit_minimises_relative_errors_and_its_intervals_have_their_coverage():
    rng, covered = np.random.default_rng(1), 0
    for _ in range(40):
        seconds = [(2e-3 + 4e-6 * size) * np.exp(rng.normal(0, 0.02, 1)) for size in SIZES]
        cost = step_cost.fit(SIZES, seconds)
        covered += cost.launch.low <= 2e-3 <= cost.launch.high
    assert covered >= 34  # of 38 expected; fewer has a probability of 0.3 %
    flat = np.concatenate(seconds)
    weighted, _ = nnls(np.stack([1 / flat, SIZES / flat], 1), np.ones(len(flat)))
    assert (cost.launch.value, cost.event.value) == pytest.approx(tuple(weighted), rel=0.01)


def test_deviations_from_the_line_are_reported():
    assert step_cost.fit(SIZES, [[1e-3], [1e-3], [4e-3], [4e-3], [2e-2]]).deviation > 0.2
    with pytest.raises(ValueError, match="need two batch sizes or more"):
        step_cost.fit(SIZES[:1], [[1e-3]])


def test_operations_are_twice_the_weights_in_each_of_three_products():
    deep = PRESETS["deep"]
    weights = 28 * 300 + 300 * 300 * 2 + 300
    assert deep.operations(28) == 2 * (3 * weights - 28 * 300)
    assert step_cost.arithmetic_intensity(deep, 28, 10**9) == pytest.approx(
        deep.operations(28) / (4 * (56 + 8 * 901)), rel=1e-3
    )
    assert np.all(np.diff(step_cost.arithmetic_intensity(deep, 28, SIZES)) > 0)


def test_the_roofline_is_the_lower_of_peak_and_memory():
    assert step_cost.roofline([1, 10, 100], 1e12, 5e10).tolist() == [5e10, 5e11, 1e12]


def test_launches_limit_small_batches_and_arithmetic_large_ones():
    parts = [step_cost.limiting_part(n, [10_000, 20_000]) for n in (100, 15_000, 65_536)]
    assert parts == ["launches", "either", "arithmetic"]

import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest

from higgs_lib import models
from higgs_lib.data import Sample
from higgs_lib.models import PRESETS
from higgs_lib.performance import timing


def test_contenders_take_turns_after_a_warm_up():
    calls = []

    def call(name):
        calls.append(name)
        return len(calls)

    runs = {name: partial(call, name) for name in "ab"}
    assert timing.in_turn(runs, 2) == {"a": [3, 5], "b": [4, 6]}
    assert calls == ["a", "b"] * 3
    assert timing.in_turn(runs, 1, warm_up=False) == {"a": [7], "b": [8]}


def test_a_timed_function_returns_its_seconds(monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert timing.timed(lambda: None)() == 2.5


def test_a_rate_has_the_median_and_the_range():
    assert timing.rate(12, [1.0, 2.0, 4.0, 6.0]) == (4.5, 2, 12)


@pytest.mark.parametrize(("measure", "amount"), [("matrix_peak", 2 * 2304**3), ("memory_bandwidth", 2 * 4 * 8192**2)])
def test_the_devices_limits_divide_their_amount_by_the_shortest_call(monkeypatch, measure, amount):
    """The chained calls stay finite, as numbers that overflow could take another time."""

    def shortest_call(function, array, repeats):
        assert np.isfinite(keras.ops.convert_to_numpy(function(function(array))[:1])).all()
        return repeats

    monkeypatch.setattr(timing, "_shortest_call", shortest_call)
    assert getattr(timing, measure)(4) == amount / 4


def test_the_shortest_call_has_the_shape_of_its_argument(monkeypatch):
    array = keras.ops.ones((2, 2))
    assert 0 < timing._shortest_call(lambda x: x + 1, array, 3) < 1


@pytest.mark.parametrize("epoch", [timing.library_epoch, timing.keras_epoch])
def test_an_epoch_trains_the_model(epoch):
    rng = np.random.default_rng(1)
    sample = Sample(rng.standard_normal((64, 28), np.float32), (rng.random(64) < 0.5).astype(np.float32))
    model = models.build(PRESETS["shallow"], models.standardisation(sample), seed=1)
    before = model.get_weights()[-1].copy()
    assert epoch(model, models.optimizer(PRESETS["shallow"], 64, 32, epochs=1), sample, 32)() is None
    assert not np.array_equal(model.get_weights()[-1], before)


def test_the_module_loads_neither_keras_nor_tensorflow():
    """So that PyTorch, JAX and polars can be timed in a process of their own."""
    code = "import sys, higgs_lib.performance.timing; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

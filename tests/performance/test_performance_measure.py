"""Sweeps in processes of their own, as notebooks and benchmarks measure them."""

import os

import pytest

from higgs_lib.performance import measure
from higgs_lib.performance.throughput import GRAPH, KERAS, OURS, Sweep, Throughput
from higgs_lib.study import Run, measured

SWEEP = Sweep(optimizers=("sgd", "adam"), batch_sizes=(64, 1024), n_events=2048, min_steps=2, repeats=2)


@pytest.fixture(scope="module")
def throughput():
    return measure.run_sweep(SWEEP)


def test_every_loop_optimizer_and_batch_size_is_timed(throughput):
    assert [(t.optimizer, t.batch_size, t.loop) for t in throughput.timings] == [
        (optimizer, size, loop) for optimizer in SWEEP.optimizers for size in SWEEP.batch_sizes for loop in SWEEP.loops
    ]
    assert all(len(t.seconds) == 2 and min(t.seconds) > 0 for t in throughput.timings)
    assert (throughput.loops, throughput.optimizers) == ([OURS, GRAPH, KERAS], ["sgd", "adam"])
    assert [t.batch_size for t in throughput.select(KERAS, "adam")] == [64, 1024]
    assert Throughput.from_dict(throughput.as_dict()) == throughput


def test_peak_and_bandwidth_are_measured(throughput):
    assert min(throughput.peak, throughput.bandwidth) > 1e8  # some 1000 times less than any processor of today


def test_adam_launches_more_operations_than_sgd_and_xla_fuses_them(throughput):
    """SGD has a product and a difference for each of eight arrays; Adam two means, a root and a ratio."""
    for compiler in ("graph", "XLA"):
        assert throughput.kernels["adam"][compiler] > throughput.kernels["sgd"][compiler] > 10
    assert throughput.kernels["adam"]["graph"] - throughput.kernels["sgd"]["graph"] >= 8 * 8
    assert all(count["XLA"] < count["graph"] for count in throughput.kernels.values())
    assert all(seconds > 0 for seconds in throughput.launch_seconds.values())


def test_a_process_keeps_to_its_cores_and_its_result_is_stored(tmp_path, monkeypatch):
    allowed = os.sched_getaffinity(0)
    sweep = Sweep(optimizers=("sgd",), batch_sizes=(64,), loops=(OURS,), n_events=64, repeats=1, details=False, cores=1)
    first = measured.cached_sweep(Run(tmp_path), "one", sweep)
    assert first.cores == 1
    assert os.sched_getaffinity(0) == allowed
    monkeypatch.setattr(measured, "run_sweep", None)  # a second measurement would fail
    assert measured.cached_sweep(Run(tmp_path), "one", sweep).timings == first.timings


def test_an_unavailable_device_or_number_of_cores_is_an_error():
    with pytest.raises(ValueError, match="cannot measure on 1000 cores: this machine has 1"):
        measure.run_sweep(SWEEP._replace(cores=1000))
    with pytest.raises(RuntimeError, match=r"gpu:7 could not be measured: .*gpu:7"):
        measure.run_sweep(SWEEP._replace(train_on="gpu:7"))

"""In processes of their own, as they are measured."""

import os

import pytest

from higgs_lib.performance import measure, operations
from higgs_lib.performance.throughput import GRAPH, KERAS, OURS, Sweep, Throughput
from higgs_lib.study import Run, measured

SWEEP = Sweep(optimizers=("sgd", "adam"), batch_sizes=(64, 1024), n_events=2048, least_steps=2, repeats=2)


@pytest.fixture(scope="module")
def found():
    return measure.run_sweep(SWEEP)


def test_every_loop_optimizer_and_batch_size_is_timed(found):
    assert [(t.optimizer, t.batch_size, t.loop) for t in found.timings] == [
        (optimizer, size, loop) for optimizer in SWEEP.optimizers for size in SWEEP.batch_sizes for loop in SWEEP.loops
    ]
    assert all(len(t.seconds) == 2 and min(t.seconds) > 0 for t in found.timings)
    assert (found.loops, found.optimizers) == ([OURS, GRAPH, KERAS], ["sgd", "adam"])
    assert [t.batch_size for t in found.of(KERAS, "adam")] == [64, 1024]
    assert Throughput.from_dict(found.as_dict()) == found


def test_adam_starts_more_than_sgd_and_xla_makes_less_of_it(found):
    """SGD has a product and a difference for each of eight arrays; Adam two means, a root and a ratio."""
    for kind in ("graph", "XLA"):
        assert found.kernels["adam"][kind] > found.kernels["sgd"][kind] > 10
    assert found.kernels["adam"]["graph"] - found.kernels["sgd"]["graph"] >= 8 * 8
    assert all(count["XLA"] < count["graph"] for count in found.kernels.values())
    assert all(seconds > 0 for seconds in found.starts.values())


def test_a_process_keeps_to_its_cores_and_is_measured_once(tmp_path, monkeypatch):
    allowed = os.sched_getaffinity(0)
    sweep = Sweep(optimizers=("sgd",), batch_sizes=(64,), loops=(OURS,), n_events=64, repeats=1, details=False, cores=1)
    first = measured.cached_sweep(Run(tmp_path), "one", sweep)
    assert first.cores == 1
    assert os.sched_getaffinity(0) == allowed
    monkeypatch.setattr(measured, "run_sweep", None)  # a second measurement would fail
    assert measured.cached_sweep(Run(tmp_path), "one", sweep).timings == first.timings


def test_what_cannot_be_measured_is_told():
    with pytest.raises(ValueError, match="1000 cores were asked for, and it can be 1"):
        measure.run_sweep(SWEEP._replace(cores=1000))
    with pytest.raises(RuntimeError, match=r"gpu:7 could not be measured: .*gpu:7"):
        measure.run_sweep(SWEEP._replace(train_on="gpu:7"))


def test_kernels_are_counted_in_the_entry_alone():
    program = """HloModule step
%fused (p: f32[8]) -> f32[8] { ROOT %add = f32[8] add(f32[8] %p, f32[8] %p)
  %copy.9 = f32[8] copy(f32[8] %p) }
ENTRY %main (a: f32[8,8], b: f32[8,8]) -> f32[8,8] {
  %a = f32[8,8]{1,0} parameter(0)
  %dot.1 = f32[8,8]{1,0} dot(f32[8,8] %a, f32[8,8] %b), lhs_contracting_dims={1}
  %fusion = f32[8,8]{1,0} fusion(f32[8,8] %dot.1), kind=kLoop, calls=%fused
  ROOT %copy = f32[8,8]{0,1} copy(f32[8,8] %fusion)
}"""
    assert operations.kernels(program) == 3

import json

import numpy as np
import pytest
from repository import ROOT

from higgs_lib.performance.throughput import GRAPH, KERAS, OURS, Throughput, Timing
from higgs_lib.study import devices
from higgs_lib.study.published import T_GPUS

RESULTS = ROOT / "benchmarks" / "results"


def throughput(loops=(OURS, GRAPH, KERAS), launch=1e-3, event=1e-5):
    """A device whose steps take exactly `launch` s and `event` s per event, twice `launch` with model.fit."""
    timings = [
        Timing(loop, "adam", size, [(1 + (loop == KERAS)) * launch + event * size] * 2)
        for loop in loops
        for size in (32, 64, 1024, 8192, 65_536)
    ]
    stamp = {"keras": "3.0", "tensorflow": "2.0"}
    measured = ({"adam": {"XLA": 10, "graph": 20}}, {"adam": 3e-4}, {})
    return Throughput("processor", 2, "tensorflow", stamp, timings, 1_000_000, 1e11, 1e10, *measured)


def test_the_cost_of_a_step_is_recovered_by_loop_and_optimizer():
    costs = devices.step_costs(throughput())
    assert set(costs) == {(OURS, "adam"), (GRAPH, "adam"), (KERAS, "adam")}
    assert costs[OURS, "adam"].launch.value == pytest.approx(1e-3, rel=1e-3)
    assert costs[KERAS, "adam"].launch.value == pytest.approx(2e-3, rel=1e-3)
    assert costs[KERAS, "adam"].event.value == pytest.approx(1e-5, rel=1e-3)


def test_ratios_are_taken_turn_by_turn():
    """The machine is twice as slow in the second turn; the ratio of the two does not change."""
    assert devices.paired_ratio([1.0, 2.0, 1.1], [3.0, 6.0, 3.3]) == pytest.approx((3, 3, 3))
    assert devices.paired_ratio([1.0, 2.0], [2.0, 8.0]) == pytest.approx((3, 2, 4))


def test_a_gpu_matches_as_many_cores_as_it_is_faster():
    processor, gpu = Timing(OURS, "adam", 1000, [1.0, 1.25, 1.6]), Timing(OURS, "adam", 1000, [0.1, 0.125, 0.2])
    matched = devices.matched_cores(processor, 4, gpu)
    assert matched.median == pytest.approx(4 * 1.25 / 0.125)
    assert (matched.low, matched.high) == pytest.approx((4 * 1.0 / 0.2, 4 * 1.6 / 0.1))
    assert devices.matched_cores(processor, 4, processor).median == pytest.approx(4)


def test_a_timing_is_found_by_its_batch_size():
    assert devices.timing_at(throughput(), KERAS, "adam", 1024).seconds[0] == pytest.approx(2e-3 + 1.024e-2)
    assert devices.timing_at(throughput(), KERAS, "adam", 1000) is None


@pytest.mark.parametrize(("loops", "small"), [((OURS, GRAPH, KERAS), GRAPH), ((OURS, KERAS), OURS)])
def test_break_even_batches_make_launches_and_arithmetic_equal(loops, small):
    processor = throughput(loops)
    found = devices.thesis_break_even(processor, devices.step_costs(processor))
    assert [(one.gpu, one.loop) for one in found] == [(gpu.name, loop) for gpu in T_GPUS for loop in (KERAS, small)]
    for one, gpu in zip(found[::2], T_GPUS, strict=True):
        assert one.batch_size * 1_000_000 / gpu.peak == pytest.approx(2e-3, rel=1e-3)  # seconds of arithmetic
    assert found[1].launch == 3e-4


def test_stored_gpus_are_named_by_card_and_backend():
    stored = devices.stored_gpus(RESULTS)
    gpu = stored["NVIDIA H100 80GB HBM3 (JAX)"]
    assert gpu.software.startswith("Keras 3.")
    assert " on JAX " in gpu.software
    assert gpu.throughput.median_rates(OURS, "adam")[65_536] > 10 * gpu.throughput.median_rates(KERAS, "adam")[1024]
    assert 0 < gpu.layer_share.low <= gpu.layer_share.median <= gpu.layer_share.high < 1


def test_stored_trainings_are_read_whole():
    trainings = {(one.network, one.test_auc is None): one for one in devices.gpu_trainings(RESULTS)}
    assert trainings["modern, low", False].test_auc.median == pytest.approx(0.8794, abs=1e-4)
    assert trainings["deep, low", True].validation_auc >= 0.80
    assert all(one.n_events == 10_000_000 for one in trainings.values())
    stored = json.loads(next((RESULTS / "gpu-study").glob("*.json")).read_text())
    assert sum(not stopped for _, stopped in trainings) == len(stored["networks"])
    assert all(np.all(np.array(one.epoch_seconds) > 0) for one in trainings.values())


def test_a_folder_without_gpus_has_none(tmp_path):
    assert devices.stored_gpus(tmp_path) == {}
    assert devices.gpu_trainings(tmp_path) == []

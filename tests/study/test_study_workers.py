import numpy as np
import pytest

from higgs_lib.performance import interconnect
from higgs_lib.performance.interconnect import INTERCONNECTS, Interconnect, StepWork
from higgs_lib.study import workers
from higgs_lib.study.published import T_SECOND_NODE
from higgs_lib.study.timed import TimedTraining
from higgs_lib.training import Phases


def training(n_workers, compute, all_reduce=0.0, waiting=0.0, batch_size=1000, n_parameters=1000):
    """A training whose second epoch is timed; every worker has the same phases."""
    phase = Phases(0.0, compute, all_reduce, waiting, 0.2, 8.0, [])
    seconds = compute + all_reduce
    return TimedTraining(n_workers, batch_size, [9.0, seconds], [[phase] * n_workers] * 2, [0.6] * 2, 9.0, n_parameters)


def test_losses_add_up_to_what_is_missing_to_the_ideal():
    alone, several = training(1, 6.0), training(3, 2.5, 0.7, 0.3)
    lost = workers.losses([alone], [several])
    assert lost == pytest.approx((0.5, 0.4, 0.3))
    assert sum(lost) == pytest.approx(several.seconds[1] - alone.seconds[1] / 3)


def test_repeats_are_averaged():
    lost = workers.losses([training(1, 6.0), training(1, 8.0)], [training(2, 4.0, 0.2), training(2, 4.4, 0.4)])
    assert lost == pytest.approx((0.7, 0.3, 0.0))


def test_contention_is_relative_to_a_worker_alone():
    """Two workers halve the events of each; without contention they halve the compute."""
    assert workers.contention([training(1, 4.0)], [training(2, 2.0, batch_size=2000)]) == pytest.approx(0)
    assert workers.contention([training(1, 4.0)], [training(2, 2.4, batch_size=2000)]) == pytest.approx(0.2)


def test_latency_and_bandwidth_are_recovered_from_trainings():
    network = Interconnect("true", 1e-4, 1e9)
    trainings = []
    for n, size in ((2, 1_000), (2, 1_000_000), (3, 1_000), (3, 1_000_000)):
        seconds = 10 * float(interconnect.all_reduce_seconds(n, 4 * size, network))  # ten steps
        trainings.append(training(n, 1.0, seconds, batch_size=100, n_parameters=size))
    fitted = workers.fit_transfers(trainings, n_events=1000)
    assert fitted.latency.value == pytest.approx(1e-4, rel=1e-3)
    assert fitted.bandwidth.value == pytest.approx(1e9, rel=1e-3)


def test_the_compute_of_a_step_has_a_part_per_event_of_each_worker():
    trainings = [training(1, 10 * (1e-2 + 1e-5 * 100), batch_size=100), training(2, 1e-2 + 1e-5 * 500, batch_size=1000)]
    cost = workers.fit_compute(trainings, n_events=1000)
    assert cost.launch.value == pytest.approx(1e-2, rel=1e-3)
    assert cost.event.value == pytest.approx(1e-5, rel=1e-3)


def test_without_a_network_every_worker_helps():
    """A batch of 840 events is divisible by 1 to 8."""
    free = Interconnect("free", 0.0, np.inf)
    prediction = workers.predict(StepWork(840, 1e-5, 0.0, 1000), free, up_to=8)
    assert prediction.speed_up == pytest.approx(np.arange(1, 9))
    assert (prediction.workers, prediction.best, prediction.described) == (8, pytest.approx(8), "8 or more")


def test_the_shortest_step_is_predicted():
    work, network = StepWork(65_536, 1e-8, 1e-5, 189_601), INTERCONNECTS["100 Gb/s"]
    prediction = workers.predict(work, network)
    seconds = [float(interconnect.step_seconds(n, work, network)) for n in range(1, 101)]
    assert prediction.workers == 1 + int(np.argmin(seconds))
    assert prediction.described == str(prediction.workers)
    assert prediction.best == pytest.approx(seconds[0] / min(seconds))


def test_the_needed_step_gives_two_nodes_the_published_speed_up():
    needed = workers.needed_step(INTERCONNECTS["10 Gb/s"], 189_601)
    assert needed.speed_ups[2] == pytest.approx(T_SECOND_NODE, rel=1e-3)
    assert needed.speed_ups[2][0] < needed.speed_ups[3][0] < needed.speed_ups[4][0] < 2
    for compute, bound in zip(needed.compute, needed.network_bound_from, strict=True):
        work = StepWork(4096, compute / 4096, 0.0, 189_601)
        assert interconnect.is_network_bound(bound, work, INTERCONNECTS["10 Gb/s"])
        assert not interconnect.is_network_bound(bound - 1, work, INTERCONNECTS["10 Gb/s"])

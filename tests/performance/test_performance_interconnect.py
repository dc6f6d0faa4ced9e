import numpy as np
import pytest
from scipy import stats

from higgs_lib.performance import interconnect
from higgs_lib.performance.interconnect import INTERCONNECTS, Interconnect, StepWork

WORK = StepWork(batch_size=1024, seconds_per_event=4e-6, overhead=1e-4, n_parameters=300_000)


def ring_bytes(n_workers, n_bytes):
    """Bytes that one worker sends in a ring: in 2 (n - 1) steps, a slice of the vector each."""
    slices = [len(part) for part in np.array_split(np.zeros(n_bytes, np.int8), n_workers)]
    return sum(slices[step % n_workers] for step in range(2 * (n_workers - 1)))


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_a_ring_sends_the_bytes_that_it_sends(n):
    n_bytes = 120 * n
    without_latency = Interconnect("bandwidth alone", 0.0, 1.0)
    assert interconnect.all_reduce_seconds(n, n_bytes, without_latency) == pytest.approx(ring_bytes(n, n_bytes))
    latency_alone = Interconnect("latency alone", 1.0, np.inf)
    assert interconnect.all_reduce_seconds(n, n_bytes, latency_alone) == 2 * (n - 1)


def test_one_worker_needs_no_network():
    slow = INTERCONNECTS["1 Gb/s"]
    assert interconnect.all_reduce_seconds(1, 1e6, slow) == 0
    assert interconnect.step_seconds(1, WORK, slow) == pytest.approx(1e-4 + 1024 * 4e-6)
    assert interconnect.weak_efficiency(1, WORK, slow) == 1


def test_the_largest_share_of_the_batch_is_waited_for():
    found = interconnect.step_seconds(np.array([2, 3]), WORK, Interconnect("free", 0.0, np.inf))
    assert found == pytest.approx([1e-4 + 512 * 4e-6, 1e-4 + 342 * 4e-6])


def test_the_network_bounds_from_a_number_of_workers_on():
    ten = INTERCONNECTS["10 Gb/s"]
    first = int(interconnect.network_bound_from(WORK, ten))
    by_hand = [2 * (n - 1) * (30e-6 + 1.2e6 / n / 1.25e9) > 1e-4 + np.ceil(1024 / n) * 4e-6 for n in range(1, 10)]
    assert first == by_hand.index(True) + 1 == 4
    assert not interconnect.is_network_bound(first - 1, WORK, ten)
    assert interconnect.network_bound_from(WORK, Interconnect("free", 0.0, np.inf)) == np.inf


def test_weak_scaling_waits_for_the_network_alone():
    for n in (2, 8):
        whole = interconnect.step_seconds(n, WORK._replace(batch_size=n * 1024), INTERCONNECTS["25 Gb/s"])
        expected = interconnect.step_seconds(1, WORK, INTERCONNECTS["25 Gb/s"]) / whole
        assert interconnect.weak_efficiency(n, WORK, INTERCONNECTS["25 Gb/s"]) == pytest.approx(expected)


def all_reduces(truth, seed, *, sizes=(1e3, 1e5, 1e7), scatter=0.05, repeats=5):
    n_bytes = np.repeat(sizes, repeats)
    n_workers = np.full(len(n_bytes), 2)
    noise = np.exp(np.random.default_rng(seed).normal(0, scatter, len(n_bytes)))
    return n_workers, n_bytes, interconnect.all_reduce_seconds(n_workers, n_bytes, truth) * noise


def test_latency_and_bandwidth_are_found_as_often_as_their_intervals_say():
    truth = INTERCONNECTS["10 Gb/s"]
    inside = np.zeros(2)
    for seed in range(50):
        found = interconnect.fit_interconnect(*all_reduces(truth, seed))
        inside += [found.latency.low <= truth.latency <= found.latency.high,
                   found.bandwidth.low <= truth.bandwidth <= found.bandwidth.high]  # fmt: skip
    low, high = stats.binom.interval(0.999, 50, 0.95)
    assert np.all((low <= inside) & (inside <= high))
    assert found.network() == ("measured", found.latency.value, found.bandwidth.value)


def test_an_overhead_of_the_call_is_in_the_latency():
    """As `fit_network` says: with two workers, a half of it."""
    truth = INTERCONNECTS["1 Gb/s"]
    n_workers, n_bytes, seconds = all_reduces(truth, 1, scatter=1e-5)
    found = interconnect.fit_interconnect(n_workers, n_bytes, seconds + 80e-6)
    assert found.latency.value == pytest.approx(truth.latency + 40e-6, rel=1e-3)
    assert found.bandwidth.value == pytest.approx(truth.bandwidth, rel=1e-3)


def test_small_vectors_leave_the_bandwidth_open():
    found = interconnect.fit_interconnect(*all_reduces(INTERCONNECTS["10 Gb/s"], 2, sizes=(1e2, 1e3)))
    assert found.bandwidth.high == np.inf


@pytest.mark.parametrize(("n", "n_bytes"), [([2, 2], [1e3, 1e3]), ([1, 2], [1e3, 1e6])])
def test_all_reduces_that_cannot_tell_are_refused(n, n_bytes):
    with pytest.raises(ValueError, match="time a small vector"):
        interconnect.fit_interconnect(np.array(n), np.array(n_bytes), np.array([1.0, 2.0]))

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
def test_the_time_of_a_ring_is_that_of_its_bytes_and_messages(n):
    n_bytes = 120 * n
    without_latency = Interconnect("bandwidth alone", 0.0, 1.0)
    assert interconnect.all_reduce_seconds(n, n_bytes, without_latency) == pytest.approx(ring_bytes(n, n_bytes))
    latency_alone = Interconnect("latency alone", 1.0, np.inf)
    assert interconnect.all_reduce_seconds(n, n_bytes, latency_alone) == 2 * (n - 1)


def test_one_worker_needs_no_network():
    slow = INTERCONNECTS["1 Gb/s"]
    assert interconnect.all_reduce_seconds(1, 1e6, slow) == 0
    assert interconnect.step_seconds(1, WORK, slow) == pytest.approx(1e-4 + 1024 * 4e-6)


def test_a_step_waits_for_the_largest_shard_of_the_batch():
    seconds = interconnect.step_seconds(np.array([2, 3]), WORK, Interconnect("free", 0.0, np.inf))
    assert seconds == pytest.approx([1e-4 + 512 * 4e-6, 1e-4 + 342 * 4e-6])


def test_the_network_limits_steps_above_a_number_of_workers():
    ten = INTERCONNECTS["10 Gb/s"]
    first = int(interconnect.network_bound_from(WORK, ten))
    by_hand = [2 * (n - 1) * (30e-6 + 1.2e6 / n / 1.25e9) > 1e-4 + np.ceil(1024 / n) * 4e-6 for n in range(1, 10)]
    assert first == by_hand.index(True) + 1 == 4
    assert not interconnect.is_network_bound(first - 1, WORK, ten)
    assert interconnect.network_bound_from(WORK, Interconnect("free", 0.0, np.inf)) == np.inf


@pytest.mark.parametrize("network", ["1 Gb/s", "100 Gb/s"])
def test_the_compute_of_a_speed_up_gives_that_speed_up(network):
    network = INTERCONNECTS[network]
    compute = interconnect.compute_for_speed_up(1.4, 2, WORK.n_bytes, network)
    one, two = interconnect.step_seconds(
        np.array([1, 2]), WORK._replace(overhead=0, seconds_per_event=compute / 1024), network
    )
    assert one / two == pytest.approx(1.4)


def test_without_latency_the_all_reduce_of_a_speed_up_of_1_4_takes_longer_from_4_workers_on():
    """By hand: V/C = 1/1.4 - 1/2, and 2 (n - 1) V > C from n = 1 + C/2V = 3.33 on, whatever the bandwidth."""
    network = Interconnect("bandwidth alone", 0.0, 1e9)
    compute = interconnect.compute_for_speed_up(1.4, 2, WORK.n_bytes, network)
    assert WORK.n_bytes / 1e9 / compute == pytest.approx(1 / 1.4 - 1 / 2)
    work = WORK._replace(overhead=0, seconds_per_event=compute / 1024)
    assert interconnect.network_bound_from(work, network) == 4


def test_no_compute_has_an_impossible_speed_up():
    with pytest.raises(ValueError, match="2 workers with an all-reduce are 0 to 2 times as fast, not 2"):
        interconnect.compute_for_speed_up(2.0, 2, 1000, INTERCONNECTS["1 Gb/s"])


def all_reduces(truth, seed, *, sizes=(1e3, 1e5, 1e7), scatter=0.05, repeats=5):
    n_bytes = np.repeat(sizes, repeats)
    n_workers = np.full(len(n_bytes), 2)
    noise = np.exp(np.random.default_rng(seed).normal(0, scatter, len(n_bytes)))
    return n_workers, n_bytes, interconnect.all_reduce_seconds(n_workers, n_bytes, truth) * noise


def test_intervals_of_latency_and_bandwidth_have_their_coverage():
    truth = INTERCONNECTS["10 Gb/s"]
    inside = np.zeros(2)
    for seed in range(50):
        fit = interconnect.fit_interconnect(*all_reduces(truth, seed))
        inside += [
            fit.latency.low <= truth.latency <= fit.latency.high,
            fit.bandwidth.low <= truth.bandwidth <= fit.bandwidth.high,
        ]
    low, high = stats.binom.interval(0.999, 50, 0.95)
    assert np.all((low <= inside) & (inside <= high))
    assert fit.interconnect() == ("measured", fit.latency.value, fit.bandwidth.value)


def test_the_latency_includes_the_overhead_of_a_call():
    """As `fit_interconnect` says: with two workers, a half of it."""
    truth = INTERCONNECTS["1 Gb/s"]
    n_workers, n_bytes, seconds = all_reduces(truth, 1, scatter=1e-5)
    fit = interconnect.fit_interconnect(n_workers, n_bytes, seconds + 80e-6)
    assert fit.latency.value == pytest.approx(truth.latency + 40e-6, rel=1e-3)
    assert fit.bandwidth.value == pytest.approx(truth.bandwidth, rel=1e-3)


def test_small_vectors_do_not_limit_the_bandwidth():
    fit = interconnect.fit_interconnect(*all_reduces(INTERCONNECTS["10 Gb/s"], 2, sizes=(1e2, 1e3)))
    assert fit.bandwidth.high == np.inf


@pytest.mark.parametrize(("n", "n_bytes"), [([2, 2], [1e3, 1e3]), ([1, 2], [1e3, 1e6])])
def test_all_reduces_of_one_size_or_one_worker_are_an_error(n, n_bytes):
    with pytest.raises(ValueError, match="time a small vector"):
        interconnect.fit_interconnect(np.array(n), np.array(n_bytes), np.array([1.0, 2.0]))

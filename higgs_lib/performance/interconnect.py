"""Predicts synchronous data-parallel training on other networks, by latency and bandwidth of a ring all-reduce."""

from typing import NamedTuple

import numpy as np

from higgs_lib.metrics import Interval
from higgs_lib.performance.curve_fit import Law, Timings, maximum_likelihood


class Interconnect(NamedTuple):
    """A network, the same between any two workers."""

    name: str
    latency: float
    """s per message, software included"""
    bandwidth: float
    """bytes/s in each direction"""


# Bandwidths are those of the standards, of which software reaches less. Latencies are assumptions, not measurements:
# one message between two processes in one rack, through the kernel's TCP up to 25 Gb/s, by RDMA above.
INTERCONNECTS = {
    network.name: network
    for network in (
        Interconnect("1 Gb/s", 50e-6, 1e9 / 8),
        Interconnect("10 Gb/s", 30e-6, 10e9 / 8),
        Interconnect("25 Gb/s", 20e-6, 25e9 / 8),
        Interconnect("100 Gb/s", 5e-6, 100e9 / 8),
        Interconnect("400 Gb/s", 3e-6, 400e9 / 8),
    )
}


class StepWork(NamedTuple):
    """The work of a training step."""

    batch_size: int
    """Events per step, over all workers"""
    seconds_per_event: float
    """s, forward and backward, of one worker"""
    overhead: float
    """s per step that workers cannot divide: kernel launches and the optimizer"""
    n_parameters: int
    bytes_per_value: int = 4
    """4 for float32, 2 for bfloat16"""

    @property
    def n_bytes(self) -> int:
        """Size of the gradient vector."""
        return self.n_parameters * self.bytes_per_value


def all_reduce_seconds(
    n_workers: float | np.ndarray, n_bytes: float | np.ndarray, network: Interconnect
) -> float | np.ndarray:
    """Returns the seconds of a ring all-reduce of a vector of `n_bytes`; numbers or arrays.

    2 (n - 1) consecutive messages carry 2 (n - 1) / n of the vector to and from each worker: P. Patarasuk, X. Yuan,
    J. Parallel Distrib. Comput. 69 (2009) 117, section 3; messages as in R. Hockney, Parallel Computing 20 (1994) 389.
    """
    return 2 * (n_workers - 1) * (network.latency + n_bytes / n_workers / network.bandwidth)


def compute_seconds(n_workers: float | np.ndarray, work: StepWork) -> float | np.ndarray:
    """Returns the seconds of a step without the network: its overhead and the largest shard of the batch."""
    return work.overhead + np.ceil(work.batch_size / n_workers) * work.seconds_per_event


def step_seconds(n_workers: float | np.ndarray, work: StepWork, network: Interconnect) -> float | np.ndarray:
    """Returns the seconds of a step: compute, then all-reduce, without overlap; a number or an array of workers."""
    return compute_seconds(n_workers, work) + all_reduce_seconds(n_workers, work.n_bytes, network)


def is_network_bound(n_workers: float | np.ndarray, work: StepWork, network: Interconnect) -> bool | np.ndarray:
    """Tells whether the all-reduce takes longer than the compute."""
    return all_reduce_seconds(n_workers, work.n_bytes, network) > compute_seconds(n_workers, work)


def network_bound_from(work: StepWork, network: Interconnect, up_to: int = 10_000) -> float:
    """Returns the smallest number of workers that is network-bound; inf if `up_to` workers are not."""
    bound = is_network_bound(np.arange(1, up_to + 1), work, network)
    return float(bound.argmax() + 1) if bound.any() else np.inf


def compute_for_speed_up(speed_up: float, n_workers: int, n_bytes: int, network: Interconnect) -> float:
    """Returns the compute with which several workers have a given speed-up over one: `step_seconds` solved for it.

    Args:
        speed_up: the seconds of a step with one worker over those with `n_workers`.
        n_workers: two or more.
        n_bytes: the size of the gradient vector.
        network: the network between the workers.

    Returns:
        Seconds that one worker computes on a whole batch, all of it divided among the workers.

    Raises:
        ValueError: no compute has this speed-up, as it is not below the number of workers.
    """
    if not 0 < speed_up < n_workers:
        raise ValueError(f"{n_workers} workers with an all-reduce are 0 to {n_workers} times as fast, not {speed_up:g}")
    return all_reduce_seconds(n_workers, n_bytes, network) / (1 / speed_up - 1 / n_workers)


class InterconnectFit(NamedTuple):
    """Measured latency and bandwidth with their intervals."""

    latency: Interval
    """s per message"""
    bandwidth: Interval
    """bytes/s; inf where the size of the vector made no difference"""

    def interconnect(self, name: str = "measured") -> Interconnect:
        """Returns the network of these values."""
        return Interconnect(name, self.latency.value, self.bandwidth.value)


def fit_interconnect(n_workers: np.ndarray, n_bytes: np.ndarray, seconds: np.ndarray) -> InterconnectFit:
    """Fits latency and bandwidth to measured ring all-reduces, one per entry (m,), by maximum likelihood.

    With one number of workers the cost of a call in software looks like latency: the fitted latency then contains
    1 / (2 (n - 1)) of it. Raises ValueError for invalid timings, and where vectors of one size leave the two ambiguous.
    """
    n_workers, n_bytes, seconds = (np.asarray(values, float) for values in (n_workers, n_bytes, seconds))
    timings = Timings(n_workers, seconds)
    timings.check()
    if n_workers.min() < 2 or len(np.unique(n_bytes / n_workers)) < 2:
        raise ValueError(
            "latency and bandwidth need all-reduces of two or more workers and of two or more sizes: "
            "time a small vector (1 kB) and a large one (100 MB)"
        )

    def all_reduce(workers, latency, seconds_per_byte):
        return 2 * (workers - 1) * (latency + n_bytes / workers * seconds_per_byte)

    law = Law("ring all-reduce", ("latency", "s per byte"), ("s", "s"), (0, 0), (np.inf, np.inf), all_reduce)
    per_message = seconds / (2 * (n_workers - 1))
    start = np.array([per_message.min(), (per_message * n_workers / n_bytes).min()])
    latency, per_byte = maximum_likelihood(law, timings, start).intervals().values()
    reciprocals = np.array([per_byte.value, per_byte.high, per_byte.low])
    reciprocals[reciprocals < 1e-9 * np.nanmax(reciprocals)] = 0  # at the bound but for rounding
    with np.errstate(divide="ignore"):
        return InterconnectFit(latency, Interval(*(1 / reciprocals).tolist()))

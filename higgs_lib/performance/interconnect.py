"""What the network between workers adds to a training step, by latency and bandwidth of a ring all-reduce.

Predicts synchronous data-parallel training on machines that are not here.
"""

from typing import NamedTuple

import numpy as np

from higgs_lib.metrics import Interval
from higgs_lib.performance.curve_fit import Law, maximum_likelihood
from higgs_lib.performance.scaling import Timings


class Interconnect(NamedTuple):
    """A network, the same between any two workers."""

    name: str
    latency: float
    """s a message, software included"""
    bandwidth: float
    """bytes/s each way"""


# Bandwidths are those of the standards, of which software reaches less. Latencies are assumptions, not measurements:
# one message between two processes in one rack, through the kernel's TCP up to 25 Gb/s and past it (RDMA) above.
INTERCONNECTS = {
    network.name: network
    for network in (
        Interconnect("1 Gb/s", 50e-6, 1e9 / 8),  # the cluster of [T]
        Interconnect("10 Gb/s", 30e-6, 10e9 / 8),
        Interconnect("25 Gb/s", 20e-6, 25e9 / 8),
        Interconnect("100 Gb/s", 5e-6, 100e9 / 8),
        Interconnect("400 Gb/s", 3e-6, 400e9 / 8),
    )
}


class StepWork(NamedTuple):
    """What a training step has to do."""

    batch_size: int
    """Events a step, of all workers together."""
    seconds_per_event: float
    """s, forward and backward, of one worker"""
    overhead: float
    """s a step that no worker can share: the start of its operations, the optimizer"""
    n_parameters: int
    bytes_per_value: int = 4
    """4 for float32, 2 for bfloat16"""

    @property
    def n_bytes(self) -> int:
        """Size of the gradient vector."""
        return self.n_parameters * self.bytes_per_value


def all_reduce_seconds(n_workers, n_bytes, network: Interconnect):
    """2 (n - 1) messages after each other, which carry 2 (n - 1) / n of a vector of `n_bytes` to and from each worker.

    P. Patarasuk, X. Yuan, J. Parallel Distrib. Comput. 69 (2009) 117, section 3; messages as in R. Hockney, Parallel
    Computing 20 (1994) 389. Numbers or arrays.
    """
    return 2 * (n_workers - 1) * (network.latency + n_bytes / n_workers / network.bandwidth)


def compute_seconds(n_workers, work: StepWork):
    """Seconds of a step without the network: its overhead and the largest share of the batch."""
    return work.overhead + np.ceil(work.batch_size / n_workers) * work.seconds_per_event


def step_seconds(n_workers, work: StepWork, network: Interconnect):
    """Seconds of a step: compute, then all-reduce, nothing of which overlaps. Numbers or arrays of workers."""
    return compute_seconds(n_workers, work) + all_reduce_seconds(n_workers, work.n_bytes, network)


def is_network_bound(n_workers, work: StepWork, network: Interconnect):
    """Whether the all-reduce takes longer than the compute."""
    return all_reduce_seconds(n_workers, work.n_bytes, network) > compute_seconds(n_workers, work)


def network_bound_from(work: StepWork, network: Interconnect, up_to: int = 10_000) -> float:
    """The smallest number of workers that is network-bound; inf if `up_to` workers are not."""
    bound = is_network_bound(np.arange(1, up_to + 1), work, network)
    return float(bound.argmax() + 1) if bound.any() else np.inf


def weak_efficiency(n_workers, work: StepWork, network: Interconnect):
    """Seconds of one worker's step over those of n workers, each of which has a batch of `work.batch_size`.

    J. Gustafson, Communications of the ACM 31 (1988) 532.
    """
    alone = compute_seconds(1, work)
    return alone / (alone + all_reduce_seconds(n_workers, work.n_bytes, network))


class InterconnectFit(NamedTuple):
    """Latency and bandwidth as measured, with their intervals."""

    latency: Interval
    """s a message"""
    bandwidth: Interval
    """bytes/s; inf where the size of the vector made no difference"""

    def network(self, name: str = "measured") -> Interconnect:
        """Their values."""
        return Interconnect(name, self.latency.value, self.bandwidth.value)


def fit_interconnect(n_workers: np.ndarray, n_bytes: np.ndarray, seconds: np.ndarray) -> InterconnectFit:
    """Latency and bandwidth from measured ring all-reduces, one an entry (m,), by the likelihood of `scaling_laws.fit`.

    What a call costs in software whatever the number of messages is not told from latency with one number of workers:
    the latency found then holds 1 / (2 (n - 1)) of it. ValueError if the two cannot be told from each other.
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
    a_message = seconds / (2 * (n_workers - 1))
    start = np.array([a_message.min(), (a_message * n_workers / n_bytes).min()])
    latency, per_byte = maximum_likelihood(law, timings, start).intervals().values()
    return InterconnectFit(latency, _inverse(per_byte))


def _inverse(interval: Interval) -> Interval:
    ends = np.array([interval.value, interval.high, interval.low])
    ends[ends < 1e-9 * np.nanmax(ends)] = 0  # it is, but for rounding
    with np.errstate(divide="ignore"):
        return Interval(*(1 / ends).tolist())

"""Compares numbers of workers: what limits the speed-up that was measured, and how many pay off on other networks."""

from typing import NamedTuple

import numpy as np

from higgs_lib.performance import interconnect, step_cost
from higgs_lib.performance.interconnect import Interconnect, InterconnectFit, StepWork
from higgs_lib.performance.step_cost import StepCost
from higgs_lib.study.published import T_SECOND_NODE
from higgs_lib.study.timed import TimedTraining


class Losses(NamedTuple):
    """Seconds per epoch by which n workers miss the ideal, an n-th of one worker's epoch."""

    compute: float
    """Compute and the wait for events, beyond the n-th part of one worker's"""
    transfer: float
    """Transfer of the gradients"""
    waiting: float
    """The wait for slower workers"""


def losses(alone: list[TimedTraining], several: list[TimedTraining]) -> Losses:
    """Returns where several workers lose time, a mean over repeats of the same training."""
    one, many = (_mean_phases(trainings) for trainings in (alone, several))
    part = alone[0].n_workers / several[0].n_workers
    compute = many["input"] + many["compute"] - part * (one["input"] + one["compute"])
    return Losses(compute, many["transfer"] - part * one["transfer"], many["waiting"] - part * one["waiting"])


def contention(alone: list[TimedTraining], several: list[TimedTraining]) -> float:
    """Returns how much longer, relatively, a worker computes for an event beside others than alone.

    The trainings give each worker as many events per step, so that nothing but the machine differs, which they share.
    """
    per_event = [_mean_phases(trainings)["compute"] * trainings[0].n_workers for trainings in (alone, several)]
    return per_event[1] / per_event[0] - 1


def _mean_phases(trainings: list[TimedTraining]) -> dict[str, float]:
    """Returns the seconds per epoch of each phase, a mean over repeats of the same training."""
    phases = [training.mean_phases() for training in trainings]
    return {name: float(np.mean([one[name] for one in phases])) for name in phases[0]}


def fit_transfers(trainings: list[TimedTraining], n_events: int) -> InterconnectFit:
    """Fits latency and bandwidth to the transfers of trainings with `n_events` per epoch, of two sizes or more."""
    n_workers = np.array([training.n_workers for training in trainings])
    n_bytes = 4 * np.array([training.n_parameters for training in trainings])  # float32
    seconds = np.array([np.mean(training.transfers(n_events)) for training in trainings])
    return interconnect.fit_interconnect(n_workers, n_bytes, seconds)


def fit_compute(trainings: list[TimedTraining], n_events: int) -> StepCost:
    """Fits the compute of a step to trainings with `n_events` per epoch and two batch sizes or more."""
    sizes = [training.batch_size / training.n_workers for training in trainings]
    return step_cost.fit(sizes, [[training.per_step("compute", n_events)] for training in trainings])


class Prediction(NamedTuple):
    """Predicted speed-up on a network."""

    speed_up: np.ndarray
    """(k,) speed-up of 1, 2, ..., k workers"""
    workers: int
    """Number of workers of the shortest step"""

    @property
    def best(self) -> float:
        """The speed-up with these workers."""
        return float(self.speed_up[self.workers - 1])

    @property
    def described(self) -> str:
        """The number of workers; "k or more" where the last one still helps."""
        return f"{self.workers:,}{' or more' if self.workers == len(self.speed_up) else ''}"


def predict(work: StepWork, network: Interconnect, up_to: int = 1024) -> Prediction:
    """Predicts the speed-up of 1 to `up_to` workers over one."""
    seconds = interconnect.step_seconds(np.arange(1, up_to + 1), work, network)
    return Prediction(seconds[0] / seconds, int(seconds.argmin()) + 1)


class NeededStep(NamedTuple):
    """The step on one node with which a network gives two nodes the speed-up in Mancone's thesis; pairs are ranges."""

    network: str
    compute: tuple[float, float]
    """s of a step on one node"""
    speed_ups: dict[int, tuple[float, float]]
    """The speed-up that follows, by number of nodes"""
    network_bound_from: tuple[int, int]
    """Number of nodes from which the all-reduce takes longer than the compute"""


def needed_step(network: Interconnect, n_parameters: int, n_nodes: int = 4) -> NeededStep:
    """Solves the model for the step that gives two nodes the speed-up in Mancone's thesis."""
    computes, speed_ups, bounds = [], [], []
    for speed_up in T_SECOND_NODE:
        compute = interconnect.compute_for_speed_up(speed_up, 2, 4 * n_parameters, network)
        work = StepWork(4096, compute / 4096, 0.0, n_parameters)  # the batch size has no influence
        computes.append(compute)
        speed_ups.append(predict(work, network, n_nodes).speed_up)
        bounds.append(int(interconnect.network_bound_from(work, network)))
    by_nodes = {n: tuple(float(values[n - 1]) for values in speed_ups) for n in range(2, n_nodes + 1)}
    return NeededStep(network.name, tuple(computes), by_nodes, tuple(bounds))

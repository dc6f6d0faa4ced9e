"""Trains several networks of the study side by side, each in a process with cores of its own.

A second core does not make the steps of such small networks twice as fast, and much around them, such as compiling,
no faster at all: on 2 cores two networks side by side took 0.63 of the time that they take one after the other.
"""

from collections.abc import Sequence
from concurrent.futures import as_completed
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import psutil

from higgs_lib import data, device, processes, progress
from higgs_lib.models import ModelSpec
from higgs_lib.study.classifiers import Study, result_name
from higgs_lib.training import TrainConfig, steps

SAMPLE_COPIES = 3  # of a study's events, for which each training is given memory

# What is gained is estimated, on 2 cores of 2026: processes take some time to start.
START = 6.0  # s, of processes that import Keras side by side
FIXED = 2.0  # s of each training: compiling, scoring, storing
PRODUCTS_PER_SECOND = 1e10  # of weights and inputs, in all passes together


class Training(NamedTuple):
    """The training of a network: the arguments of `Study.train`."""

    study: Study
    classifier: str
    spec: ModelSpec
    features: str
    seed: int
    config: TrainConfig
    events_per_epoch: int = 0
    before: dict | None = None

    def run(self) -> dict:
        """Trains the network, or reads it back; returns the stored result."""
        study, *arguments, events_per_epoch, before = self
        return study.train(*arguments, events_per_epoch=events_per_epoch, before=before)

    def stored(self) -> dict | None:
        """Returns the result if the network was trained in the same way before."""
        study, *arguments, events_per_epoch, before = self
        recipe = study.recipe(*arguments, events_per_epoch=events_per_epoch, before=before)
        return study.run.made_by(result_name(recipe), recipe)

    def expected_seconds(self) -> float:
        """Returns about how long the training takes on its own."""
        n_events = self.events_per_epoch or len(self.study.splits.training)
        n_weights = sum(a * b for a, b in pairwise((len(data.feature_set(self.features)), *self.spec.layers)))
        return FIXED + self.config.epochs * n_events * n_weights / PRODUCTS_PER_SECOND


def train(trainings: Sequence[Training]) -> list[dict]:
    """Trains networks side by side on the processor's cores, the longest first, where that is faster than in turn.

    On a GPU they train in turn. Every process has the same number of cores, however many networks are left to train,
    since results depend on it in their last digits. The times of the results are those on these cores.

    Returns:
        The stored results, in the order of the trainings; those that were made before are read back.
    """
    n_processes = _n_processes(trainings)
    side_by_side = trainings if n_processes > 1 else []
    waiting = {number: one for number, one in enumerate(side_by_side) if not one.stored()}
    if not waiting:
        return [one.run() for one in trainings]
    longest_first = sorted(waiting, key=lambda number: -waiting[number].expected_seconds())
    use_cores = partial(_use_cores, device.cores() // n_processes)
    n_started = processes.count(n_processes, len(waiting))
    with processes.pool(n_started, use_cores) as pool, progress.bar(len(waiting), "networks", "network") as bar:
        futures = [pool.submit(Training.run, waiting[number]) for number in longest_first]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # where one fails, the others that wait are not started
    return [one.run() for one in trainings]


def _n_processes(trainings: Sequence[Training]) -> int:
    """Returns the number of processes, as cores, trainings and free memory allow; 1: in turn, in this process."""
    n_cores = min(device.cores(), len(trainings))
    gain = sum(one.expected_seconds() for one in trainings) * (1 - 1 / max(n_cores, 1))
    if gain < START or steps.has_gpu():
        return 1
    n_values = max(len(data.feature_set(t.features)) * sum(map(len, t.study.splits)) for t in trainings)
    in_memory = psutil.virtual_memory().available // (SAMPLE_COPIES * 4 * n_values)
    return max(1, min(n_cores, in_memory))


def _use_cores(cores: int) -> None:
    """Prepares a new process to train on some of the processor's cores."""
    with processes.standard_error_without(f"{processes.NOTES}|{processes.NO_DRIVER}"):
        processes.import_keras()
        steps.engine().use_processor()
        steps.engine().use_threads(cores)

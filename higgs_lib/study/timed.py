"""Trainings over a cluster, timed: each is run once, stored with its phases, and read back ever after."""

import logging
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from higgs_lib import models, provenance
from higgs_lib.data import EventStream, feature_set
from higgs_lib.models import ModelSpec
from higgs_lib.performance.scaling import Timings
from higgs_lib.spark import synchronous
from higgs_lib.study.classifiers import Study
from higgs_lib.training import Phases, TrainConfig

log = logging.getLogger(__name__)


class Timed(NamedTuple):
    """A training over a cluster, as stored."""

    n_workers: int
    batch_size: int
    seconds: list[float]
    """Of the steps of each epoch; the first holds tracing and compilation."""
    phases: list[list[Phases]]
    """An entry an epoch, in it one a worker."""
    validation_auc: list[float]
    """After each epoch."""
    start_up: float
    """Seconds from the call to the first steps."""
    n_parameters: int

    @property
    def steady(self) -> list[float]:
        """Seconds of the epochs after the first."""
        return self.seconds[1:]

    def seconds_to(self, auc: float) -> float:
        """Seconds of training until the validation AUC is first reached at an epoch's end; inf: it was not."""
        reached = np.flatnonzero(np.array(self.validation_auc) >= auc)
        return float(np.sum(self.seconds[: reached[0] + 1])) if len(reached) else np.inf

    def mean_phases(self) -> dict[str, float]:
        """Seconds of each phase in an epoch after the first, mean over epochs and workers; `transfer` is the sums
        without the wait for other workers.
        """
        of_workers = [phases for epoch in self.phases[1:] for phases in epoch]
        means = {name: float(np.mean([getattr(p, name) for p in of_workers])) for name in Phases._fields[:5]}
        return means | {"transfer": means["all_reduce"] - means["waiting"]}

    def transfers(self, n_events: int) -> list[float]:
        """Seconds of the transfer in one step of an epoch of `n_events`, a mean for each epoch after the first."""
        sums = [np.mean([worker.all_reduce - worker.waiting for worker in epoch]) for epoch in self.phases[1:]]
        return [float(seconds) / -(-n_events // self.batch_size) for seconds in sums]

    def per_step(self, phase: str, n_events: int) -> float:
        """Seconds of a phase in one step of an epoch of `n_events`."""
        return self.mean_phases()[phase] / -(-n_events // self.batch_size)


@dataclass(frozen=True)
class ScalingStudy:
    """Trainings of a study's nets on its first training events, over the workers of a Spark session."""

    study: Study
    session: Any
    n_events: int
    """Of an epoch."""
    features: str = "complete"

    @cached_property
    def _streams(self):
        splits, names = self.study.splits, feature_set(self.features)
        rows = splits.training[: self.n_events], splits.validation
        return tuple(EventStream.open(self.study.events, names, part) for part in rows)

    def train(
        self, classifier: str, spec: ModelSpec, config: TrainConfig, *, n_workers: int, seed: int, precision="float32"
    ) -> Timed:
        """Trains a network over the cluster, or reads back the same training.

        Args:
            classifier: the name of the network in files.
            spec: the network and its optimizer.
            config: epochs and the batch size of all workers together.
            n_workers: the number of workers.
            seed: of initial weights and the order of events.
            precision: the type in which gradients are summed.

        Returns:
            The timed training.
        """
        name = f"cluster-{classifier}-{n_workers}x{config.batch_size}-seed{seed}"
        stamp = provenance.stamp()
        recipe = {
            **{"classifier": classifier, "spec": asdict(spec), "n_workers": n_workers, **config._asdict()},
            **{"seed": seed, "precision": precision, "features": self.features, "events": self.study.fingerprint},
            **{"n_training": self._streams[0].n_events, "master": self.session.sparkContext.master.split(":")[0]},
            "machine": {key: stamp[key] for key in ("processor", "cores", "tensorflow", "keras", "pyspark")},
            "code": provenance.code_version("study.timed"),
        }
        stored = self.study.run.cached(name, recipe, lambda: self._train(spec, config, n_workers, seed, precision))
        phases = [[Phases(**worker) for worker in epoch] for epoch in stored["phases"]]
        others = {key: stored[key] for key in ("seconds", "validation_auc", "start_up", "n_parameters")}
        return Timed(n_workers, config.batch_size, phases=phases, **others)

    def _train(self, spec: ModelSpec, config: TrainConfig, n_workers: int, seed: int, precision: str) -> dict:
        training, validation = self._streams
        model = models.build(spec, models.standardisation(training), seed)
        optimizer = models.optimizer(spec, training.n_events, config.batch_size, config.epochs)
        trained = synchronous.fit(
            self.session, model, optimizer, training, validation, config,
            n_workers=n_workers, seed=seed, precision=precision,
        )  # fmt: skip
        return {
            "seconds": trained.history.seconds,
            "phases": [[phases._replace(losses=[])._asdict() for phases in epoch] for epoch in trained.phases],
            "validation_auc": [measures.auc for measures in trained.history.validation],
            "start_up": trained.start_up,
            "n_parameters": spec.n_parameters(len(feature_set(self.features))),
        }


def timings(trainings: list[Timed]) -> Timings:
    """The epochs of some trainings but for the first of each."""
    workers = [np.full(len(t.steady), t.n_workers) for t in trainings]
    return Timings(np.concatenate(workers), np.concatenate([t.steady for t in trainings]))

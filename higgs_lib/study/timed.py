"""Timed trainings over a Spark cluster: each is run once per configuration and cached on disk."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from higgs_lib import device, models, provenance
from higgs_lib.data import EventStream, feature_set
from higgs_lib.models import ModelSpec
from higgs_lib.performance.curve_fit import Timings
from higgs_lib.spark import submission, synchronous
from higgs_lib.study.classifiers import Study
from higgs_lib.training import Phases, TrainConfig


class TimedTraining(NamedTuple):
    """A timed training over a cluster, as stored."""

    n_workers: int
    batch_size: int
    """Events per step, over all workers together."""
    seconds: list[float]
    """Seconds of the steps of each epoch; the first epoch includes tracing and compilation."""
    phases: list[list[Phases]]
    """The phases of each epoch and, within it, of each worker."""
    validation_auc: list[float]
    """The validation AUC after each epoch."""
    start_up: float
    """Seconds from the call to the first steps."""
    n_parameters: int

    @property
    def steady_seconds(self) -> list[float]:
        """The seconds of the epochs after the first."""
        return self.seconds[1:]

    def seconds_to(self, auc: float) -> float:
        """Returns the seconds of training after which an epoch first reaches a validation AUC; inf if none does."""
        reached = np.flatnonzero(np.array(self.validation_auc) >= auc)
        return float(np.sum(self.seconds[: reached[0] + 1])) if len(reached) else np.inf

    def mean_phases(self) -> dict[str, float]:
        """Returns the seconds per epoch of each phase, a mean over workers and the epochs after the first.

        `transfer` is the all-reduce without the wait for other workers.
        """
        steady = [phases for epoch in self.phases[1:] for phases in epoch]
        means = {name: float(np.mean([getattr(p, name) for p in steady])) for name in Phases._fields[:5]}
        return means | {"transfer": means["all_reduce"] - means["waiting"]}

    def transfers(self, n_events: int) -> list[float]:
        """Returns the seconds per step of the transfer, a mean for each epoch of `n_events` after the first."""
        sums = [np.mean([worker.all_reduce - worker.waiting for worker in epoch]) for epoch in self.phases[1:]]
        return [float(seconds) / -(-n_events // self.batch_size) for seconds in sums]

    def per_step(self, phase: str, n_events: int) -> float:
        """Returns the mean seconds per step of a phase, for epochs of `n_events`."""
        return self.mean_phases()[phase] / -(-n_events // self.batch_size)


@dataclass(frozen=True)
class ScalingStudy:
    """Timed trainings on a study's first training events, over the workers of a Spark session."""

    study: Study
    session: Any
    n_events: int
    """Training events per epoch."""
    features: str = "complete"
    n_validation: int = 0
    """Validation events, the first ones; 0: all."""

    @cached_property
    def streams(self) -> tuple[EventStream, EventStream]:
        """The training and the validation events."""
        splits, names = self.study.splits, feature_set(self.features)
        rows = splits.training[: self.n_events], splits.validation[: self.n_validation or None]
        return tuple(EventStream.open(self.study.events, names, part) for part in rows)

    def train(
        self,
        classifier: str,
        spec: ModelSpec,
        config: TrainConfig,
        *,
        n_workers: int,
        seed: int,
        precision: str = "float32",
    ) -> TimedTraining:
        """Trains a network over the cluster, or reads back the same training.

        Args:
            classifier: the name of the network in files.
            spec: the network and its optimizer.
            config: epochs and the batch size of all workers together.
            n_workers: the number of workers.
            seed: of initial weights and the order of events.
            precision: the type in which gradients are sent.

        Returns:
            The timed training.
        """
        name = f"cluster-{classifier}-{n_workers}x{config.batch_size}-seed{seed}"
        stamp = provenance.stamp()
        recipe = {
            **{"classifier": classifier, "spec": asdict(spec), "n_workers": n_workers, **config._asdict()},
            **{"seed": seed, "precision": precision, "features": self.features, "events": self.study.fingerprint},
            "gpus_per_task": submission.gpus_per_task(self.session),
            "n_validation": self.streams[1].n_events,
            **{"n_training": self.streams[0].n_events, "master": self.session.sparkContext.master.split(":")[0]},
            "machine": {key: stamp.get(key) for key in ("processor", "cores", device.backend(), "keras", "pyspark")},
            "code": provenance.code_version("study.timed"),
        }

        def make() -> dict:
            training, validation = self.streams
            model = models.build(spec, models.standardisation(training), seed)
            optimizer = models.optimizer(spec, training.n_events, config.batch_size, config.epochs)
            options = {"n_workers": n_workers, "seed": seed, "precision": precision}
            trained = synchronous.fit(self.session, model, optimizer, training, validation, config, **options)
            return {
                "seconds": trained.history.seconds,
                "phases": [[phases._replace(losses=[])._asdict() for phases in epoch] for epoch in trained.phases],
                "validation_auc": [measures.auc for measures in trained.history.validation],
                "start_up": trained.start_up,
                "n_parameters": spec.n_parameters(len(feature_set(self.features))),
            }

        stored = self.study.run.cached(name, recipe, make)
        phases = [[Phases(**worker) for worker in epoch] for epoch in stored["phases"]]
        others = {key: stored[key] for key in ("seconds", "validation_auc", "start_up", "n_parameters")}
        return TimedTraining(n_workers, config.batch_size, phases=phases, **others)


def epoch_timings(trainings: list[TimedTraining]) -> Timings:
    """Returns the seconds of an epoch of some trainings: of each the median, without the first epoch, which compiles.

    A training is one entry, as its epochs share its conditions.
    """
    workers = [training.n_workers for training in trainings]
    return Timings(np.array(workers), np.array([np.median(training.steady_seconds) for training in trainings]))

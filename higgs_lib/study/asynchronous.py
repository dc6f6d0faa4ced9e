"""Asynchronous trainings over a Spark cluster: each is run once per configuration and cached on disk."""

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from higgs_lib import device, metrics, models, provenance
from higgs_lib.metrics import Interval
from higgs_lib.models import ModelSpec
from higgs_lib.spark import asynchronous, submission
from higgs_lib.study.timed import ScalingStudy
from higgs_lib.training import DivergenceError, TrainConfig
from higgs_lib.training.update_rules import UpdateRule


class AsynchronousTraining(NamedTuple):
    """An asynchronous training, as stored."""

    rule: str
    n_workers: int
    n_events: int
    """Training events of an epoch."""
    seconds: list[float]
    """Wall-clock time of each epoch."""
    validation_auc: list[float]
    """The validation AUC after each epoch."""
    validation_loss: list[float]
    auc: Interval
    """The validation AUC of the weights that are kept, those of the epoch with the lowest loss; its interval is that of
    a finite number of events."""
    n_bytes: list[int]
    """The bytes that workers and server had exchanged at the end of each epoch."""
    staleness: list[int]
    """The staleness of each commit, in their order."""
    events_per_second: float
    """The training rate while all workers trained; nan under a rule without commits."""
    service_seconds: float
    """The median seconds that the server spent on a commit; nan without commits."""
    start_up: float
    """Seconds from the call until the workers began."""
    divergence: str
    """Why the training was stopped; empty if it was not."""

    @property
    def times(self) -> np.ndarray:
        """The seconds of training until the end of each epoch (n,)."""
        return np.cumsum(self.seconds)

    @property
    def events(self) -> np.ndarray:
        """The events that all workers together had seen at the end of each epoch (n,)."""
        return self.n_events * np.arange(1, len(self.seconds) + 1)

    def seconds_to(self, auc: float) -> float:
        """Returns the seconds of training after which an epoch first reaches a validation AUC; inf if none does."""
        reached = np.flatnonzero(np.array(self.validation_auc) >= auc)
        return float(self.times[reached[0]]) if len(reached) else np.inf


@dataclass(frozen=True)
class AsynchronousStudy(ScalingStudy):
    """Asynchronous trainings on a study's first training events."""

    def train_by(
        self, rule: UpdateRule, spec: ModelSpec, config: TrainConfig, *, n_workers: int, seed: int
    ) -> AsynchronousTraining:
        """Trains a network by an update rule, or reads back the same training.

        Args:
            rule: the update rule.
            spec: the network, optimizer and learning rate of one machine; the rule's factor multiplies the rate.
            config: epochs, and the batch size of each worker.
            n_workers: the number of workers.
            seed: of initial weights and the order of events.

        Returns:
            The training.

        Raises:
            ValueError: `spec` has no learning rate.
        """
        if not spec.learning_rate:
            raise ValueError(f"{rule.name}: the spec needs a learning rate, which the rule multiplies")
        training, validation = self.streams
        spec = replace(spec, learning_rate=spec.learning_rate * rule.rate_factor)
        name = (
            f"asynchronous-{rule.name}-{n_workers}x{config.batch_size}-window{rule.window}-{spec.optimizer}-seed{seed}"
        )
        stamp = provenance.stamp()
        recipe = {
            **{"rule": repr(rule), "spec": asdict(spec), "n_workers": n_workers, **config._asdict(), "seed": seed},
            **{"features": self.features, "events": self.study.fingerprint, "n_training": training.n_events},
            "n_validation": validation.n_events,
            "gpus_per_task": submission.gpus_per_task(self.session),
            "master": self.session.sparkContext.master.split(":")[0],
            "machine": {key: stamp.get(key) for key in ("processor", "cores", device.backend(), "keras", "pyspark")},
            "code": provenance.code_version("study.asynchronous"),
        }

        def make() -> dict:
            model = models.build(spec, models.standardisation(training), seed)
            # a schedule advances with a worker's own steps
            optimizer = models.optimizer(spec, training.n_events // n_workers, config.batch_size, config.epochs)
            options = {
                "rule": rule,
                "n_workers": n_workers,
                "seed": seed,
                "name": f"{rule.name}, {n_workers} worker{'s' * (n_workers > 1)}",
            }
            try:
                trained = asynchronous.fit(self.session, model, optimizer, training, validation, config, **options)
            except DivergenceError as error:
                nothing = {key: [] for key in ("seconds", "validation_auc", "validation_loss", "n_bytes", "staleness")}
                numbers = dict.fromkeys(("events_per_second", "service_seconds", "start_up"), np.nan)
                return nothing | numbers | {"auc": (0.5, np.nan, np.nan), "divergence": str(error)}
            commits, (features, labels) = trained.commits, validation.load()
            return {
                "seconds": trained.history.seconds,
                "validation_auc": [measures.auc for measures in trained.history.validation],
                "validation_loss": [measures.loss for measures in trained.history.validation],
                "auc": metrics.auc_interval(labels, asynchronous.predict(model, trained, features)),
                "n_bytes": trained.n_bytes,
                "staleness": [commit.staleness for commit in commits],
                "events_per_second": trained.events_per_second if commits else np.nan,
                "service_seconds": float(np.median(trained.service_seconds)) if commits else np.nan,
                "start_up": trained.start_up,
                "divergence": "",
            }

        stored = self.study.run.cached(name, recipe, make)
        fields = stored | {"auc": Interval(*stored["auc"])}
        fields = {key: fields[key] for key in AsynchronousTraining._fields if key in fields}
        return AsynchronousTraining(
            **{"rule": rule.name, "n_workers": n_workers, "n_events": training.n_events} | fields
        )


def temporal_efficiency(times: np.ndarray, aucs: np.ndarray, other_times: np.ndarray, other_aucs: np.ndarray) -> float:
    """Returns the ratio of the areas under AUC against wall-clock time, until the shorter training ends.

    J. Hermans, *Distributed Deep Learning*, MSc thesis, Maastricht, 2017. Both begin at an AUC of 0.5.

    Args:
        times: seconds of training (n,).
        aucs: AUC at these times (n,).
        other_times: those of the other training (m,).
        other_aucs: likewise.

    Returns:
        The ratio of the first training's area to the other's.
    """
    end = min(times[-1], other_times[-1])

    def area(x: np.ndarray, y: np.ndarray) -> float:
        x, y = np.concatenate([[0.0], x]), np.concatenate([[0.5], y])
        grid = np.union1d(x[x < end], end)
        return float(np.trapezoid(np.interp(grid, x, y), grid))

    return area(np.asarray(times), np.asarray(aucs)) / area(np.asarray(other_times), np.asarray(other_aucs))


def momentum_kernel(n_workers: int, n: int) -> np.ndarray:
    """Returns the weights (n,) that momentum 1 - 1/n_workers gives to the last n gradients, the newest first.

    They are the probabilities of a staleness of 0, 1, ... under which asynchronous steps are steps with momentum
    (I. Mitliagkas et al., arXiv:1605.09774, theorem 2).
    """
    momentum = 1 - 1 / n_workers
    return (1 - momentum) * momentum ** np.arange(n)

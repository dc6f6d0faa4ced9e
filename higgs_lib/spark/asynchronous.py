"""Asynchronous training over a Spark cluster: workers that exchange weights with a parameter server, by nine rules.

Every worker trains on its own part of the events, in batches of its own. After each window of batches it sends a commit
to the *centre*, which this program holds, and continues without waiting for the others (Distributed Keras: J. Hermans,
doi:10.5281/zenodo.167573).
"""

import hashlib
import logging
import math
import pickle
import time
from functools import partial
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np

from higgs_lib.data import EventStream, Sample
from higgs_lib.spark import asynchronous_worker, submission
from higgs_lib.spark.asynchronous_worker import Job
from higgs_lib.spark.heartbeat import HeartbeatMonitor, Message
from higgs_lib.spark.master import in_one_process
from higgs_lib.spark.parameter_server import Centre, Commit, EpochEnd, Exchange, ParameterServer, Progress
from higgs_lib.spark.submission import JobError, WorkerError, hanging_text, lost_text
from higgs_lib.spark.worker import FINAL, Failure
from higgs_lib.training import DivergenceError, History, Measures, Phases, TrainConfig, loop
from higgs_lib.training.batching import Shard
from higgs_lib.training.channel import ChannelError, Credentials
from higgs_lib.training.checkpoint import Checkpoint, State, as_storable, restore
from higgs_lib.training.layers import assign_weights, offset_dropout_seeds, weights_of
from higgs_lib.training.loop import check_trainable, measures, saved_epochs
from higgs_lib.training.update_rules import Ensemble, Single, UpdateRule

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

START_LIMIT = 300  # seconds in which a worker, or its replacement, has to start; Spark notices a lost machine after 120


class Trained(NamedTuple):
    """The result of an asynchronous training, and what happened in it."""

    history: History
    """The history: measures of the training events are means over the workers, those of the validation events belong to
    the centre when the last worker finishes an epoch, and the seconds pass between these moments."""
    phases: list[list[Phases]]
    """For each epoch that this call trained, the phases of every worker; `all_reduce` is the exchange with the server,
    `waiting` the part of it in which the server had not yet answered."""
    start_up: float
    """Seconds from the call until the workers began to train."""
    commits: list[Commit]
    """All commits of this call, in their order."""
    n_bytes: list[int]
    """The bytes that workers and server had exchanged at the end of each epoch."""
    service_seconds: list[float]
    """The seconds that the server spent on each commit, from its first byte to the end of the answer."""
    lost_events: int
    """Events of windows that were not finished when a worker was lost, which its replacement trained again."""
    members: list[list[np.ndarray]]
    """The weights of each network of an ensemble, whose scores are to be averaged; empty under other rules."""
    exchanges: list[Exchange]
    """Every pull and commit, if they were recorded."""

    @property
    def events_per_second(self) -> float:
        """The training rate while all workers train: from the last worker's first commit to the first one's last.

        It is nan if these moments do not follow each other, or there are no commits.
        """
        times = {}
        for commit in self.commits:
            times.setdefault(commit.worker, []).append(commit.seconds)
        start = max((min(t) for t in times.values()), default=0.0)
        end = min((max(t) for t in times.values()), default=0.0)
        if start >= end:
            return math.nan
        return sum(c.n_events for c in self.commits if start < c.seconds <= end) / (end - start)


def predict(model: keras.Model, trained: Trained, features: np.ndarray) -> np.ndarray:
    """Returns the scores (n,) of raw features (n, n_features): of the trained model, or the mean of an ensemble's."""
    if not trained.members:
        return loop.predict(model, features)
    kept, scores = model.get_weights(), []
    for weights in trained.members:
        model.set_weights(weights)
        scores.append(loop.predict(model, features))
    model.set_weights(kept)
    return np.mean(scores, axis=0)


def fit(
    session: "SparkSession",
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    training: EventStream,
    validation: EventStream,
    config: TrainConfig,
    *,
    rule: UpdateRule,
    n_workers: int,
    seed: int,
    loss: keras.losses.Loss | None = None,
    jit_compile: bool | None = None,
    checkpoint: str | Path | None = None,
    name: str = "model",
    record: bool = False,
    retries: int = 3,
    timeout: float = 120.0,
) -> Trained:
    """Trains the model with tasks of a Spark session as workers, none of which waits for another.

    The order of the exchanges, and with it the result, differs from call to call. A worker that is lost or hangs is
    replaced, and the replacement continues after its last commit; the others do not notice. Weights are exchanged in
    float32; what is not trained, as the averages of BatchNormalization, is that of the first worker. Schedules of the
    optimizer advance with the steps of each worker.

    Args:
        session: the Spark session.
        model: the model, trained in place. Under `Ensemble` it becomes the first of the networks.
        optimizer: the optimizer of the workers' own steps, of which each worker has a copy.
        training: the training events. Every worker reads its own part, so all of them and this program must reach the
            file.
        validation: the validation events, on which this program measures the centre after every epoch.
        config: number of epochs, batch size of each worker, and early stopping.
        rule: what workers commit and how the centre is changed by it, from `training.update_rules`.
        n_workers: the number of workers.
        seed: of the order of events.
        loss: the loss; None: the binary cross-entropy.
        jit_compile: whether XLA compiles the steps; None: by batch size, number of steps and each worker's device.
        checkpoint: a file of this program that stores the state after every epoch; the next call resumes there.
        name: of the training, for the progress bar and errors.
        record: whether to keep every exchange for `parameter_server.replay`, which takes the memory of the weights for
            each.
        retries: how often a lost worker is replaced, counted over all workers.
        timeout: seconds without a step after which a worker counts as hanging. A worker whose whole process is silent
            is noticed after ten seconds.

    Returns:
        The history, and what happened in the training.

    Raises:
        ClusterError: the cluster has fewer task slots than workers.
        WorkerError: a worker was lost or failed too often; the message says which, where and why.
        ValueError: as `training.fit`, or the rule does not fit the number of workers.
        DivergenceError: weights or the validation loss are not finite.
    """
    called = time.monotonic()
    submission.check_workers(session, n_workers)
    _check_rule(rule, n_workers, training.n_events, config)
    check_trainable(model, training, config, jit_compile, loss)
    loss = loss or keras.losses.BinaryCrossentropy()
    optimizer = rule.local_optimizer(optimizer)
    optimizer.build(model.trainable_variables)
    settings = model, optimizer, loss, training, validation, config, seed, jit_compile
    about = {"update rule": repr(rule), "workers": n_workers}
    if isinstance(rule, Ensemble):
        about["initial weights"] = hashlib.sha256(pickle.dumps(rule.initial_weights)).hexdigest()
    file = Checkpoint.for_training(checkpoint, *settings, about)
    state = file.read(_initial_state(model, optimizer, rule, n_workers, training.n_events))
    job = partial(
        Job,
        model=pickle.dumps(model),
        optimizer=keras.saving.serialize_keras_object(optimizer),
        loss=keras.saving.serialize_keras_object(loss),
        rule=Ensemble() if isinstance(rule, Ensemble) else rule,  # the server has the initial weights
        training=training,
        config=config,
        seed=seed,
        jit_compile=jit_compile,
        name=name,
        cores=submission.cores_per_task(session),
        n_workers=n_workers,
    )
    with saved_epochs(name, config.epochs, state, file) as save:
        run = _Run(session, job, model, loss, validation.load(), state, save, record=record)
        run.train(retries, timeout)
    members = run.members()
    restore(model.variables, run.state.model)
    model.set_weights(members[0])
    return Trained(
        history=run.history,
        phases=run.phases,
        start_up=run.server.began - called,
        commits=sorted(run.server.commits, key=lambda commit: commit.number),
        n_bytes=run.n_bytes,
        service_seconds=run.server.service_seconds,
        lost_events=run.lost_events,
        members=members if isinstance(rule, Ensemble) else [],
        exchanges=run.exchanges or [],
    )


def _check_rule(rule: UpdateRule, n_workers: int, n_events: int, config: TrainConfig) -> None:
    """Raises ValueError if a rule cannot train with so many workers, or a worker has less than a batch of events."""
    if not isinstance(rule, UpdateRule):
        raise ValueError(f"rule must be one of training.update_rules, such as DOWNPOUR(), not {rule!r}")
    if isinstance(rule, Single) and n_workers != 1:
        raise ValueError(f"Single trains with one worker, not {n_workers}: use another rule")
    if n_events // n_workers < config.batch_size:
        raise ValueError(
            f"each of {n_workers} workers has {n_events // n_workers} events, less than a batch of {config.batch_size}"
        )
    if isinstance(rule, Ensemble) and rule.initial_weights and len(rule.initial_weights) != n_workers:
        raise ValueError(f"Ensemble has initial weights for {len(rule.initial_weights)} networks, not {n_workers}")


def _initial_state(model, optimizer, rule: UpdateRule, n_workers: int, n_events: int) -> State:
    """Returns the state before the first step, in which the variables of all workers stand for the optimizer's."""
    initial, workers = [as_storable(variable) for variable in model.variables], []
    for number in range(n_workers):
        if isinstance(rule, Ensemble) and rule.initial_weights:
            model.set_weights(rule.initial_weights[number])
        offset_dropout_seeds(model, number)
        workers += [as_storable(variable) for variable in [*model.variables, *optimizer.variables]]
        restore(model.variables, initial)
    return State(initial, workers, [], History([], [], [], n_events).as_dict())


def _read_reports(reports: list[dict]) -> tuple[Measures, list[Phases]]:
    """Returns the mean of the workers' measures of an epoch, and their phases; ChannelError if these are none."""
    try:
        # a worker that was replaced after its last commit of the epoch has no measures of it
        measured = [Measures(*report["measures"]) for report in reports if report["measures"]] or [[math.nan] * 3]
        return Measures(*np.mean(measured, axis=0).tolist()), [Phases(*report["phases"]) for report in reports]
    except (KeyError, TypeError, ValueError) as error:
        raise ChannelError(f"a worker's report of an epoch cannot be read: {error!r}") from error


class _Run:
    """A training, whose workers are replaced until it ends."""

    def __init__(self, session, job, model, loss, validation: Sample, state: State, save, *, record: bool):
        """Prepares a training.

        Args:
            session: the Spark session.
            job: makes the job for the addresses of a `monitor` and a `server`.
            model: the model, in which the centre is measured.
            loss: the loss.
            validation: the validation events.
            state: the state from which the training starts.
            save: is called with the state after every epoch.
            record: whether every exchange is kept.
        """
        self.session, self.job, self.model, self.loss = session, job, model, loss
        self.validation, self.state, self.save = validation, state, save
        self.name, self.rule, self.config, self.n_workers = (
            job.keywords[key] for key in ("name", "rule", "config", "n_workers")
        )
        self.history = History.from_dict(state.history)
        self.phases: list[list[Phases]] = []
        self.n_bytes: list[int] = []
        self.exchanges: list[Exchange] | None = [] if record else None
        self.lost_events = 0
        self._seconds = 0.0
        self._n_losses = 0
        self._missing: dict[int, tuple[float, str]] = {}
        self._done: set[int] = set()

    def members(self) -> list[list[np.ndarray]]:
        """Returns the weights of the best epoch: of the centre, or of each network of an ensemble."""
        n_weights = len(self.model.weights)
        return [self.state.best[i : i + n_weights] for i in range(0, len(self.state.best), n_weights)]

    def train(self, retries: int, timeout: float) -> None:
        """Trains to the end; WorkerError after more than `retries` losses of a worker."""
        host, encrypted = submission.host(self.session), submission.is_encrypted(self.session)
        epoch, n_variables = len(self.history.seconds), len(self.state.optimizer) // self.n_workers
        rows = [len(Shard(n, self.n_workers).part(self.history.n_events)) for n in range(self.n_workers)]
        progress = [
            Progress(epoch + 1, 0, epoch * rows[n], self.state.optimizer[n * n_variables : (n + 1) * n_variables])
            for n in range(self.n_workers)
        ]
        restore(self.model.variables, self.state.model)
        centre = Centre(weights_of(self.model), self.rule, self.n_workers, self.exchanges)
        self.server = ParameterServer(host, Credentials.create(encrypted), centre, progress, Queue())
        with self.server:
            while not self.history.is_over(self.config):
                n_losses = self._n_losses
                try:
                    with HeartbeatMonitor(host, self.n_workers, encrypted=encrypted) as monitor:
                        self.server.messages = monitor.messages
                        self._submit(monitor, retries, timeout)
                except JobError as error:
                    if self._n_losses == n_losses:  # no worker could tell why
                        self._lose(None, str(error), retries)
                    submission.wait_for_slots(self.session, self.n_workers)

    def _submit(self, monitor: HeartbeatMonitor, retries: int, timeout: float) -> None:
        """Runs one Spark job until all workers are done."""
        self._done.clear()
        self._missing = dict.fromkeys(range(self.n_workers), (time.monotonic(), "its task has no slot"))
        job = self.job(monitor=monitor.address, server=self.server.address)
        work = partial(asynchronous_worker.work, job)
        with submission.running_job(self.session, work, self.n_workers, monitor, self.name, barrier=False) as cancel:
            while len(self._done) < self.n_workers:
                if message := monitor.next_message(timeout=1.0):
                    self._handle(message, monitor, retries)
                if self.history.is_over(self.config) and len(self.history.seconds) < self.config.epochs:
                    cancel()
                    return
                if hanging := monitor.hanging_worker(timeout):
                    worker, seconds = hanging
                    cause = hanging_text(worker, seconds, monitor.workers.get(worker))
                    self._kill(worker, monitor)
                    self._lose(worker, cause, retries)
                for worker, (since, cause) in self._missing.items():
                    if time.monotonic() - since > START_LIMIT:
                        raise WorkerError(f"{self.name}: worker {worker} did not start in {START_LIMIT} s: {cause}")

    def _handle(self, message: Message, monitor: HeartbeatMonitor, retries: int) -> None:
        """Does what a message asks for."""
        worker, message_type, content, _ = message
        status = monitor.workers.get(worker, "without a heartbeat so far")
        # in one process Spark ends all tasks with the first that fails, and then reports the job
        ended_by_spark = in_one_process(self.session.sparkContext.master) and self._missing
        if message_type == "centre":
            self._end_epoch(content)
        elif message_type == "hello":
            self._missing.pop(worker, None)
        elif message_type == "done":
            self._done.add(worker)
        elif message_type == "lost" and not ended_by_spark:
            monitor.disconnect(worker)
            self._lose(worker, lost_text(worker, status), retries)
        elif message_type == "failed":
            failure = Failure(*content)
            if failure.origin in FINAL:
                raise failure.final_error()
            if not ended_by_spark:
                monitor.disconnect(worker)
                self._lose(worker, f"worker {worker} ({status}) failed: {failure.text}", retries, failure.traceback)
        elif message_type == "server":
            raise content
        elif message_type == "job":
            raise JobError.of(content)

    def _kill(self, worker: int, monitor: HeartbeatMonitor) -> None:
        """Ends the task of a worker that hangs; Spark starts another."""
        java_context = self.session.sparkContext._jsc.sc()
        java_context.killTaskAttempt(monitor.tasks[worker], True, "the worker makes no progress")
        monitor.disconnect(worker)

    def _lose(self, worker: int | None, cause: str, retries: int, traceback: str = "") -> None:
        """Notes the loss of a worker; WorkerError if there were too many.

        Args:
            worker: its number; None: the whole job failed.
            cause: what happened.
            retries: the number of losses that are allowed.
            traceback: Python's, of the worker.
        """
        self._n_losses += 1
        if self._n_losses > retries:
            epochs = len(self.history.seconds)
            error = WorkerError(f"{self.name}: {cause}; given up after {self._n_losses} losses and {epochs} epochs")
            if traceback:
                error.add_note(f"In the worker:\n{traceback}")
            raise error
        lost = self.server.in_flight.pop(worker, 0)
        self.lost_events += lost
        if worker is not None:
            self._missing[worker] = time.monotonic(), cause
        log.warning("%s: %s; its replacement trains %d events again that were not committed", self.name, cause, lost)

    def _end_epoch(self, end: EpochEnd) -> None:
        """Measures the centre after an epoch, and stores the state."""
        n_variables, members, scores = len(self.model.variables), [], []
        ensemble = isinstance(self.rule, Ensemble)
        for progress in end.progress[:: 1 if ensemble else self.n_workers]:
            # what is not trained, such as moving averages, is that of the first worker
            restore(self.model.variables, progress.variables[:n_variables])
            if not ensemble:
                assign_weights(self.model, end.weights)
            members += self.model.get_weights()
            scores.append(loop.predict(self.model, self.validation.features))
        on_validation = measures(self.loss, self.validation.labels, np.mean(scores, axis=0))
        if not np.isfinite(on_validation.loss):
            raise DivergenceError(
                f"{self.name}: the loss is not finite after epoch {end.number}, under {self.rule.name} with "
                f"{self.n_workers} workers; lower the learning rate, or check the validation events"
            )
        on_training, phases = _read_reports(end.reports)
        self.history = self.history.with_epoch(on_training, on_validation, end.seconds - self._seconds)
        self._seconds = end.seconds
        self.phases.append(phases)
        self.n_bytes.append(end.n_bytes)
        best = members if self.history.best_epoch == end.number else self.state.best
        variables = [array for progress in end.progress for array in progress.variables]
        self.state = State([as_storable(v) for v in self.model.variables], variables, best, self.history.as_dict())
        self.save(self.state)

"""Synchronous data-parallel training over a Spark cluster: one barrier job, one worker per task.

At each step every worker computes the gradient on its part of the batch, and all workers sum their gradients (as BigDL
does: J. Dai et al., arXiv:1804.05839, section 3). Spark places the workers; `training.collectives` does the all-reduce.
"""

import logging
import math
import pickle
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras

from higgs_lib.data import EventStream
from higgs_lib.spark import submission, worker
from higgs_lib.spark.heartbeat import HeartbeatMonitor, Message
from higgs_lib.spark.submission import JobError, WorkerError, hanging_text, lost_text
from higgs_lib.spark.worker import FINAL, Epoch, Failure, Job
from higgs_lib.training import History, Phases, TrainConfig
from higgs_lib.training.channel import ChannelError
from higgs_lib.training.checkpoint import Checkpoint, State
from higgs_lib.training.loop import check_trainable, saved_epochs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

PRECISIONS = ("float32", "float16")
REPORT_LIMIT = 2  # seconds in which the workers of a failed job may still report why


class Trained(NamedTuple):
    """The result of a training over a cluster, and where its time went."""

    history: History
    """The history, as of a training on one machine, with the seconds of the first worker."""
    phases: list[list[Phases]]
    """For each epoch that this call trained, the phases of every worker."""
    start_up: float
    """Seconds from the call until all workers had made their first steps (of one worker: its first million events)."""


def fit(
    session: "SparkSession",
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    training: EventStream,
    validation: EventStream,
    config: TrainConfig,
    *,
    n_workers: int,
    seed: int,
    loss: keras.losses.Loss | None = None,
    jit_compile: bool | None = None,
    checkpoint: str | Path | None = None,
    name: str = "model",
    precision: str = "float32",
    retries: int = 3,
    timeout: float = 120.0,
) -> Trained:
    """Trains the model as `training.fit` does, with tasks of a Spark session as workers.

    They compute on processors, or on the GPU that Spark gives to each task.

    The workers divide the batches of `training.fit` among them, so that the losses are those of one machine up to
    rounding and the random numbers of dropout. A layer that averages over events, as BatchNormalization, keeps the
    averages of the first worker. When a worker is lost or hangs, the job is submitted again from the last epoch.

    Args:
        session: the Spark session.
        model: the model, trained in place.
        optimizer: its optimizer.
        training: the training events. Every worker reads its own part, so all of them and this program must reach the
            file.
        validation: the validation events, likewise.
        config: number of epochs, batch size of all workers together, and early stopping.
        n_workers: the number of workers.
        seed: of the order of events.
        loss: the loss; None: the binary cross-entropy.
        jit_compile: whether XLA compiles the steps; None: by each worker's part of a batch, the number of
            steps and its device.
        checkpoint: a file of this program that stores the state after every epoch; the next call resumes there.
        name: of the training, for the progress bar and errors.
        precision: of the gradients that are sent: "float32", or "float16" with half the bytes; sums, weights and
            optimizer steps stay in float32.
        retries: how often a failed job is submitted again.
        timeout: seconds without a step after which a worker counts as hanging. A worker whose whole process is silent
            is noticed after ten seconds.

    Returns:
        The history, and the phases of every epoch and worker.

    Raises:
        ClusterError: the cluster has fewer task slots than workers.
        WorkerError: all tries failed; the message names the worker and the cause.
        ValueError: as `training.fit`.
        DivergenceError: the loss is not finite.
    """
    called = time.monotonic()
    submission.check_workers(session, n_workers)
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r} of the gradients: use one of {', '.join(PRECISIONS)}")
    check_trainable(model, training, config, jit_compile, loss)
    if n_workers > config.batch_size:
        raise ValueError(f"cannot divide batches of {config.batch_size} events among {n_workers} workers")
    loss = loss or keras.losses.BinaryCrossentropy()
    optimizer.build(model.trainable_variables)
    file = Checkpoint.for_training(checkpoint, model, optimizer, loss, training, validation, config, seed, jit_compile)
    state = file.read(State.capture(model, optimizer, History([], [], [], training.n_events), []))
    job = partial(
        Job,
        model=pickle.dumps(model),
        optimizer=keras.saving.serialize_keras_object(optimizer),
        loss=keras.saving.serialize_keras_object(loss),
        training=training,
        validation=validation,
        config=config,
        seed=seed,
        jit_compile=jit_compile,
        precision=precision,
        name=name,
        cores=submission.cores_per_task(session),
    )
    with saved_epochs(name, config.epochs, state, file) as save:
        run = _Run(session, n_workers, job, state, save, timeout)
        run.train(retries, name)
    history, best = run.state.restore(model, optimizer)
    model.set_weights(best)
    return Trained(history, [run.phases[epoch] for epoch in sorted(run.phases)], run.began - called)


class _Run:
    """A training whose job is submitted until it ends."""

    def __init__(
        self,
        session,
        n_workers: int,
        job: Callable[..., Job],
        state: State,
        save: Callable[[State], None],
        timeout: float,
    ):
        """Prepares a training.

        Args:
            session: the Spark session.
            n_workers: the number of workers.
            job: makes the job of a `state` and the `address` of a monitor.
            state: the state from which the training starts.
            save: is called with the state after every epoch.
            timeout: seconds without a step after which a worker counts as hanging.
        """
        self.session, self.n_workers, self.job, self.save, self.timeout = session, n_workers, job, save, timeout
        self.state = state
        self.phases: dict[int, list[Phases]] = {}
        self.began = math.nan
        """When all workers first trained, by the monotonic clock."""
        self._digests: dict[int, dict[int, str]] = {}

    def train(self, retries: int, name: str) -> None:
        """Submits the job until the training ends; WorkerError if it fails more than `retries` times."""
        failures = 0
        while True:
            try:
                return self._submit()
            except JobError as failure:
                failures += 1
                done = len(self.state.history["seconds"])
                if failures > retries:
                    raise WorkerError(f"{name}: {failure}; given up after {failures} tries and {done} epochs") from None
                log.warning("%s: %s; submitted again from epoch %d", name, failure, done + 1)
                submission.wait_for_slots(self.session, self.n_workers)

    def _submit(self) -> None:
        """Runs one barrier job to its end."""
        self._digests.clear()
        host, encrypted = submission.host(self.session), submission.is_encrypted(self.session)
        with HeartbeatMonitor(host, self.n_workers, encrypted=encrypted) as monitor, self._job(monitor):
            failures, done = [], 0
            while done < self.n_workers:
                message = monitor.next_message(timeout=1.0)
                if message and message.message_type == "epoch":
                    self._record(message)
                elif message and message.message_type == "done":
                    done += 1
                elif message and message.message_type in ("failed", "lost"):
                    failures.append(message)
                elif message and message.message_type == "job":
                    raise _find_cause(failures, monitor, message.content)
                if math.isnan(self.began) and monitor.are_training(self.n_workers):
                    self.began = time.monotonic()
                hanging = monitor.hanging_worker(self.timeout)
                if hanging:
                    raise _hanging(*hanging, monitor)

    def _job(self, monitor: HeartbeatMonitor) -> AbstractContextManager:
        """Runs the barrier job in a thread."""
        job = self.job(state=self.state, address=monitor.address)
        work = partial(worker.work, job)
        return submission.running_job(self.session, work, self.n_workers, monitor, job.name, barrier=True)

    def _record(self, message: Message) -> None:
        """Records a worker's epoch.

        Raises:
            JobError: the message cannot be read.
            RuntimeError: the weights differ from those of other workers.
        """
        worker = message.worker
        try:
            epoch = Epoch.from_message(message.content, message.arrays)
        except ChannelError as error:
            raise JobError(f"worker {worker}: {error}") from error
        digests = self._digests.setdefault(epoch.number, {})
        digests[worker] = epoch.weights
        if len(set(digests.values())) > 1:
            raise RuntimeError(f"the workers' weights differ after epoch {epoch.number}: the all-reduce is wrong")
        self.phases.setdefault(epoch.number, [None] * self.n_workers)[worker] = epoch.phases
        if epoch.state:
            self.state = epoch.state
            self.save(epoch.state)


def _find_cause(failures: list[Message], monitor: HeartbeatMonitor, job: Exception) -> Exception:
    """Returns why a job failed: the first report of the workers that is no consequence of another worker's failure."""
    reported = {message.worker for message in failures}
    silent = {worker: seconds for worker, seconds in monitor.silent_workers().items() if worker not in reported}
    end = time.monotonic() + REPORT_LIMIT
    while (left := end - time.monotonic()) > 0:
        message = monitor.next_message(timeout=left)
        failures = [*failures, message] if message and message.message_type in ("failed", "lost") else failures
    texts = []
    for number, message_type, content, _ in failures:
        status = monitor.workers.get(number, "without a heartbeat so far")
        failure = Failure(*content) if message_type == "failed" else Failure("lost", content)
        if failure.origin in FINAL:
            return failure.final_error()
        if failure.origin == "lost" and number not in silent:  # else Spark ended it, as one of a failed job
            return JobError(lost_text(number, status))
        if failure.origin == "own":
            return JobError(f"worker {number} ({status}) failed: {failure.text}")
        texts.append(f"worker {number}: {failure.text}")
    if silent:
        return _hanging(max(silent, key=silent.get), max(silent.values()), monitor)
    return JobError("; ".join(texts)) if texts else JobError.of(job)


def _hanging(worker: int, seconds: float, monitor: HeartbeatMonitor) -> JobError:
    """Returns the error that a worker hangs."""
    return JobError(hanging_text(worker, seconds, monitor.workers.get(worker)))

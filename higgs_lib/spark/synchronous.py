"""Synchronous data-parallel training over a Spark cluster: one barrier job, one worker a task.

At each step every worker computes the gradient on its part of the batch, and all add them up (as BigDL does: J. Dai et
al., arXiv:1804.05839, section 3). Spark places the workers; TensorFlow's collectives sum the gradients.
"""

import logging
import math
import pickle
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
from pyspark import InheritableThread

from higgs_lib.data import EventStream
from higgs_lib.spark import spark_session, worker
from higgs_lib.spark.heartbeat import HeartbeatMonitor, Message
from higgs_lib.spark.local_cluster import ClusterError
from higgs_lib.spark.worker import Epoch, Job
from higgs_lib.training import History, Phases, TrainConfig
from higgs_lib.training.checkpoint import Checkpoint, State
from higgs_lib.training.loop import check_trainable, saved_epochs

log = logging.getLogger(__name__)

PRECISIONS = ("float32", "float16")

RECOVERY = 120  # seconds in which a cluster has to replace executors that it lost

LAST_WORDS = 2  # seconds in which workers of a failed job may still say why


class WorkerError(RuntimeError):
    """A training was given up; the message says which worker failed last, and why."""


class _Failed(Exception):  # noqa: N818 - not an error yet: the job is submitted again
    """A job ended before its training did."""


class _Stale(_Failed):
    """Its processes belonged to different teams; no fault of theirs."""


class Trained(NamedTuple):
    """What a training over a cluster reached, and where its time went."""

    history: History
    """As that of one machine; its seconds are the first worker's."""
    phases: list[list[Phases]]
    """An entry an epoch that this call trained, in it one a worker."""
    start_up: float
    """Seconds from the call until all workers had made their first steps (of one worker: its first million events)."""


def fit(
    session,
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
    """Trains the model as `training.fit` does, with tasks of a Spark session as workers, on processors.

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
        jit_compile: whether XLA compiles the steps; None: by each worker's part of a batch.
        checkpoint: a file of this program that stores the state after every epoch; the next call resumes there.
        name: of the training, for the progress bar and errors.
        precision: of the gradients that are sent: "float32", or "float16" with half the bytes; weights and optimizer
            steps stay in float32.
        retries: how often a failed job is submitted again.
        timeout: seconds without a step after which a worker counts as hanging. A worker whose whole process is silent
            while others wait for it is noticed after ten seconds.

    Returns:
        The history, and the phases of every epoch and worker.

    Raises:
        ClusterError: the cluster has fewer task slots than workers.
        WorkerError: all tries failed; the message names the worker and the cause.
        ValueError: as `training.fit`.
        DivergenceError: the loss is not finite.
    """
    called = time.monotonic()
    _check(session, n_workers, precision)
    check_trainable(model, training, config)
    if n_workers > config.batch_size:
        raise ValueError(f"cannot divide batches of {config.batch_size} events among {n_workers} workers")
    loss = loss or keras.losses.BinaryCrossentropy()
    optimizer.build(model.trainable_variables)
    file = Checkpoint.of(checkpoint, model, optimizer, loss, training, validation, config, seed, jit_compile)
    state = file.read() or State.of(model, optimizer, History([], [], [], training.n_events), [])
    job = partial(
        Job, pickle.dumps(model), *map(keras.saving.serialize_keras_object, (optimizer, loss)),
        training=training, validation=validation, config=config, name=name, seed=seed, precision=precision,
        jit_compile=jit_compile, cores=int(session.conf.get("spark.task.cpus", "1")),
    )  # fmt: skip
    with saved_epochs(name, config.epochs, state, file) as save:
        run = _Run(session, n_workers, job, state, save, timeout)
        run.until_it_ends(retries, name)
    history, best = run.state.restore(model, optimizer)
    model.set_weights(best)
    return Trained(history, [run.phases[epoch] for epoch in sorted(run.phases)], run.began - called)


def _check(session, n_workers: int, precision: str) -> None:
    if n_workers < 1:
        raise ValueError(f"n_workers must be one or more, not {n_workers}")
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r} of the gradients: choose one of {', '.join(PRECISIONS)}")
    slots = spark_session.slots(session)
    if slots < n_workers:
        raise ClusterError(
            f"{n_workers} workers were asked for, but {session.sparkContext.master} can run {slots} tasks at once: "
            "give fewer workers, or the cluster more executors or cores"
        )


class _Run:
    """A training that is submitted until it ends."""

    generation = 0  # of the processes; Spark makes new ones for a new value of an environment variable

    def __init__(self, session, n_workers, job, state, keep: Callable[[State], None], timeout: float):
        self.session, self.n_workers, self.job, self.keep, self.timeout = session, n_workers, job, keep, timeout
        self.state: State = state
        self.phases: dict[int, list[Phases]] = {}
        self.began = math.nan
        """When all workers first trained, by the monotonic clock."""
        self._weights: dict[int, dict[int, bytes]] = {}

    def until_it_ends(self, retries: int, name: str) -> None:
        """WorkerError when it failed more than `retries` times."""
        failures = 0
        while True:
            try:
                return self._submit()
            except _Stale:
                type(self).generation += 1
            except _Failed as failure:
                type(self).generation += 1
                failures += 1
                done = len(self.state.history["seconds"])
                if failures > retries:
                    raise WorkerError(f"{name}: {failure}; given up after {failures} tries and {done} epochs") from None
                log.warning("%s: %s; submitted again from epoch %d", name, failure, done + 1)
                self._await_slots()

    def _await_slots(self) -> None:
        """Until the cluster has replaced lost executors."""
        end = time.monotonic() + RECOVERY
        while (slots := spark_session.slots(self.session)) < self.n_workers:
            if time.monotonic() > end:
                raise ClusterError(
                    f"the cluster lost executors: {slots} task slots are left for {self.n_workers} workers"
                )
            time.sleep(0.2)

    def _submit(self) -> None:
        """One barrier job, to its end."""
        self._weights.clear()
        with HeartbeatMonitor(_host(self.session)) as supervisor, self._barrier_job(supervisor):
            failures, done = [], 0
            while done < self.n_workers:
                message = supervisor.next(timeout=1.0)
                if message and message.message_type == "epoch":
                    self._epoch(message.worker, message.content)
                elif message and message.message_type == "done":
                    done += 1
                elif message and message.message_type in ("failed", "lost"):
                    failures.append(message)
                elif message and message.message_type == "job":
                    raise _cause(failures, supervisor, message.content)
                if math.isnan(self.began) and supervisor.are_training(self.n_workers):
                    self.began = time.monotonic()
                worker = supervisor.hanging(self.timeout)
                if worker is not None:
                    raise _stood_still(worker, supervisor, self.timeout)

    @contextmanager
    def _barrier_job(self, supervisor: HeartbeatMonitor) -> Iterator[None]:
        """Submits it in a thread; what leaves this early cancels it. If it fails by itself, a message "job" says so."""
        context = self.session.sparkContext
        context.environment |= {"HIGGS_LIB_TEAM": f"{self.n_workers}-{self.generation}", "TF_CPP_MIN_LOG_LEVEL": "2"}
        group = uuid.uuid4().hex
        job = self.job(state=self.state, address=supervisor.address)
        tasks = context.parallelize(range(self.n_workers), self.n_workers).barrier()

        def submit() -> None:
            context.setJobGroup(group, f"synchronous training of {job.name}")
            try:
                tasks.mapPartitions(partial(worker.work, job)).collect()
            except Exception as error:  # py4j's, or Spark's own; the main thread finds the cause
                supervisor.messages.put(Message(-1, "job", error))

        thread = InheritableThread(target=submit, daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            context.cancelJobGroup(group)
            raise
        finally:
            thread.join(RECOVERY)

    def _epoch(self, worker: int, epoch: Epoch) -> None:
        self._weights.setdefault(epoch.number, {})[worker] = epoch.weights
        if len(set(self._weights[epoch.number].values())) > 1:
            raise RuntimeError(f"the workers' weights differ after epoch {epoch.number}: no sum can be trusted")
        self.phases.setdefault(epoch.number, [None] * self.n_workers)[worker] = epoch.phases
        if epoch.state:
            self.state = epoch.state
            self.keep(epoch.state)


def _host(session) -> str:
    """The name by which workers reach this program."""
    local = session.sparkContext.master.startswith("local")
    return "127.0.0.1" if local else session.conf.get("spark.driver.host")


def _cause(failures: list[Message], supervisor: HeartbeatMonitor, job: Exception) -> Exception:
    """What made a job fail: of all that was heard of workers the first that was not another's consequence.

    TensorFlow's collectives end for all when a process falls silent, before Spark or a longer timeout finds it.
    """
    spoke = {message.worker for message in failures}
    silent = {worker: seconds for worker, seconds in supervisor.silent().items() if worker not in spoke}
    end = time.monotonic() + LAST_WORDS
    while (left := end - time.monotonic()) > 0:
        message = supervisor.next(timeout=left)
        failures = [*failures, message] if message and message.message_type in ("failed", "lost") else failures
    kinds = [message.content[0] if message.message_type == "failed" else "lost" for message in failures]
    for kind, message in zip(kinds, failures, strict=True):
        about = supervisor.workers.get(message.worker, "not heard of before")
        if kind == "final":
            return pickle.loads(message.content[2])
        if kind == "lost" and message.worker not in silent:  # else Spark ended it, as one of a failed job
            return _Failed(
                f"worker {message.worker} ({about}) was lost: its process was killed, crashed or out of memory"
            )
        if kind == "own":
            return _Failed(f"worker {message.worker} ({about}) failed: {message.content[1]}")
    if silent:
        return _stood_still(max(silent, key=silent.get), supervisor, max(silent.values()))
    if "stale" in kinds:
        return _Stale()
    texts = [f"worker {message.worker}: {message.content[1]}" for message in failures]
    return _Failed("; ".join(texts) or _told(job))


def _stood_still(worker: int, supervisor: HeartbeatMonitor, seconds: float) -> _Failed:
    return _Failed(f"worker {worker} ({supervisor.workers[worker]}) stood still for more than {seconds:.0f} s")


def _told(job: Exception) -> str:
    """What Spark says of a job that failed before any worker spoke: the last error in its text, which has Python's."""
    lines = str(job).splitlines()
    errors = [line.strip() for line in lines if re.match(r"\s*[\w.]+(Error|Exception): ", line)]
    return errors[-1] if errors else lines[0]

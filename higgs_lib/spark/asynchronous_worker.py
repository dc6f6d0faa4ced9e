"""One worker of an asynchronous training: a task of Spark in a process of its own."""

import pickle
import time
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import NamedTuple

import keras
import numpy as np
from pyspark import TaskContext

from higgs_lib import training
from higgs_lib.data import EventStream, Sample
from higgs_lib.spark.heartbeat import WAITING, Heartbeat
from higgs_lib.spark.parameter_server import CentreClient
from higgs_lib.spark.worker import Failure, choose_device, pin_to_cores
from higgs_lib.training import Phases, TrainConfig, batching, steps
from higgs_lib.training.batch_loader import BatchLoader
from higgs_lib.training.batching import Block, Shard
from higgs_lib.training.channel import Address
from higgs_lib.training.checkpoint import as_storable, restore
from higgs_lib.training.layers import assign_weights, weights_of
from higgs_lib.training.loop import measures
from higgs_lib.training.update_rules import Averaging, UpdateRule

BATCHES_PER_PROGRAM = 32  # under a rule without a window


class Job(NamedTuple):
    """What every worker of a training needs."""

    model: bytes
    """The model, pickled as Keras does it."""
    optimizer: dict
    """The optimizer of the local steps, as Keras serialises it."""
    loss: dict
    """The loss, as Keras serialises it."""
    rule: UpdateRule
    training: EventStream
    config: TrainConfig
    seed: int
    jit_compile: bool | None
    name: str
    cores: int
    """Threads of each worker."""
    n_workers: int
    monitor: Address
    """The address of the heartbeat monitor."""
    server: Address
    """The address of the parameter server."""


class Window(NamedTuple):
    """The batches between two commits."""

    first: int
    """The number of its first batch in the epoch, from 0."""
    parts: list[tuple[Sample, int]]
    """Events, and the batch size in which they are trained."""
    n_batches: int
    n_events: int


def work(job: Job, _: Iterator) -> Iterator:
    """Trains as one task of a Spark job, and reports everything to the heartbeat monitor."""
    context = TaskContext.get()
    number = context.partitionId()
    heartbeat = Heartbeat(job.monitor, number, context.taskAttemptId())
    worker = None
    try:
        if job.monitor.host == "127.0.0.1":
            pin_to_cores(number, job.n_workers, job.cores)
        choose_device(context, job.cores)
        with CentreClient(job.server, number) as centre:
            worker = Worker(job, number, centre, heartbeat)
            worker.train()
    except Exception as error:
        failure = Failure.of(error)
        if worker and not isinstance(error, training.DivergenceError):  # which names the place
            place = f"worker {number}, {worker.place}, under {job.rule.name}"
            failure = failure._replace(text=f"{failure.text} ({place})")
        heartbeat.report_failure(failure)
        raise
    heartbeat.report_done()
    return iter(())


class Worker:
    """One worker's training, or what is left of it."""

    def __init__(self, job: Job, number: int, centre: CentreClient, heartbeat: Heartbeat):
        """Builds model and steps.

        Args:
            job: the training.
            number: the worker's number.
            centre: the connection to the parameter server.
            heartbeat: the connection to the heartbeat monitor.
        """
        self.job, self.number, self.centre, self.heartbeat = job, number, centre, heartbeat
        self.place, self.seen = "before its first step", centre.progress.seen
        heartbeat.begin("building the model")
        # Spark has unpickled the job itself from the program that this worker belongs to.
        self.model, self.loss = pickle.loads(job.model), keras.saving.deserialize_keras_object(job.loss)  # noqa: S301
        self.optimizer = keras.saving.deserialize_keras_object(job.optimizer)
        self.optimizer.build(self.model.trainable_variables)
        restore(self._variables(), centre.progress.variables)
        for variable in self.optimizer.variables:
            if variable.path.endswith("iteration"):  # the lost worker's steps count for schedules
                variable.assign(variable + centre.progress.batches)
        batch_size = job.config.batch_size
        compiled = steps.uses_xla(job.jit_compile, self.model, job.config, job.training.n_events)
        self.steps = steps.engine().Steps(self.model, self.optimizer, self.loss, compiled)
        heartbeat.begin("reading events")
        rows = Shard(number, job.n_workers).part(job.training.n_events)
        events = job.training.select([rows]).load_if_fits(job.n_workers)
        self.loader = BatchLoader(events, batch_size, job.seed, device=steps.engine().gpu())
        self.n_events = len(rows)
        heartbeat.begin("preparing its first steps")
        self._compile()

    def _variables(self) -> list:
        """Returns all variables of model and optimizer."""
        return [*self.model.variables, *self.optimizer.variables]

    def _compile(self) -> None:
        """Makes one step with every program of an epoch and takes it back, so that no step waits for a compiler."""
        config = self.job.config
        before = [as_storable(variable) for variable in self._variables()]
        blocks = batching.shuffled_blocks(self.n_events, config.batch_size, self.job.seed, self.centre.progress.epoch)
        shapes = {(size * n, size) for block in blocks for *_, parts in self._layout(block) for n, size in parts}
        for n_events, size in shapes:
            self.steps.train(self.loader.take(np.arange(n_events)), size)
        restore(self._variables(), before)

    def _layout(self, block: Block) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
        """Yields first and last batch of each window of a block, and its parts: number of batches, and their size."""
        n_whole, size = block.whole.shape
        n_batches = n_whole + bool(block.n_rest)
        edges = [*range(0, n_batches, self.job.rule.window or BATCHES_PER_PROGRAM), n_batches]
        for first, last in pairwise(edges):
            whole = min(last, n_whole) - first
            parts = [(whole, size)] * (whole > 0) + [(1, block.n_rest)] * (last > n_whole)
            yield first, last, parts

    def _windows(self, epoch: int) -> Iterator[Window]:
        """Yields the windows of an epoch."""
        before = 0
        for block, events in self.loader.epoch(epoch):
            offset = 0
            for first, last, parts in self._layout(block):
                samples = []
                for n, size in parts:
                    samples.append((events.slice(offset, offset + n * size), size))
                    offset += n * size
                yield Window(before + first, samples, last - first, sum(n * size for n, size in parts))
            before += last

    def train(self) -> None:
        """Trains all epochs that are left."""
        progress = self.centre.progress
        if progress.batches:
            assign_weights(self.model, self.centre.pull())  # the weights of the worker that is replaced are lost
        for epoch in range(progress.epoch, self.job.config.epochs + 1):
            self._train_epoch(epoch, progress.batches if epoch == progress.epoch else 0)
        keras.backend.clear_session()

    def _train_epoch(self, epoch: int, n_skipped: int) -> None:
        """Trains an epoch except for its first `n_skipped` batches, and reports it."""
        rule, centre = self.job.rule, self.centre
        self.place = f"at the beginning of epoch {epoch}"
        self.heartbeat.begin(WAITING)
        centre.begin(min(rule.window * self.job.config.batch_size, self.n_events) if rule.window else self.n_events)
        self.heartbeat.step()
        start, exchanging, waiting, n_bytes = time.perf_counter(), centre.seconds, centre.waited, centre.n_bytes
        compute, labels, scores, pulled = 0.0, [], [], None
        windows = (window for window in self._windows(epoch) if window.first >= n_skipped)
        for window, following in pairwise(chain(windows, [None])):
            self.place = f"epoch {epoch}, from batch {window.first + 1} on"
            if rule.window and not rule.elastic and pulled is None:
                pulled = centre.pull()
                assign_weights(self.model, pulled)
            began = time.perf_counter()
            for events, size in window.parts:
                labels.append(np.asarray(events.labels))
                scores.append(self.steps.train(events, size))
            weights = weights_of(self.model)
            compute += time.perf_counter() - began
            self.seen += window.n_events
            self._check_finite(weights, epoch, window)
            if rule.window:
                pulled = self._exchange(window, weights, pulled, following)
            self.heartbeat.step()
        if isinstance(rule, Averaging):
            self.heartbeat.begin(WAITING)
            assign_weights(self.model, centre.average(weights_of(self.model), epoch))
            self.heartbeat.step()
        end = time.perf_counter()
        on_training = measures(self.loss, np.concatenate(labels), np.concatenate(scores)) if scores else None
        exchanging, waiting = centre.seconds - exchanging, centre.waited - waiting
        phases = Phases(
            input=end - start - compute - exchanging,
            compute=compute,
            all_reduce=exchanging,
            waiting=waiting,
            evaluation=time.perf_counter() - end,
            bytes_sent=(centre.n_bytes - n_bytes) / 2,
            losses=[],
        )
        report = {"measures": on_training, "phases": phases}
        centre.end_epoch(epoch, self.seen, report, [as_storable(variable) for variable in self._variables()])

    def _check_finite(self, weights: np.ndarray, epoch: int, window: Window) -> None:
        """Raises DivergenceError if the weights after a window are not finite."""
        if not np.isfinite(weights).all():
            step = window.first + window.n_batches
            raise training.DivergenceError(
                f"{self.job.name}: the weights of worker {self.number} of {self.job.n_workers} are not finite after "
                f"batch {step} of epoch {epoch}, under {self.job.rule.name}; lower the learning rate, or look "
                "for events whose scores or gradients are not finite"
            )

    def _exchange(
        self, window: Window, weights: np.ndarray, pulled: np.ndarray | None, following: Window | None
    ) -> np.ndarray | None:
        """Commits the steps of a window, and takes the weights with which this worker continues.

        Args:
            window: the window.
            weights: the weights after it (k,).
            pulled: the centre with which it began (k,); an elastic rule pulls it now.
            following: the next window of the epoch.

        Returns:
            The centre with which the next window begins (k,); None: it has to be pulled then.
        """
        rule = self.job.rule
        if rule.elastic:
            pulled = self.centre.pull()
        commit = np.asarray(rule.commit(weights, pulled, window.n_batches), np.float32)
        pulled = self.centre.commit(
            commit,
            n_events=window.n_events,
            n_batches=window.n_batches,
            in_flight=following.n_events if following else 0,
            pull=not rule.elastic and following is not None,
        )
        if rule.elastic:
            assign_weights(self.model, weights - commit)
        elif pulled is not None:
            assign_weights(self.model, pulled)
        return pulled

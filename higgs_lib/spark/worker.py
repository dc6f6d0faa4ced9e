"""One worker of a synchronous training: a task of Spark's, in a process of its own."""

import hashlib
import json
import os
import pickle
import socket
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from pyspark import BarrierTaskContext

from higgs_lib import training
from higgs_lib.data import EventStream
from higgs_lib.spark.heartbeat import Address, Heartbeat
from higgs_lib.training import Phases, TrainConfig, steps
from higgs_lib.training.checkpoint import State
from higgs_lib.training.collectives import ProcessGroup, join_process_group
from higgs_lib.training.loop import Trainer


class StaleProcessGroupError(RuntimeError):
    """The processes that Spark gave to a job don't belong together; new ones are needed."""


class Job(NamedTuple):
    """What every worker needs to know."""

    model: bytes
    """Pickled, as Keras does it."""
    optimizer: dict
    """As Keras serialises it, and the loss likewise."""
    loss: dict
    state: State
    """Where the training goes on."""
    training: EventStream
    validation: EventStream
    config: TrainConfig
    seed: int
    jit_compile: bool | None
    """As asked; None: by each worker's part of a batch and its device."""
    precision: str
    """Of the gradients' sum."""
    name: str
    cores: int
    """Threads of each worker."""
    address: Address
    """Of the supervisor."""


class Epoch(NamedTuple):
    """What a worker tells of an epoch."""

    number: int
    phases: Phases
    weights: bytes
    """A digest; equal for equal weights."""
    state: State | None
    """From the first worker."""


def work(job: Job, _: Iterator) -> Iterator:
    """Trains as one of a barrier job's tasks; everything is told to the supervisor."""
    context = BarrierTaskContext.get()
    reporter = Heartbeat(job.address, context.partitionId())
    try:
        group = _joined(context, job.cores)
        group.stepped = reporter.steps
        reporter.worker = group.shard.rank
        train(job, group, reporter)
    except Exception as error:
        reporter.failed(_reason(error))
        raise
    reporter.done()
    return iter(())


FOLLOWS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)

FINAL = (training.DivergenceError, ValueError, TypeError, FileNotFoundError)


def _reason(error: Exception) -> tuple[str, str, bytes]:
    """Whether another worker's failure made this one ("follows"), any worker would fail so ("final") or neither
    ("own"); the text; the error.
    """
    kind = "follows" if isinstance(error, FOLLOWS) else "final" if isinstance(error, FINAL) else "own"
    kind = "stale" if isinstance(error, StaleProcessGroupError) else kind
    try:
        pickled = pickle.dumps(error)
    except (TypeError, AttributeError, pickle.PicklingError):  # an exception of someone's own
        pickled = pickle.dumps(RuntimeError(str(error)))
    return kind, f"{type(error).__name__}: {error}", pickled


def train(job: Job, group: ProcessGroup, reporter: Heartbeat) -> None:
    """This worker's part of a whole training, or of what is left of it."""
    reporter.begins("building the model")
    model, loss = pickle.loads(job.model), keras.saving.deserialize_keras_object(job.loss)
    optimizer = keras.saving.deserialize_keras_object(job.optimizer)
    optimizer.build(model.trainable_variables)
    history, best = job.state.restore(model, optimizer)
    steps.offset_dropout_seeds(model, group.shard.rank)
    reporter.begins("reading events")
    settings = {"jit_compile": job.jit_compile, "group": group, "precision": job.precision}
    trainer = Trainer(model, optimizer, loss, job.training, job.config.batch_size, job.seed, **settings)
    rows = group.shard.part(job.validation.n_events)
    validation = job.validation.select([rows]).load()
    reporter.begins("preparing its first steps")
    for history, best in trainer.epochs(history, best, validation, job.config, job.name):  # noqa: B020 - starts with them
        state = State.of(model, optimizer, history, best) if group.shard.rank == 0 else None
        reporter.epoch(Epoch(len(history.seconds), trainer.phases[-1], _digest(model), state))
    keras.backend.clear_session()


def _digest(model) -> bytes:
    """Equal for equal weights."""
    weights = b"".join(np.ascontiguousarray(v).tobytes() for v in model.trainable_variables)
    return hashlib.sha256(weights).digest()


class Standing(NamedTuple):
    """The process group that this process belongs to; TensorFlow can make only one in the life of a process."""

    identity: str
    group: ProcessGroup


_standing: Standing | None = None


def _joined(context: BarrierTaskContext, cores: int) -> ProcessGroup:
    """The team of a barrier job's tasks: the one that all of them stand in already, or a new one."""
    global _standing
    mine = {"standing": _standing.identity if _standing else "", "port": _free_port(), "new": uuid.uuid4().hex}
    all_of = [json.loads(text) for text in context.allGather(json.dumps(mine))]
    standing = {one["standing"] for one in all_of}
    if standing == {""}:
        hosts = [info.address.rsplit(":", 1)[0] for info in context.getTaskInfos()]
        if len(set(hosts)) == 1:
            hosts = ["127.0.0.1"] * len(hosts)
            _keep_to_cores(context.partitionId(), len(hosts), cores)
        addresses = [f"{host}:{one['port']}" for host, one in zip(hosts, all_of, strict=True)]
        _standing = Standing(all_of[0]["new"], join_process_group(addresses, context.partitionId(), cores))
    elif len(standing) > 1 or _standing.group.shard.world_size != len(all_of):
        raise StaleProcessGroupError("the processes stand in different process groups")
    return _standing.group


def _keep_to_cores(number: int, n_workers: int, cores: int) -> None:
    """Gives each of the workers on one machine cores of its own, if there are enough: sums are faster then."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if n_workers * cores <= len(allowed):
        os.sched_setaffinity(0, allowed[number * cores : (number + 1) * cores])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]

"""One worker of a synchronous training: a task of Spark in a process of its own."""

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
    """The processes of a job do not form one process group; Spark has to start new ones."""


class Job(NamedTuple):
    """What every worker of a training needs."""

    model: bytes
    """The model, pickled as Keras does it."""
    optimizer: dict
    """The optimizer, as Keras serialises it."""
    loss: dict
    """The loss, as Keras serialises it."""
    state: State
    """The state from which the training resumes."""
    training: EventStream
    validation: EventStream
    config: TrainConfig
    seed: int
    jit_compile: bool | None
    """Whether XLA compiles the steps; None: each worker decides by its part of a batch and its device."""
    precision: str
    """The type in which gradients are summed."""
    name: str
    cores: int
    """Threads of each worker."""
    address: Address
    """The address of the heartbeat monitor."""


class Epoch(NamedTuple):
    """What a worker reports of an epoch."""

    number: int
    phases: Phases
    weights: bytes
    """A digest of the weights."""
    state: State | None
    """The state after the epoch, from the first worker."""


# errors of TensorFlow's collectives when another worker is lost
CONSEQUENCES = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)

# errors that would be the same in another try
FINAL = (training.DivergenceError, ValueError, TypeError, FileNotFoundError)


class Failure(NamedTuple):
    """Why a worker gives up."""

    origin: str
    """"own"; "consequence" of another worker's failure; "final" if another try would fail too; "stale"."""
    text: str
    error: bytes
    """The exception, pickled."""


def work(job: Job, _: Iterator) -> Iterator:
    """Trains as one task of a barrier job, and reports everything to the heartbeat monitor."""
    context = BarrierTaskContext.get()
    heartbeat = Heartbeat(job.address, context.partitionId())
    try:
        group = _join_group(context, job.cores)
        group.on_steps_end = heartbeat.step
        heartbeat.worker = group.shard.rank
        train(job, group, heartbeat)
    except Exception as error:
        heartbeat.report_failure(_failure(error))
        raise
    heartbeat.report_done()
    return iter(())


def _failure(error: Exception) -> Failure:
    """Returns what the monitor needs to know of an error."""
    origin = "consequence" if isinstance(error, CONSEQUENCES) else "final" if isinstance(error, FINAL) else "own"
    origin = "stale" if isinstance(error, StaleProcessGroupError) else origin
    try:
        pickled = pickle.dumps(error)
    except (TypeError, AttributeError, pickle.PicklingError):  # an exception of another library
        pickled = pickle.dumps(RuntimeError(str(error)))
    return Failure(origin, f"{type(error).__name__}: {error}", pickled)


def train(job: Job, group: ProcessGroup, heartbeat: Heartbeat) -> None:
    """Trains this worker's part of a training, or of what is left of it."""
    heartbeat.begin("building the model")
    model, loss = pickle.loads(job.model), keras.saving.deserialize_keras_object(job.loss)
    optimizer = keras.saving.deserialize_keras_object(job.optimizer)
    optimizer.build(model.trainable_variables)
    history, best = job.state.restore(model, optimizer)
    steps.offset_dropout_seeds(model, group.shard.rank)
    heartbeat.begin("reading events")
    settings = {"jit_compile": job.jit_compile, "group": group, "precision": job.precision}
    trainer = Trainer(model, optimizer, loss, job.training, job.config.batch_size, job.seed, **settings)
    rows = group.shard.part(job.validation.n_events)
    validation = job.validation.select([rows]).load()
    heartbeat.begin("preparing its first steps")
    for history, best in trainer.epochs(history, best, validation, job.config, job.name):  # noqa: B020 - starts with them
        state = State.capture(model, optimizer, history, best) if group.shard.rank == 0 else None
        weights = b"".join(np.ascontiguousarray(v).tobytes() for v in model.trainable_variables)
        digest = hashlib.sha256(weights).digest()
        heartbeat.report_epoch(Epoch(len(history.seconds), trainer.phases[-1], digest, state))
    keras.backend.clear_session()


class Membership(NamedTuple):
    """The process group of this process; TensorFlow allows only one in the life of a process."""

    identity: str
    group: ProcessGroup


_membership: Membership | None = None


def _join_group(context: BarrierTaskContext, cores: int) -> ProcessGroup:
    """Returns the process group of a barrier job's tasks: the one that they all belong to already, or a new one."""
    global _membership
    mine = {"identity": _membership.identity if _membership else "", "port": _free_port(), "new": uuid.uuid4().hex}
    tasks = [json.loads(text) for text in context.allGather(json.dumps(mine))]
    identities = {task["identity"] for task in tasks}
    if identities == {""}:
        hosts = [info.address.rsplit(":", 1)[0] for info in context.getTaskInfos()]
        if len(set(hosts)) == 1:
            hosts = ["127.0.0.1"] * len(hosts)
            _pin_to_cores(context.partitionId(), len(hosts), cores)
        addresses = [f"{host}:{task['port']}" for host, task in zip(hosts, tasks, strict=True)]
        _membership = Membership(tasks[0]["new"], join_process_group(addresses, context.partitionId(), cores))
    elif len(identities) > 1 or _membership.group.shard.world_size != len(tasks):
        raise StaleProcessGroupError("the processes belong to different process groups")
    return _membership.group


def _pin_to_cores(number: int, n_workers: int, cores: int) -> None:
    """Gives each worker of one machine cores of its own, if there are enough: the all-reduce is faster then."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if n_workers * cores <= len(allowed):
        os.sched_setaffinity(0, allowed[number * cores : (number + 1) * cores])


def _free_port() -> int:
    """Returns a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]

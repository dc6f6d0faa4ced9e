"""One worker of a synchronous training: a task of Spark in a process of its own."""

import hashlib
import os
import pickle
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import keras
import numpy as np
from pyspark import BarrierTaskContext, TaskContext

from higgs_lib import device, training
from higgs_lib.data import EventStream
from higgs_lib.spark.heartbeat import Heartbeat
from higgs_lib.spark.java_errors import with_memory_hint
from higgs_lib.training import Phases, TrainConfig, collectives, steps
from higgs_lib.training.channel import Address, ChannelError
from higgs_lib.training.checkpoint import State
from higgs_lib.training.collectives import LostPeerError, ProcessGroup
from higgs_lib.training.layers import offset_dropout_seeds
from higgs_lib.training.loop import Trainer


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
    """Whether XLA compiles the steps; None: by each worker's part of a batch, the number of steps and its device."""
    precision: str
    """The type in which gradients are sent."""
    name: str
    cores: int
    """Threads of each worker."""
    address: Address
    """The address of the heartbeat monitor."""


class Epoch(NamedTuple):
    """What a worker reports of an epoch."""

    number: int
    phases: Phases
    weights: str
    """A digest of the weights."""
    state: State | None
    """The state after the epoch, from the first worker."""

    def as_message(self) -> tuple[dict, list[np.ndarray]]:
        """Returns the epoch as what JSON can hold, and its arrays."""
        state, arrays = self.state.as_message() if self.state else (None, [])
        return self._asdict() | {"phases": self.phases._asdict(), "state": state}, arrays

    @classmethod
    def from_message(cls, content: dict, arrays: list[np.ndarray]) -> "Epoch":
        """Returns the epoch that `as_message` took apart; ChannelError if this is none."""
        try:
            state = State.from_message(content["state"], arrays) if content["state"] else None
            return cls(int(content["number"]), Phases(**content["phases"]), str(content["weights"]), state)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ChannelError(f"a worker's report of an epoch cannot be read: {error!r}") from error


# errors that would be the same in another try
FINAL = {error.__name__: error for error in (training.DivergenceError, ValueError, TypeError, FileNotFoundError)}


class Failure(NamedTuple):
    """Why a worker gives up."""

    origin: str
    """"own"; "consequence" of another worker's failure; or the name of one of the errors in `FINAL`."""
    text: str
    traceback: str = ""

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """Returns what the monitor needs to know of an error."""
        final = [name for name, final in FINAL.items() if isinstance(error, final)]
        origin = "consequence" if isinstance(error, LostPeerError) else final[0] if final else "own"
        text = str(error) if final else with_memory_hint(f"{type(error).__name__}: {error}")
        return cls(origin, text, "".join(traceback.format_exception(error)))

    def final_error(self) -> Exception:
        """Returns the error of a failure that another try would meet too."""
        error = FINAL[self.origin](self.text)
        error.add_note(f"In the worker:\n{self.traceback}")
        return error


def work(job: Job, _: Iterator) -> Iterator:
    """Trains as one task of a barrier job, and reports everything to the heartbeat monitor."""
    context = BarrierTaskContext.get()
    heartbeat = Heartbeat(job.address, context.partitionId())
    try:
        with _join_group(context, job) as group:
            group.on_steps_end = heartbeat.step
            train(job, group, heartbeat)
    except Exception as error:
        heartbeat.report_failure(Failure.of(error))
        raise
    heartbeat.report_done()
    return iter(())


def train(job: Job, group: ProcessGroup, heartbeat: Heartbeat) -> None:
    """Trains this worker's part of a training, or of what is left of it."""
    heartbeat.begin("building the model")
    # Spark has unpickled the job itself from the program that this worker belongs to.
    model, loss = pickle.loads(job.model), keras.saving.deserialize_keras_object(job.loss)  # noqa: S301
    optimizer = keras.saving.deserialize_keras_object(job.optimizer)
    optimizer.build(model.trainable_variables)
    history, best = job.state.restore(model, optimizer)
    offset_dropout_seeds(model, group.shard.rank)
    heartbeat.begin("reading events")
    compiled = steps.uses_xla(job.jit_compile, model, job.config, job.training.n_events, group.shard.world_size)
    settings = {"jit_compile": compiled, "group": group, "precision": job.precision}
    trainer = Trainer(model, optimizer, loss, job.training, job.config.batch_size, job.seed, **settings)
    rows = group.shard.part(job.validation.n_events)
    validation = job.validation.select([rows]).load()
    heartbeat.begin("preparing its first steps")
    for history, best in trainer.epochs(history, best, validation, job.config, job.name):  # noqa: B020 - starts with them
        state = State.capture(model, optimizer, history, best) if group.shard.rank == 0 else None
        weights = b"".join(np.ascontiguousarray(v).tobytes() for v in model.trainable_variables)
        digest = hashlib.sha256(weights).hexdigest()
        epoch = Epoch(len(history.seconds), trainer.phases[-1], digest, state)
        heartbeat.report_epoch(*epoch.as_message())
    keras.backend.clear_session()


ALLOWED_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def _join_group(context: BarrierTaskContext, job: Job) -> Iterator[ProcessGroup]:
    """Yields the process group of a barrier job's tasks."""
    hosts = [info.address.rsplit(":", 1)[0] for info in context.getTaskInfos()]
    rank, on_one_host = context.partitionId(), len(set(hosts)) == 1
    if on_one_host:
        hosts = ["127.0.0.1"] * len(hosts)
        pin_to_cores(rank, len(hosts), job.cores)
    choose_device(context, job.cores)
    if len(hosts) == 1:
        yield ProcessGroup()
        return
    credentials = job.address.credentials
    listener, peers = collectives.listen(hosts[rank], credentials)
    with listener:
        ports = [int(port) for port in context.allGather(str(listener.address.port))]
        addresses = [Address(host, port, credentials) for host, port in zip(hosts, ports, strict=True)]
        with collectives.Ring(peers, addresses, rank) as ring:
            yield ring


def pin_to_cores(number: int, n_workers: int, cores: int) -> None:
    """Gives each worker of one machine cores of its own, if there are enough: the all-reduce is faster then."""
    if not ALLOWED_CORES:  # this system does not pin
        return
    enough = n_workers * cores <= len(ALLOWED_CORES)
    own = ALLOWED_CORES[number * cores : (number + 1) * cores] if enough else ALLOWED_CORES
    for thread in os.listdir("/proc/self/task"):  # also those of an earlier training in this process
        with suppress(ProcessLookupError):  # a thread that has ended since
            os.sched_setaffinity(int(thread), own)


def choose_device(context: TaskContext, cores: int) -> None:
    """Chooses the GPU that Spark gave to this task, or the processor where it gave none."""
    gpus = context.resources().get("gpu")
    steps.engine().use_threads(cores)
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus.addresses)
        device.use("gpu")
    else:
        steps.engine().use_processor()

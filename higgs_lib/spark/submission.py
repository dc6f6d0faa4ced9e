"""What the trainings over a cluster have in common: a Spark job whose tasks are the workers."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import keras
from pyspark import InheritableThread, cloudpickle

from higgs_lib.spark import java_errors, spark_session, task
from higgs_lib.spark.heartbeat import HeartbeatMonitor, Message
from higgs_lib.spark.local_cluster import ClusterError

RECOVERY_LIMIT = 120  # seconds in which a cluster has to replace executors that it lost


class WorkerError(RuntimeError):
    """A training was given up; the message says which worker failed last, and why."""


class JobError(Exception):
    """A Spark job ended before its training did; it is submitted again."""

    @classmethod
    def of(cls, error: Exception) -> "JobError":
        """Returns the error of a job that failed before any worker reported why."""
        return cls(java_errors.sentence(error))


def lost_text(worker: int, status: object) -> str:
    """Returns the message that a worker was lost."""
    return f"worker {worker} ({status}) was lost: its process was killed or crashed; {java_errors.MORE_MEMORY}"


def hanging_text(worker: int, seconds: float, status: object) -> str:
    """Returns the message that a worker hangs."""
    return f"worker {worker} ({status}) made no progress for {seconds:.0f} s"


def check_workers(session, n_workers: int) -> None:
    """Raises ValueError if there are no workers, ClusterError if the cluster is too small for them."""
    if n_workers < 1:
        raise ValueError(f"n_workers must be one or more, not {n_workers}")
    slots = spark_session.slots(session)
    if slots < n_workers:
        raise ClusterError(
            f"n_workers is {n_workers}, but {session.sparkContext.master} can run {slots} tasks at once: "
            "use fewer workers, or give the cluster more executors or cores"
        )


def wait_for_slots(session, n_workers: int) -> None:
    """Waits until the cluster has replaced lost executors; ClusterError if it does not."""
    end = time.monotonic() + RECOVERY_LIMIT
    while (slots := spark_session.slots(session)) < n_workers:
        if time.monotonic() > end:
            raise ClusterError(f"the cluster lost executors: {slots} task slots are left for {n_workers} workers")
        time.sleep(0.2)


def host(session) -> str:
    """Returns the host name by which workers reach this program."""
    local = session.sparkContext.master.startswith("local")
    return "127.0.0.1" if local else session.conf.get("spark.driver.host")


def is_encrypted(session) -> bool:
    """Tells whether Spark encrypts its own channels, as it does where the session crosses a network."""
    return session.conf.get("spark.network.crypto.enabled", "false") == "true"


def gpus_per_task(session) -> float:
    """Returns the GPUs that Spark gives to each task."""
    return float(session.conf.get("spark.task.resource.gpu.amount", "0"))


def cores_per_task(session) -> int:
    """Returns the processor cores that Spark gives to each task."""
    return int(session.conf.get("spark.task.cpus", "1"))


@contextmanager
def running_job(
    session,
    work: Callable[[Iterator], Iterator],
    n_workers: int,
    monitor: HeartbeatMonitor,
    name: str,
    *,
    barrier: bool,
) -> Iterator[Callable[[], None]]:
    """Runs a Spark job in a thread; an error in the block cancels it. If it fails, the monitor gets a message "job".

    Args:
        session: the Spark session.
        work: what each task does.
        n_workers: the number of tasks.
        monitor: the heartbeat monitor.
        name: of the training.
        barrier: whether the tasks begin and fail together.

    Yields:
        A function that cancels the job.
    """
    context = session.sparkContext
    group = uuid.uuid4().hex
    # a process keeps its threads and its GPU: Spark starts new ones for a new value of an environment variable
    processes = group if gpus_per_task(session) else "training"
    context.environment |= {"KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "2"}
    context.environment |= {"HIGGS_LIB_PROCESSES": processes}
    tasks = context.parallelize(range(n_workers), n_workers)
    tasks = tasks.barrier() if barrier else tasks

    def submit() -> None:
        context.setJobGroup(group, f"training of {name}")
        try:
            tasks.mapPartitions(partial(task.run, cloudpickle.dumps(work))).collect()
        except Exception as error:  # py4j's, or Spark's own; the main thread finds the cause
            monitor.messages.put(Message(-1, "job", error))

    thread = InheritableThread(target=submit, daemon=True)
    thread.start()
    try:
        yield partial(context.cancelJobGroup, group)
    except BaseException:
        context.cancelJobGroup(group)
        raise
    finally:
        thread.join(RECOVERY_LIMIT)

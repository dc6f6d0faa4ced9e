"""The Java process of a Spark session: started with no secret on its command line, quiet, and ended after an error."""

import logging
import os
import re
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from higgs_lib.spark.local_cluster import ClusterError, reason

log = logging.getLogger(__name__)

PRIVATE = re.compile(r"(?i)secret|password|token|access[.]?key")  # what Spark itself hides in its logs
STOP_LIMIT = 5.0  # seconds, from the end of its input to SIGKILL


class _Chatter(threading.Thread):
    """Passes on what the Java process writes to stderr, unless a session is starting."""

    def __init__(self, pipe: int):
        super().__init__(daemon=True, name="stderr of Spark")
        self.pipe, self.quiet = pipe, True

    def run(self) -> None:
        # raw reads and writes: a buffered stream's lock, held at the interpreter's end, would abort it
        while chunk := os.read(self.pipe, 65536):
            if not self.quiet:
                os.write(2, chunk)
        os.close(self.pipe)


@contextmanager
def opened(settings: dict[str, str], environment: dict[str, str]) -> Iterator:
    """py4j's view of a Java process started with `settings`, those left out that must not be seen, and `environment`.

    The one of an earlier session is taken again if it was started in the same way; else it is ended first. What it
    writes to stderr inside the block is not shown. It is ended if the block raises.
    """
    from pyspark import SparkContext

    public = {name: value for name, value in settings.items() if not PRIVATE.search(name)}
    gateway = SparkContext._gateway
    ours = alive() and "started_with" in gateway.__dict__  # py4j answers for attributes that are not there
    if not ours or (gateway.proc is not None and gateway.started_with != (public, environment)):
        close()
        gateway = _launch(public, environment)
    gateway.chatter.quiet = True
    try:
        yield gateway.jvm
    except BaseException:
        close()
        raise
    gateway.chatter.quiet = False


def alive() -> bool:
    """Whether the Java process runs; to ask it anything once it has gone makes py4j log and raise at length."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    return gateway is not None and (gateway.proc is None or gateway.proc.poll() is None)


def close() -> None:
    """Ends the Java process, and whatever session it has, if there is one; the next session starts another."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is None or gateway.proc is None:  # under spark-submit it is this process' parent, and stays
        return
    SparkContext._gateway = SparkContext._jvm = None
    gateway.shutdown()
    gateway.proc.stdin.close()
    try:
        gateway.proc.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()


@contextmanager
def limited(seconds: float, what: str) -> Iterator[None]:
    """Ends the Java process if the block takes longer; it then raises a ClusterError that begins with `what`."""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext

    process, late = SparkContext._gateway.proc, threading.Event()

    def end() -> None:
        late.set()
        if process is not None:  # under spark-submit it is this process' parent
            process.kill()
            process.wait()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except (Py4JError, OSError):  # OSError where the process has gone
        if late.is_set():
            raise ClusterError(f"{what} within {seconds:.0f} s") from None
        raise
    finally:
        timer.cancel()


def _launch(settings: dict[str, str], environment: dict[str, str]):
    from pyspark import SparkConf, SparkContext

    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it logs, with their stack, the errors that it raises
    read, write = os.pipe()
    try:
        gateway = _start(SparkConf().setAll(settings.items()), environment, read, write)
    except BaseException:
        os.close(read)
        raise
    gateway.started_with, gateway.chatter = (settings, environment), _Chatter(read)
    gateway.chatter.start()
    SparkContext._gateway, SparkContext._jvm = gateway, gateway.jvm
    return gateway


def _start(conf, environment: dict[str, str], read: int, write: int):
    """py4j's gateway to a new Java process that writes its stderr to the pipe's end `write`."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with warnings.catch_warnings(), _environment(environment):
        warnings.simplefilter("ignore", ResourceWarning)  # PySpark does not close the input of one that has ended
        try:
            return launch_gateway(conf, {"stderr": write})
        except PySparkRuntimeError as error:
            log.debug("PySpark says: %s", error)
        finally:
            os.close(write)
    said = os.read(read, 65536).decode(errors="replace")
    raise ClusterError(f"Spark's Java process ended at its start: {reason(said)}")


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in changes:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]

"""The Java process of a Spark session: no secret on its command line, quiet at its start, ended after an error."""

import logging
import os
import shlex
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from higgs_lib import environment
from higgs_lib.spark import daemons, master
from higgs_lib.spark.local_cluster import ClusterError, last_words, write_properties

log = logging.getLogger(__name__)

STOP_LIMIT = 5.0  # seconds, from the end of its input to SIGKILL


class ErrorStream(threading.Thread):
    """What the Java process writes to stderr: kept while a session starts, forwarded from then on."""

    def __init__(self, pipe: int):
        super().__init__(daemon=True, name="stderr of Spark")
        self.pipe, self.text, self.is_forwarded = pipe, "", False

    def run(self) -> None:
        """Reads until the process ends."""
        # raw reads and writes: a buffered stream's lock, held at the interpreter's end, would abort it
        while chunk := os.read(self.pipe, 65536):
            if self.is_forwarded:
                os.write(2, chunk)
            else:
                self.text += chunk.decode(errors="replace")
        os.close(self.pipe)


@contextmanager
def launch(settings: dict[str, str]) -> Iterator[ErrorStream]:
    """Starts the Java process of a session, instead of that of an earlier one; ends it if the block raises.

    Spark reads the settings from a private file that exists only while the process starts. Under spark-submit the
    process is this program's parent, and is neither started nor ended.
    """
    from pyspark import SparkContext

    close()
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it logs, with their stack, the errors that it raises
    read, write = os.pipe()
    errors = ErrorStream(read)
    errors.start()
    with tempfile.TemporaryDirectory(prefix="higgs_lib-") as folder:
        file = Path(folder, "spark.properties")
        write_properties(file, settings)
        arguments = f"--properties-file {shlex.quote(str(file))} --load-spark-defaults pyspark-shell"
        try:
            with environment.replaced(os.environ | {"PYSPARK_SUBMIT_ARGS": arguments}):
                gateway = _launch_gateway(write)
        except BaseException:  # PySpark would leave the process running as long as a traceback is kept
            started = [child for child in psutil.Process().children() if str(file) in child.cmdline()]
            daemons.end([(child.pid, child.create_time()) for child in started])
            raise
    if gateway is None:
        errors.join()
        raise ClusterError(f"Spark's Java process ended at its start: {last_words(errors.text)}")
    SparkContext._gateway, SparkContext._jvm = gateway, gateway.jvm
    try:
        yield errors
    except BaseException:
        close()
        raise
    errors.is_forwarded = True


def _launch_gateway(stderr: int):
    """Returns py4j's gateway to a new Java process with this stderr, which is closed here; None if it ended at once."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # PySpark does not close the input of a process that has ended
        try:
            return launch_gateway(popen_kwargs={"stderr": stderr})
        except PySparkRuntimeError as error:
            log.debug("PySpark says: %s", error)
        finally:
            os.close(stderr)
    return None


def is_alive() -> bool:
    """Returns whether the Java process runs; py4j logs and raises at length if asked anything once it has gone."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    return gateway is not None and (gateway.proc is None or gateway.proc.poll() is None)


def close() -> None:
    """Ends the Java process and its session, if there are any; the next session starts another."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is None or gateway.proc is None:
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
def time_limit(seconds: float, url: str, errors: ErrorStream) -> Iterator[None]:
    """Kills the Java process, and raises ClusterError, if the master refuses the application or takes too long."""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext

    process, ended, reasons = SparkContext._gateway.proc, threading.Event(), []
    until = time.monotonic() + seconds

    def watch() -> None:
        while not ended.wait(0.2):
            reason = master.refusal(url, errors.text)
            if not reason and time.monotonic() > until:
                reason = f"the application was not accepted within {seconds:.0f} s"
            if reason:
                reasons.append(reason)
                if process is not None:
                    process.kill()
                    process.wait()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except (Py4JError, OSError):  # OSError where the process has gone
        if reasons:
            raise ClusterError(f"{url}: {reasons[0]}") from None
        raise
    finally:
        ended.set()
        watcher.join()

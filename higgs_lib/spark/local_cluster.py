"""Runs a standalone Spark cluster on this machine: on loopback, authenticated and encrypted."""

import contextlib
import fcntl
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from higgs_lib import environment
from higgs_lib.files import write_atomically
from higgs_lib.spark import daemons, java
from higgs_lib.spark.daemons import HOST, MASTER, WORKER

log = logging.getLogger(__name__)

START_LIMIT = 120.0  # seconds, for the master and then for its workers
DAEMON_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # halves the time that master and workers take to start

CHANNELS = {  # authentication, and encryption that detects changes; equal at both ends of a channel
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.network.crypto.authEngineVersion": "2",
    "spark.network.crypto.cipher": "AES/GCM/NoPadding",
    "spark.network.crypto.saslFallback": "false",
}
DAEMONS = {
    "spark.master.rest.enabled": "false",  # it would accept applications without the secret
    "spark.ui.killEnabled": "false",
    "spark.worker.cleanup.enabled": "true",
}


class ClusterError(RuntimeError):
    """A Spark cluster is unavailable; the message says where, why and what to do."""


def last_words(text: str) -> str:
    """Returns the last three lines of a Java program's log, without stack traces and what is no error."""
    lines = [line.strip() for line in text.splitlines()]
    errors = [line for line in lines if line and not re.search(r"^at |^\.\.\. |\bINFO\b|\bWARN", line)]
    return "; ".join(errors[-3:]) or "it wrote nothing"


@dataclass(frozen=True)
class Cluster:
    """A cluster on this machine."""

    url: str
    """The URL of the master, e.g. spark://127.0.0.1:43905."""
    workers: int
    cores: int
    """Cores of each worker."""
    memory: str
    """Memory of each worker, e.g. 2g."""
    processes: list[tuple[int, float]]
    """Pid and creation time (seconds since 1970) of the master, then of the workers."""

    @property
    def description(self) -> str:
        """The cluster's size and URL, in one line."""
        return f"{self.workers} workers with {self.cores} core(s) and {self.memory} each: {self.url}"


def start(folder: str | Path, workers: int = 2, cores: int = 1, memory: str = "2g") -> Cluster:
    """Starts a cluster that lives until `stop`, and waits until its workers have registered.

    A cluster that runs in `folder` already is left as it is.

    Args:
        folder: a folder for the logs, `cluster.json` and, for this user alone, the `secret` of the cluster.
        workers: the number of workers.
        cores: cores of each worker.
        memory: of each worker, e.g. 512m or 2g.

    Returns:
        The cluster that runs in `folder`.

    Raises:
        ClusterError: the cluster cannot be started; nothing is left running.
        JavaError: there is no Java.
    """
    folder = Path(folder).resolve()
    if workers < 1 or cores < 1 or not re.fullmatch(r"[1-9]\d*[mg]", memory):
        size = f"workers={workers}, cores={cores}, memory={memory!r}"
        raise ClusterError(f"cannot start a cluster with {size}; give positive numbers, and memory as 512m or 2g")
    with _locked(folder):
        cluster = running(folder)
        if cluster is None:
            return _start(folder, Cluster("", workers, cores, memory, []))
    log.info("%s: this cluster runs already; it is left as it is", folder)
    return cluster


def _start(folder: Path, cluster: Cluster) -> Cluster:
    """Starts a cluster of this size in a folder; nothing is left running after an error."""
    variables = _environment(folder)
    try:
        _write_settings(folder)
        cluster = _start_master(folder, variables, cluster)
        _start_workers(folder, variables, cluster)
    except BaseException:  # an interrupt must leave nothing running either
        daemons.end(cluster.processes)
        _forget(folder)
        raise
    return cluster


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Waits for another process that starts a cluster in this folder; ClusterError if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ClusterError(
            f"{folder}: the cluster cannot write its settings and logs there ({error.strerror}); make room, or choose "
            "another folder with --folder"
        ) from error


def running(folder: str | Path) -> Cluster | None:
    """Returns the cluster that runs in `folder`, or None; ClusterError if some of its processes have died."""
    cluster = _read(Path(folder))
    alive = sum(daemons.process(*one) is not None for one in cluster.processes) if cluster else 0
    if not alive:
        return None
    if alive < 1 + cluster.workers:
        raise ClusterError(
            f"{folder}: only {alive} of {1 + cluster.workers} processes of the cluster run; the logs there may say "
            "why. Stop the cluster and start it again"
        )
    return cluster


def stop(folder: str | Path) -> bool:
    """Ends the processes of the cluster in `folder`, executors included; returns whether there were any."""
    ended = daemons.end([one for one, path in daemons.running().items() if path.parent == Path(folder).resolve()])
    _forget(Path(folder))
    return ended


def secret_of(url: str) -> str:
    """Returns the secret of this user's cluster on this machine at `url`; an empty string if there is none."""
    for folder in {path.parent for path in daemons.running().values()}:
        try:
            cluster = _read(folder)
        except ClusterError as error:
            log.warning("%s", error)
            continue
        if cluster and cluster.url == url:
            return (folder / "secret").read_text()
    return ""


def spark_home() -> Path:
    """Returns the folder of the Spark that this environment's PySpark brings."""
    import pyspark

    return Path(pyspark.__file__).parent


def _environment(folder: Path) -> dict[str, str]:
    """Returns the environment variables of master and workers: PySpark's Spark, on loopback."""
    return environment.spark_variables(over_network=False) | {
        "JAVA_HOME": str(java.ensure_java()),
        "SPARK_HOME": str(spark_home()),
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_DAEMON_JAVA_OPTS": DAEMON_JAVA,
    }


def _write_settings(folder: Path) -> None:
    """Writes a new secret, and the settings of master and workers: all users can see command lines, but no files."""
    secret = secrets.token_hex(32)
    settings = CHANNELS | DAEMONS | {"spark.authenticate.secret": secret}
    write_properties(folder / "spark.properties", settings)
    _write_private(folder / "secret", secret)


def write_properties(path: Path, settings: dict[str, str]) -> None:
    """Writes Spark's settings to a file that only this user can read, in the format of Java's properties."""
    escapes = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\f": r"\f"})
    _write_private(path, "".join(f"{name} {value.translate(escapes)}\n" for name, value in settings.items()))


def _write_private(path: Path, text: str) -> None:
    """Writes a file that only this user can read."""
    with write_atomically(path) as beside:
        beside.touch(mode=0o600)
        beside.write_text(text)


def _start_master(folder: Path, variables: dict[str, str], cluster: Cluster) -> Cluster:
    """Starts the master; returns the cluster with its URL."""
    cluster.processes.append(daemons.spawn(MASTER, folder / "master.log", variables))
    _save(cluster, folder)  # so that `stop` finds it if this process is killed now
    url = _wait(folder / "master.log", r"Starting Spark master at (spark://\S+)", 1, cluster.processes)[0]
    return replace(cluster, url=url)


def _start_workers(folder: Path, variables: dict[str, str], cluster: Cluster) -> None:
    """Starts the workers and waits until they have registered."""
    size = ("--cores", str(cluster.cores), "--memory", cluster.memory, "--work-dir", str(folder / "work"))
    for number in range(1, cluster.workers + 1):
        path = folder / f"worker-{number}.log"
        cluster.processes.append(daemons.spawn(WORKER, path, variables, *size, cluster.url))
    _save(cluster, folder)
    _wait(folder / "master.log", r"Registering worker (\S+)", cluster.workers, cluster.processes)


def _wait(path: Path, pattern: str, n: int, processes: list[tuple[int, float]]) -> list[str]:
    """Waits until a log contains a pattern.

    Args:
        path: the log.
        pattern: a regular expression with one group.
        n: the number of matches to wait for.
        processes: the cluster's processes so far.

    Returns:
        The groups of all matches.

    Raises:
        ClusterError: a process has ended, or the time is up.
    """
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until:
        matches = re.findall(pattern, path.read_text())
        if len(matches) >= n:
            return matches
        for number, process in enumerate(processes):
            if daemons.process(*process) is None:
                log_file = path.with_name(f"worker-{number}.log" if number else "master.log")
                raise ClusterError(
                    f"the Spark cluster did not start: {last_words(log_file.read_text())}; {log_file} has the rest"
                )
        time.sleep(0.1)
    raise ClusterError(f"the Spark cluster did not start within {START_LIMIT:.0f} s; its logs are in {path.parent}")


def _save(cluster: Cluster, folder: Path) -> None:
    """Records the cluster in its folder."""
    with write_atomically(folder / "cluster.json") as path:
        path.write_text(json.dumps(asdict(cluster), indent=1) + "\n")


def _read(folder: Path) -> Cluster | None:
    """Returns the cluster that the folder records, or None; ClusterError if it cannot be read."""
    path = folder / "cluster.json"
    if not path.is_file():
        return None
    try:
        cluster = Cluster(**json.loads(path.read_bytes()))
        pids = [(int(pid), float(created)) for pid, created in cluster.processes]
        return replace(cluster, url=str(cluster.url), workers=int(cluster.workers), processes=pids)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"{path}: does not say what runs there ({error}); `cluster stop --folder {folder}` ends it, after which "
            "a cluster can be started again"
        ) from error


def _forget(folder: Path) -> None:
    """Deletes the files that are useless without the processes; the logs stay."""
    for name in ("cluster.json", "secret", "spark.properties"):
        (folder / name).unlink(missing_ok=True)

"""Runs a standalone Spark cluster on this machine: on loopback, authenticated and encrypted."""

import contextlib
import json
import logging
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from higgs_lib.files import write_atomically
from higgs_lib.spark import java

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
START_LIMIT = 120.0  # seconds, for the master and then for its workers
STOP_LIMIT = 10.0  # seconds, from SIGTERM to SIGKILL
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
    cluster = running(folder)
    if cluster:
        log.info("%s: this cluster runs already; it is left as it is", folder)
        return cluster
    if workers < 1 or cores < 1 or not re.fullmatch(r"[1-9]\d*[mg]", memory):
        size = f"workers={workers}, cores={cores}, memory={memory!r}"
        raise ClusterError(f"cannot start a cluster with {size}; give positive numbers, and memory as 512m or 2g")
    environment = _environment(folder)
    _write_settings(folder)
    cluster = Cluster("", workers, cores, memory, [])
    try:
        cluster = _start_master(folder, environment, cluster)
        _start_workers(folder, environment, cluster)
    except BaseException:  # an interrupt must leave nothing running either
        _end(cluster.processes)
        _forget(folder)
        raise
    return cluster


def running(folder: str | Path) -> Cluster | None:
    """Returns the cluster that runs in `folder`, or None; ClusterError if some of its processes have died."""
    cluster = _read(Path(folder))
    alive = sum(_process(*one) is not None for one in cluster.processes) if cluster else 0
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
    cluster = _read(Path(folder))
    if cluster is None:
        return False
    ended = _end(cluster.processes)
    _forget(Path(folder))
    return ended


def secret_of(url: str) -> str:
    """Returns the secret of this user's cluster on this machine at `url`; an empty string if there is none."""
    user = psutil.Process().username()
    for process in psutil.process_iter(["cmdline", "username"]):
        command = process.info["cmdline"] or []
        if MASTER in command and "--properties-file" in command and process.info["username"] == user:
            folder = Path(command[command.index("--properties-file") + 1]).parent
            cluster = _read(folder)
            if cluster and cluster.url == url:
                return (folder / "secret").read_text()
    return ""


def _environment(folder: Path) -> dict[str, str]:
    """Returns this process' environment, with PySpark's Spark on loopback and without other settings of Spark."""
    import pyspark

    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    return environment | {
        "JAVA_HOME": str(java.ensure_java()),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_DAEMON_JAVA_OPTS": DAEMON_JAVA,
    }


def _write_settings(folder: Path) -> None:
    """Writes a new secret, and the settings of master and workers: all users can see command lines, but no files."""
    folder.mkdir(parents=True, exist_ok=True)
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


def _start_master(folder: Path, environment: dict[str, str], cluster: Cluster) -> Cluster:
    """Starts the master; returns the cluster with its URL."""
    cluster.processes.append(_spawn(MASTER, folder / "master.log", environment))
    _save(cluster, folder)  # so that `stop` finds it if this process is killed now
    url = _wait(folder / "master.log", r"Starting Spark master at (spark://\S+)", 1, cluster.processes)[0]
    return replace(cluster, url=url)


def _start_workers(folder: Path, environment: dict[str, str], cluster: Cluster) -> None:
    """Starts the workers and waits until they have registered."""
    size = ("--cores", str(cluster.cores), "--memory", cluster.memory, "--work-dir", str(folder / "work"))
    for number in range(1, cluster.workers + 1):
        path = folder / f"worker-{number}.log"
        cluster.processes.append(_spawn(WORKER, path, environment, *size, cluster.url))
    _save(cluster, folder)
    _wait(folder / "master.log", r"Registering worker (\S+)", cluster.workers, cluster.processes)


def _spawn(program: str, path: Path, environment: dict[str, str], *arguments: str) -> tuple[int, float]:
    """Starts a process that outlives this one.

    Args:
        program: its Java class.
        path: its log.
        environment: its environment variables.
        *arguments: of the program.

    Returns:
        Its pid and creation time.
    """
    properties = str(path.with_name("spark.properties"))
    common = ("--host", HOST, "--port", "0", "--webui-port", "0", "--properties-file", properties)
    command = [str(Path(environment["SPARK_HOME"], "bin", "spark-class")), program, *common, *arguments]
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(command[0], command, environment, file_actions=files, setsid=True)
    return pid, psutil.Process(pid).create_time()


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
            if _process(*process) is None:
                log_file = path.with_name(f"worker-{number}.log" if number else "master.log")
                raise ClusterError(
                    f"the Spark cluster did not start: {last_words(log_file.read_text())}; {log_file} has the rest"
                )
        time.sleep(0.1)
    raise ClusterError(f"the Spark cluster did not start within {START_LIMIT:.0f} s; its logs are in {path.parent}")


def _process(pid: int, created: float) -> psutil.Process | None:
    """Returns the process, or None if it has ended; zombies count as ended."""
    try:
        process = psutil.Process(pid)
        # with 2 s tolerance, as creation times are relative to a boot time that follows corrections of the clock
        same = abs(process.create_time() - created) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def _end(processes: list[tuple[int, float]]) -> bool:
    """Ends the processes and their children, gently first; returns whether there were any."""
    roots = [process for one in processes if (process := _process(*one))]
    family = []
    for process in roots:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself
            family += [process, *process.children(recursive=True)]
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                end(process)
        _, family = psutil.wait_procs(family, timeout=STOP_LIMIT)
    for pid, _ in processes:
        with contextlib.suppress(ChildProcessError):  # not started by this process, so not its zombie
            os.waitpid(pid, os.WNOHANG)
    return bool(roots)


def _save(cluster: Cluster, folder: Path) -> None:
    """Records the cluster in its folder."""
    with write_atomically(folder / "cluster.json") as path:
        path.write_text(json.dumps(asdict(cluster), indent=1) + "\n")


def _read(folder: Path) -> Cluster | None:
    """Returns the cluster that the folder records, or None."""
    path = folder / "cluster.json"
    return Cluster(**json.loads(path.read_text())) if path.is_file() else None


def _forget(folder: Path) -> None:
    """Deletes the files that are useless without the processes; the logs stay."""
    for name in ("cluster.json", "secret", "spark.properties"):
        (folder / name).unlink(missing_ok=True)

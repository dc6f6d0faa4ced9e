"""The processes of a Spark cluster on this machine: its master and its workers, which outlive the program."""

import contextlib
import os
from pathlib import Path

import psutil

HOST = "127.0.0.1"
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
STOP_LIMIT = 10.0  # seconds, from SIGTERM to SIGKILL


def spawn(program: str, path: Path, variables: dict[str, str], *arguments: str) -> tuple[int, float]:
    """Starts a process that outlives this one.

    Args:
        program: its Java class.
        path: its log.
        variables: its environment variables.
        *arguments: of the program.

    Returns:
        Its pid and creation time.
    """
    properties = str(path.with_name("spark.properties"))
    common = ("--host", HOST, "--port", "0", "--webui-port", "0", "--properties-file", properties)
    command = [str(Path(variables["SPARK_HOME"], "bin", "spark-class")), program, *common, *arguments]
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(command[0], command, variables, file_actions=files, setsid=True)
    return pid, psutil.Process(pid).create_time()


def running() -> dict[tuple[int, float], Path]:
    """Returns pid and creation time of this user's masters and workers on this machine, and their settings' files."""
    user, found = psutil.Process().username(), {}
    for one in psutil.process_iter(["pid", "create_time", "cmdline", "username"]):
        command = one.info["cmdline"] or []
        if one.info["username"] == user and {MASTER, WORKER} & {*command} and "--properties-file" in command[:-1]:
            path = Path(command[command.index("--properties-file") + 1])
            found[one.info["pid"], one.info["create_time"]] = path
    return found


def process(pid: int, created: float) -> psutil.Process | None:
    """Returns the process, or None if it has ended; zombies count as ended."""
    try:
        found = psutil.Process(pid)
        # with 2 s tolerance, as creation times are relative to a boot time that follows corrections of the clock
        same = abs(found.create_time() - created) < 2 and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return found if same else None


def end(processes: list[tuple[int, float]]) -> bool:
    """Ends the processes and their children, gently first; returns whether there were any."""
    roots = [root for one in processes if (root := process(*one))]
    family = []
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself
            family += [root, *root.children(recursive=True)]
    for signal in (psutil.Process.terminate, psutil.Process.kill):
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                signal(member)
        _, family = psutil.wait_procs(family, timeout=STOP_LIMIT)
    for pid, _ in processes:
        with contextlib.suppress(ChildProcessError):  # not started by this process, so not its zombie
            os.waitpid(pid, os.WNOHANG)
    return bool(roots)

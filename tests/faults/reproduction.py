"""A `reproduce` of its own processes on a terminal of its own, to be disturbed."""

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil

MARK = "HIGGS_FAULTS_RUN"  # an environment variable that every process of a reproduction inherits
END_LIMIT = 60.0  # seconds in which a process that was asked to end must have ended
SURVIVAL_LIMIT = 30.0  # seconds in which the others must have ended after the main process was killed


def _in_foreground() -> None:
    """Makes a new process that of its terminal, and one that takes signals, also where this one runs behind a shell."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Reproduction:
    """One call of a command, on a pseudo-terminal, whose processes can be found and signalled."""

    def __init__(self, command: Sequence[str | Path], folder: Path, **variables: str):
        self.mark = uuid.uuid4().hex
        self.terminal, end = pty.openpty()
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=os.environ | {MARK: self.mark} | variables,
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
            preexec_fn=_in_foreground,
        )
        os.close(end)
        self.began = time.monotonic()
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self.text += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:  # all processes have closed it, or `close_terminal` has
                return

    @property
    def lines(self) -> list[str]:
        """What a user sees: every line as it is last written."""
        return [line.rsplit("\r\x1b[K", 1)[-1].strip() for line in self.text.replace("\r\n", "\n").split("\n")]

    @property
    def step(self) -> str:
        """What runs right now, in the command's own words."""
        return next((line for line in reversed(self.lines) if line), "start")

    def main(self) -> psutil.Process:
        """Returns the process of Python that runs the command, which is make's child where make was called."""
        one = psutil.Process(self.process.pid)
        return next((p for p in [one, *one.children(recursive=True)] if "higgs_lib" in p.cmdline()), one)

    def others(self) -> list[psutil.Process]:
        """Returns all processes of this call but make and the main one."""
        known = {self.process.pid, self.main().pid} if self.process.poll() is None else {self.process.pid}
        return [process for process in processes(self.mark) if process.pid not in known]

    def press(self, key: str) -> None:
        """Presses a key with Ctrl, e.g. "c", for which the terminal signals the whole foreground group."""
        os.write(self.terminal, bytes([ord(key) - ord("a") + 1]))

    def close_terminal(self) -> None:
        """Closes the terminal, as a window that is closed."""
        os.close(self.terminal)

    def wait(self, limit: float) -> int | None:
        """Returns the exit status, or None if it still runs after `limit` seconds."""
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(5)
        return status

    def survivors(self, limit: float = SURVIVAL_LIMIT) -> list[str]:
        """Returns the processes of this call that are still there after `limit` seconds, as text; kills them."""
        until = time.monotonic() + limit
        while (left := processes(self.mark)) and time.monotonic() < until:
            time.sleep(0.2)
        texts = [f"{process.pid} {describe(process)}" for process in left]
        for process in left:
            process.kill()
        return texts


def processes(mark: str) -> list[psutil.Process]:
    """Returns the living processes whose environment holds a mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def describe(process: psutil.Process) -> str:
    """Returns a few words that tell what a process is."""
    try:
        line = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "ended"
    names = {
        "ipykernel": "kernel",
        "CoarseGrainedExecutorBackend": "executor",
        "SparkSubmit": "Spark",
        "pyspark/daemon": "Spark's Python",
        "pyspark.daemon": "Spark's Python",
        "spawn_main": "process of a pool",
        "resource_tracker": "resource tracker",
    }
    return next((name for part, name in names.items() if part in line), line[:100])


def python(*words: str | Path) -> list[str | Path]:
    """Returns the command line of a command of the library."""
    return [sys.executable, "-m", "higgs_lib", *words]


def interrupted(status: int, lines: list[str]) -> bool:
    """Tells whether a call ended as an interrupted one should: with one line about it, and no traceback."""
    text = "\n".join(lines)
    told = len(re.findall("^interrupted: the same call resumes here$", text, re.MULTILINE)) == 1
    return told and "Traceback" not in text and status != 0

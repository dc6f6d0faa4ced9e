"""What a user sees of a run: one line for each step. All other output goes to the run's log."""

import errno
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from higgs_lib.files import errors_name

TRAINING = re.compile(r"([\w., -]+): +(\d+)%\|")  # a progress bar of the library, as tqdm writes it


class Terminal:
    """Where a run shows its lines; once a terminal has been closed, the log has those that it no longer shows."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    @property
    def columns(self) -> int:
        """The width of the terminal; 0 for a file or pipe, or a terminal that has been closed."""
        return (os.get_terminal_size(self.descriptor).columns or 80) if os.isatty(self.descriptor) else 0

    def write(self, text: str) -> None:
        """Shows a text at once."""
        try:
            with errors_name(Path("standard output")):
                os.write(self.descriptor, text.encode())  # a stream would keep what it could not write, and try again
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.descriptor = 2  # of which `redirected` makes the log
            self.write(text)


@contextmanager
def redirected(log: Path) -> Iterator[Terminal]:
    """Sends all output of this process and of those that it starts to a log file, and yields the terminal instead.

    File descriptors are redirected, since TensorFlow, Java and Jupyter's kernels write past `sys.stdout`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    saved = [os.dup(number) for number in (1, 2)]
    with errors_name(log), log.open("ab") as file:
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(file.fileno(), number)
        try:
            yield Terminal(saved[0])
        finally:
            for stream, number, before in zip((sys.stdout, sys.stderr), (1, 2), saved, strict=True):
                try:
                    stream.flush()
                finally:
                    os.dup2(before, number)
                    os.close(before)


def duration(seconds: float) -> str:
    """Returns minutes and seconds, "3:04"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Step:
    """One line of the terminal, in a `with` statement: name, progress and time, and why the step runs.

    The line is rewritten every second on a terminal, and written once, at the end, to a file or pipe.
    """

    def __init__(self, terminal: Terminal, name: str, reason: str):
        self.terminal, self.name, self.reason = terminal, name, reason
        self.progress = ""
        self._ended = threading.Event()
        self._display = threading.Thread(target=self._refresh, daemon=True)

    @property
    def seconds(self) -> float:
        """The time since the step began."""
        return time.monotonic() - self.began

    def show(self, text: str) -> None:
        """Shows the state of a training, if `text` holds a progress bar of one."""
        if bars := TRAINING.findall(text):
            self.progress = f"{self.progress.partition(',')[0]}, {bars[-1][0].strip()} {bars[-1][1]}%"

    def __enter__(self) -> "Step":
        self.began = time.monotonic()
        if self.terminal.columns:
            self._display.start()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._ended.set()
        if self._display.is_alive():
            self._display.join()
        self._write(self.reason if error is None else "stopped", "\n")

    def _refresh(self) -> None:
        """Rewrites the line every second until the step ends."""
        while not self._ended.wait(1.0) and self.terminal.columns:
            self._write(self.progress or self.reason)

    def _write(self, text: str, end: str = "") -> None:
        """Writes the line, on a terminal over itself; an unfinished line is cut to the width of the terminal."""
        line = f"{self.name:<20} {duration(self.seconds):>6}  {text}"
        if columns := self.terminal.columns:
            line = f"\r\x1b[K{line if end else line[: columns - 1]}"
        self.terminal.write(line + end)

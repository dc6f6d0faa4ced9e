"""Starts processes that do not import the user's script, so that it needs no `if __name__ == "__main__"`."""

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType

from higgs_lib import environment
from higgs_lib.device import cores

# What TensorFlow writes to standard error while it starts, before it reads TF_CPP_MIN_LOG_LEVEL: notes ("I0000 ...")
# and one line about them.
NOTES = r"^I[0-9]{4} |^WARNING: All log messages before absl::InitializeLog"
NO_DRIVER = r"^E[0-9]{4} .*failed call to cuInit"  # an error only where there is a GPU


class ProcessError(RuntimeError):
    """Processes cannot be started, or one of them was ended from outside."""


class _Process(SpawnProcess):
    """A new process, whose `__main__` is empty: what it calls has to be in a module that can be imported.

    It ends with the process that started it, however that ends.
    """

    def start(self) -> None:
        """Starts the process, which is told where the script of this one is only if it has to run that again."""
        if multiprocessing.current_process().daemon:
            raise ProcessError("a process of a pool cannot start others; call this outside of it, or with workers=1")
        script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = script

    def run(self) -> None:
        """Computes, in the new process."""
        if parent := multiprocessing.parent_process():
            threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True, name="end with parent").start()
        super().run()


def _end_after(sentinel: int) -> None:
    """Ends this process, also while it computes or waits for a task, when the sentinel of another says it has ended."""
    wait([sentinel])
    os._exit(1)


class _Context(SpawnContext):
    """Makes such processes for `concurrent.futures` too."""

    Process = _Process


def count(workers: int | None, n_tasks: int) -> int:
    """Returns the number of processes for some tasks: `workers`, or one per core for None, and at most one per task.

    Raises ValueError for fewer than one.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"cannot work with {workers} processes; give workers a positive number")
    return min(workers or cores(), n_tasks)


CONTEXT = _Context()
"""The `multiprocessing` context of all processes that the library starts from Python."""


@contextmanager
def pool(workers: int, initializer: Callable[[], None] | None = None) -> Iterator[Executor]:
    """Yields a pool of new processes, each of which calls `initializer` first, and which end with this process.

    Raises ProcessError if they cannot be made, or one of them is ended from outside, e.g. as memory is short.
    """
    try:
        made = ProcessPoolExecutor(workers, CONTEXT, initializer)
    except OSError as error:  # the locks that they share are files there, which the system's message does not say
        raise ProcessError(
            f"{workers} processes cannot share locks in /dev/shm, the memory for that ({error.strerror}): make room "
            "there (in a container: more --shm-size), or give workers=1"
        ) from error
    with made as executor:
        try:
            yield executor
        except BrokenProcessPool as error:
            raise ProcessError(
                f"one of {workers} processes ended abruptly, as happens when memory is short; give fewer workers"
            ) from error


def import_keras() -> None:
    """Imports Keras, in a process that only trains or scores, in 0.6 of the time.

    TensorFlow and Keras import other libraries too where they are installed, to exchange data with them and to draw.
    """
    if "keras" in sys.modules:
        return
    unused = {"jax", "matplotlib", "pandas", "sklearn"} - {environment.keras_backend()} - sys.modules.keys()
    for name in unused:
        sys.modules[name] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import keras  # noqa: F401
    finally:
        for name in unused:
            del sys.modules[name]


@contextmanager
def standard_error_without(pattern: str) -> Iterator[None]:
    """Leaves out the lines that match an extended regular expression of what is written to file descriptor 2.

    The filter is a process of its own, so the last words of a process that crashes get through.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with subprocess.Popen(["grep", "-v", "-E", pattern], stdin=subprocess.PIPE, stdout=before) as lines:
        os.dup2(lines.stdin.fileno(), 2)  # type: ignore[union-attr]  # it is a pipe
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)

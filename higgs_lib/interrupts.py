"""How processes end: this one in order when it is asked to, and those that compute beside it together with it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import FrameType

REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a batch system, a terminal that is closed


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end."""

    def __init__(self, number: int):
        super().__init__(signal.strsignal(number))
        self.number = number


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Lets every signal that asks this process to end raise `Interrupted`; what the caller ignores stays ignored."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {n: signal.getsignal(n) for n in REQUESTS if signal.getsignal(n) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Ends this process, which `multiprocessing` started, as soon as the process that started it has been killed.

    A process that waits for its next task, or computes, would otherwise outlive it.
    """
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True, name="end with parent").start()


def _end_after(sentinel: int) -> None:
    """Ends this process when the sentinel of another one says that it has ended."""
    wait([sentinel])
    os._exit(1)

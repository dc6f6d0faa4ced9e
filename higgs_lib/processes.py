"""Starts processes that compute beside this one, and end with it."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from higgs_lib.interrupts import end_with_parent


def pool(workers: int, initializer: Callable[[], object] | None = None) -> ProcessPoolExecutor:
    """Returns a pool of new processes, each of which calls `initializer` first, and which end with this process."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, _start_worker, (initializer,))


def _start_worker(initializer: Callable[[], object] | None) -> None:
    """Prepares a process of a pool."""
    end_with_parent()
    if initializer:
        initializer()

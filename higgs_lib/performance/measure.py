"""Measures the training steps of one device in a process of its own.

A process keeps the device and the cores that it started with, hence a new one for each device and number of cores.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from higgs_lib import device, processes
from higgs_lib.performance.throughput import Sweep, Throughput


def core_counts() -> list[int]:
    """Returns 1, 2, 4, ... and all of the processor's cores; only all where the system has no processor affinity."""
    total = device.cores()
    if not hasattr(os, "sched_setaffinity"):
        return [total]
    return sorted({*(2**n for n in range(total.bit_length()) if 2**n < total), total})


def run_sweep(sweep: Sweep) -> Throughput:
    """Measures a sweep in a new process.

    Raises ValueError for a number of cores that is unavailable, RuntimeError with the cause if the process fails.
    """
    counts = core_counts()
    if sweep.cores > device.cores() or (sweep.cores not in (0, *counts) and len(counts) == 1):
        raise ValueError(f"cannot measure on {sweep.cores} cores: this machine has {', '.join(map(str, counts))}")
    pipe, end = processes.CONTEXT.Pipe(duplex=False)
    with _processor_affinity(sweep.cores):
        process = processes.CONTEXT.Process(target=_measure_and_send, args=(end, sweep), daemon=True)
        process.start()
    end.close()
    try:
        result = pipe.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process that measured {sweep.train_on} ended with code {process.exitcode}") from None
    finally:
        process.terminate()  # where this one was interrupted
        process.join()
    if isinstance(result, str):
        raise RuntimeError(f"{sweep.train_on} could not be measured: {result}")
    return result


@contextmanager
def _processor_affinity(cores: int) -> Iterator[None]:
    """Limits processes started in this context to some cores, from their first thread on; 0: no limit."""
    if not cores or cores == device.cores():
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _measure_and_send(pipe, sweep: Sweep) -> None:
    """Sends the `Throughput`, or an error as text, from the new process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        processes.import_keras()
        from higgs_lib.performance import probe  # here, where cores and device are set

        pipe.send(probe.measure(sweep))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
        raise

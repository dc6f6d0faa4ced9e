"""A sweep of training steps on one device, in a process of its own; measured once and stored.

A process keeps the device and the cores that it began with: hence a new one for each device and number of cores.
"""

import logging
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

from higgs_lib import device
from higgs_lib.performance.throughput import Sweep, Throughput

log = logging.getLogger(__name__)


def core_counts() -> list[int]:
    """1, 2, 4, ... and all of the processor's cores; all alone where a process cannot be kept to some."""
    total = device.cores()
    if not hasattr(os, "sched_setaffinity"):
        return [total]
    return sorted({*(2**n for n in range(total.bit_length()) if 2**n < total), total})


def run_sweep(sweep: Sweep) -> Throughput:
    """What `sweep` asks for, in a new process.

    ValueError for cores that it cannot be kept to; RuntimeError with what stopped it.
    """
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe(duplex=False)
    with _kept_to(sweep.cores):
        process = context.Process(target=_serve, args=(end, sweep), daemon=True)
        process.start()
    end.close()
    try:
        found = pipe.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process that measured {sweep.train_on} ended with code {process.exitcode}") from None
    finally:
        process.terminate()  # where this one was interrupted
        process.join()
    if isinstance(found, str):
        raise RuntimeError(f"{sweep.train_on} could not be measured: {found}")
    return found


@contextmanager
def _kept_to(cores: int) -> Iterator[None]:
    """Processes started in here have so many cores, from their first thread on; 0: as many as this one."""
    if cores > device.cores() or (cores not in (0, *core_counts()) and len(core_counts()) == 1):
        raise ValueError(f"{cores} cores were asked for, and it can be {', '.join(map(str, core_counts()))} here")
    if not cores or cores == device.cores():
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _serve(pipe, sweep: Sweep) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":  # which `device.use` does not know
        _show_to_others(sweep.train_on)
    try:
        from higgs_lib.performance import probe  # here, in a process that is kept to its cores and device already

        pipe.send(probe.measure(sweep))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
        raise


def _show_to_others(train_on: str) -> None:
    """Leaves JAX or PyTorch no choice of a device."""
    number = train_on.partition(":")[2]
    if train_on == "cpu" or number:
        os.environ["CUDA_VISIBLE_DEVICES"] = number
    if train_on == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"

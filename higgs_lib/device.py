"""What hardware and software a result was made with, and which device TensorFlow computes on."""

import logging
import os
import platform
import re
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pynvml

log = logging.getLogger(__name__)

NO_DRIVER = (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded)


class DeviceError(RuntimeError):
    """TensorFlow cannot compute on what was asked for; the message says why, and what to do."""


class GPU(NamedTuple):
    """An NVIDIA GPU, as its driver describes it."""

    number: int
    """By which TensorFlow knows it: nvidia-smi's, counted among those that CUDA_VISIBLE_DEVICES shows."""
    name: str
    memory_gib: float
    driver: str
    """The driver's version."""
    compute_capability: str
    """Of CUDA: "9.0" for an H100."""


def _cpuinfo(*names: str) -> str:
    """What Linux says of the first core under one of these names; "" elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(names)), "")


def processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16, as far as Linux tells."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(_cpuinfo("flags", "Features").split())


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def gpus() -> list[GPU]:
    """The NVIDIA GPUs that CUDA shows to this process, asked of the driver once and without TensorFlow.

    Empty where there is no driver. The numbers and UUIDs of CUDA_VISIBLE_DEVICES are followed; parts of a GPU (MIG) are
    not listed.
    """
    try:
        return _gpus_of_driver()
    except NO_DRIVER:
        return []
    except pynvml.NVMLError as error:
        log.warning("no GPU will be listed, as NVIDIA's driver answers: %s", error)
        return []


def _gpus_of_driver() -> list[GPU]:
    """`gpus`, or an error of NVML."""
    pynvml.nvmlInit()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(place) for place in range(pynvml.nvmlDeviceGetCount())]
        shown = _shown([pynvml.nvmlDeviceGetUUID(handle) for handle in handles])
        return [_gpu(number, handles[place]) for number, place in enumerate(shown)]
    finally:
        pynvml.nvmlShutdown()


def _gpu(number: int, handle) -> GPU:
    memory = round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30, 1)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    name, driver = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlSystemGetDriverVersion()
    return GPU(number, name, memory, driver, f"{major}.{minor}")


def _shown(uuids: list[str]) -> list[int]:
    """Places of the GPUs that CUDA shows, in its order: those of CUDA_VISIBLE_DEVICES up to the first unknown one."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return list(range(len(uuids)))
    places = [_place(word.strip(), uuids) for word in listed.split(",")]
    return list(takewhile(lambda place: place is not None, places))


def _place(word: str, uuids: list[str]) -> int | None:
    """Of the GPU that a number or the beginning of a UUID names; None where there is none."""
    if word.startswith("GPU-"):
        return next((place for place, uuid in enumerate(uuids) if uuid.startswith(word)), None)
    return int(word) if word.isdecimal() and int(word) < len(uuids) else None


def _tensorflow():
    """TensorFlow, imported here since it is slow, for which a GPU has the number that nvidia-smi gives it."""
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    import tensorflow as tf

    return tf


def usable_gpus() -> list[int]:
    """The numbers of those that TensorFlow can use, whether or not it is to."""
    return [int(_number(gpu)) for gpu in _tensorflow().config.list_physical_devices("GPU")]


def use(choice: str = "auto") -> str:
    """Chooses what TensorFlow computes on, before its first use: one sentence on what that is.

    `choice` is "auto" (all GPUs that TensorFlow can use, or else the processor), "cpu", "gpu" (all of them, at least
    one) or "gpu:1" (GPU 1 alone). Of a GPU's memory only what is needed is taken, so that others can use it too. Where
    "auto" misses a GPU, the sentence says why, and what would help. A second call for the same does nothing. ValueError
    for another choice; DeviceError where the GPU cannot be used or TensorFlow computes on something else already.
    """
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", choice):
        raise ValueError(f'unknown device {choice!r}: choose "auto", "cpu", "gpu" or one GPU alone, as "gpu:1"')
    config = _tensorflow().config
    chosen = _chosen(choice, config.list_physical_devices("GPU"))
    try:
        for gpu in chosen:
            config.experimental.set_memory_growth(gpu, True)
        config.set_visible_devices(chosen, "GPU")
    except RuntimeError as error:
        raise DeviceError(
            f"cannot choose {choice!r}, as TensorFlow computes on {in_use() or 'the processor'} already: call "
            "device.use before anything else of TensorFlow, in a notebook after a restart of its kernel"
        ) from error
    missed = f", as {_why_no_gpu()}" if choice == "auto" and gpus() and not chosen else ""
    return f"TensorFlow computes on {in_use() or 'the processor'}{missed}."


def _chosen(choice: str, usable: list) -> list:
    """The GPUs of a choice, out of all that TensorFlow can use; DeviceError where it has none."""
    if choice == "cpu":
        return []
    number = choice.partition(":")[2]
    chosen = [gpu for gpu in usable if number in ("", _number(gpu))]
    if choice == "auto" or chosen:
        return chosen
    if usable:
        others = ", ".join(f'"gpu:{_number(gpu)}"' for gpu in usable)
        raise DeviceError(f"TensorFlow can use no GPU {number}: choose one of {others}")
    raise DeviceError(f'cannot compute on {choice!r}, as {_why_no_gpu()}; "auto" and "cpu" take the processor')


def _number(gpu) -> str:
    return gpu.name.rpartition(":")[2]  # of /physical_device:GPU:1


def _why_no_gpu() -> str:
    """Why TensorFlow can use none, and what would help."""
    if not gpus():
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "NVIDIA's driver shows no GPU" + ("" if listed is None else f" with CUDA_VISIBLE_DEVICES={listed!r}")
    missing = f"CUDA's libraries are missing, or too new for the driver {gpus()[0].driver}"
    if not _tensorflow().test.is_built_with_cuda():
        missing = "this TensorFlow was built without CUDA"
    names = ", ".join(gpu.name for gpu in gpus())
    return (
        f"it cannot use {names}: {missing}; on Linux with x86-64 `make env EXTRAS=gpu`, or in an environment of "
        "your own `pip install 'tensorflow[and-cuda]'`, installs what it needs"
    )


def in_use() -> str:
    """The GPUs that TensorFlow computes on, as "GPU 0: NVIDIA H100 80GB HBM3"; "" for none, or if it is not loaded."""
    if "tensorflow" not in sys.modules:
        return ""
    config = _tensorflow().config
    visible = [(_number(gpu), config.experimental.get_device_details(gpu)) for gpu in config.get_visible_devices("GPU")]
    return ", ".join(f"GPU {number}: {details.get('device_name', 'unknown')}" for number, details in visible)

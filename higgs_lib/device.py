"""Detects GPUs, and chooses the device that TensorFlow computes on."""

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
    """TensorFlow cannot use the requested device; the message says why, and what to do."""


class GPU(NamedTuple):
    """An NVIDIA GPU, as its driver describes it."""

    number: int
    """TensorFlow's number: nvidia-smi's, counted among the GPUs that CUDA_VISIBLE_DEVICES shows."""
    name: str
    memory_gib: float
    driver: str
    """Version of the driver."""
    compute_capability: str
    """CUDA's compute capability, "9.0" for an H100."""


def _cpuinfo(*names: str) -> str:
    """Returns the value of the first of these fields in Linux' /proc/cpuinfo; "" elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(names)), "")


def processor() -> str:
    """Returns the name of the processor."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def has_bfloat16() -> bool:
    """Returns whether the processor multiplies in bfloat16; False where Linux does not tell."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(_cpuinfo("flags", "Features").split())


def cores() -> int:
    """Returns the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def gpus() -> list[GPU]:
    """Lists the NVIDIA GPUs that CUDA shows to this process, without loading TensorFlow; the driver is asked once.

    The list is empty where there is no driver. It follows the numbers and UUIDs of CUDA_VISIBLE_DEVICES, and leaves out
    parts of a GPU (MIG).
    """
    try:
        return _query_driver()
    except NO_DRIVER:
        return []
    except pynvml.NVMLError as error:
        log.warning("cannot list GPUs: NVIDIA's driver answers %s", error)
        return []


def _query_driver() -> list[GPU]:
    """Returns the GPUs that CUDA shows, or raises an NVMLError."""
    pynvml.nvmlInit()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        visible = _visible_indices([pynvml.nvmlDeviceGetUUID(handle) for handle in handles])
        return [_describe(number, handles[index]) for number, index in enumerate(visible)]
    finally:
        pynvml.nvmlShutdown()


def _describe(number: int, handle) -> GPU:
    """Returns what the driver says about one GPU."""
    memory = round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30, 1)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    name, driver = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlSystemGetDriverVersion()
    return GPU(number, name, memory, driver, f"{major}.{minor}")


def _visible_indices(uuids: list[str]) -> list[int]:
    """Returns the driver's indices of the GPUs that CUDA shows, in CUDA's order.

    These are the entries of CUDA_VISIBLE_DEVICES, numbers or beginnings of UUIDs, up to the first unknown one.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return list(range(len(uuids)))

    def index(entry: str) -> int | None:
        if entry.startswith("GPU-"):
            return next((index for index, uuid in enumerate(uuids) if uuid.startswith(entry)), None)
        return int(entry) if entry.isdecimal() and int(entry) < len(uuids) else None

    indices = [index(entry.strip()) for entry in listed.split(",")]
    return list(takewhile(lambda index: index is not None, indices))


def _tensorflow():
    """Imports TensorFlow, late because it is slow, so that it numbers GPUs as nvidia-smi does."""
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    import tensorflow as tf

    return tf


def usable_gpus() -> list[int]:
    """Returns the numbers of the GPUs that TensorFlow can use, chosen or not."""
    return [int(_number(gpu)) for gpu in _tensorflow().config.list_physical_devices("GPU")]


def use(choice: str = "auto") -> str:
    """Chooses the device that TensorFlow computes on, and returns a sentence that names it.

    Call it before anything else of TensorFlow; a second call with the same choice does nothing. TensorFlow takes only
    the GPU memory that it needs, so that others can use the GPU too.

    Args:
        choice: "auto" (all GPUs that TensorFlow can use, or else the processor), "cpu", "gpu" (all GPUs, at least one)
            or "gpu:1" (GPU 1 alone).

    Returns:
        One sentence, which also says why "auto" does not use a GPU that is there, and what to do about it.

    Raises:
        ValueError: For any other choice.
        DeviceError: If TensorFlow cannot use the GPU, or computes on another device already.
    """
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", choice):
        raise ValueError(f'unknown device {choice!r}: choose "auto", "cpu", "gpu" or one GPU alone, as "gpu:1"')
    config = _tensorflow().config
    devices = _select(choice, config.list_physical_devices("GPU"))
    try:
        for gpu in devices:
            config.experimental.set_memory_growth(gpu, True)
        config.set_visible_devices(devices, "GPU")
    except RuntimeError as error:
        raise DeviceError(
            f"cannot choose {choice!r}, as TensorFlow computes on {in_use() or 'the processor'} already: call "
            "device.use before anything else of TensorFlow, in a notebook after a restart of its kernel"
        ) from error
    reason = f", as {_why_no_gpu()}" if choice == "auto" and gpus() and not devices else ""
    return f"TensorFlow computes on {in_use() or 'the processor'}{reason}."


def _select(choice: str, usable: list) -> list:
    """Returns the GPUs of a choice out of all that TensorFlow can use; raises DeviceError where it has none."""
    if choice == "cpu":
        return []
    number = choice.partition(":")[2]
    devices = [gpu for gpu in usable if number in ("", _number(gpu))]
    if choice == "auto" or devices:
        return devices
    if usable:
        others = ", ".join(f'"gpu:{_number(gpu)}"' for gpu in usable)
        raise DeviceError(f"TensorFlow can use no GPU {number}: choose one of {others}")
    raise DeviceError(f'cannot compute on {choice!r}, as {_why_no_gpu()}; "auto" and "cpu" use the processor')


def _number(gpu) -> str:
    """Returns the number of TensorFlow's device "/physical_device:GPU:1"."""
    return gpu.name.rpartition(":")[2]


def _why_no_gpu() -> str:
    """Returns why TensorFlow can use no GPU, and what to do about it."""
    if not gpus():
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "NVIDIA's driver shows no GPU" + ("" if listed is None else f" with CUDA_VISIBLE_DEVICES={listed!r}")
    cause = f"CUDA's libraries are missing, or too new for the driver {gpus()[0].driver}"
    if not _tensorflow().test.is_built_with_cuda():
        cause = "this TensorFlow was built without CUDA"
    names = ", ".join(gpu.name for gpu in gpus())
    return (
        f"it cannot use {names}: {cause}; on Linux with x86-64 `make env EXTRAS=gpu`, or in an environment of "
        "your own `pip install 'tensorflow[and-cuda]'`, installs what it needs"
    )


def in_use() -> str:
    """Names the GPUs that TensorFlow computes on, as "GPU 0: NVIDIA H100 80GB HBM3".

    Returns "" if there are none, or if TensorFlow is not loaded.
    """
    if "tensorflow" not in sys.modules:
        return ""
    config = _tensorflow().config
    visible = [(_number(gpu), config.experimental.get_device_details(gpu)) for gpu in config.get_visible_devices("GPU")]
    return ", ".join(f"GPU {number}: {details.get('device_name', 'unknown')}" for number, details in visible)

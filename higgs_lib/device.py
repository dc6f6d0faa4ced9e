"""Detects GPUs, and chooses the device that Keras' backend computes on, TensorFlow or JAX."""

import logging
import os
import platform
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, NamedTuple

import pynvml

from higgs_lib import environment

log = logging.getLogger(__name__)

NO_DRIVER = (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded)


class DeviceError(RuntimeError):
    """Keras' backend cannot use the requested device; the message says why, and what to do."""


class GPU(NamedTuple):
    """An NVIDIA GPU, as its driver describes it."""

    number: int
    """The backend's number: nvidia-smi's, counted among the GPUs that CUDA_VISIBLE_DEVICES shows."""
    name: str
    memory_gib: float
    driver: str
    """Version of the driver."""
    compute_capability: str
    """CUDA's compute capability, "9.0" for an H100."""


def _cpuinfo(*names: str) -> str:
    """Returns the value of the first of these fields in Linux' /proc/cpuinfo; "" elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
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
    """Lists the NVIDIA GPUs that CUDA shows to this process, without TensorFlow or JAX; the driver is asked once.

    The list is empty where there is no driver. It follows the numbers and UUIDs of CUDA_VISIBLE_DEVICES, and leaves out
    parts of a GPU (MIG), and with a warning a GPU that the driver cannot describe.
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
        described = [_describe(index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()
    visible = _visible_indices([uuid for uuid, _ in described])
    return [gpu._replace(number=n) for n, (_, gpu) in enumerate(described[index] for index in visible) if gpu]


def _describe(index: int) -> tuple[str, GPU | None]:
    """Returns the UUID of a GPU and what the driver says about it; "" and None where the driver cannot tell."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30, 1)
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        name, driver = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlSystemGetDriverVersion()
        return pynvml.nvmlDeviceGetUUID(handle), GPU(index, name, memory, driver, f"{major}.{minor}")
    except pynvml.NVMLError as error:
        log.warning("GPU %d is left out: NVIDIA's driver answers %s", index, error)
        return "", None


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

    indices: list[int] = []
    for entry in listed.split(","):
        if (place := index(entry.strip())) is None:
            break
        indices.append(place)
    return indices


class _TensorFlow:
    """The GPUs of TensorFlow."""

    name = "TensorFlow"
    package = "tensorflow[and-cuda]"
    extra = "gpu"

    def __init__(self) -> None:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # numbers GPUs as nvidia-smi does
        import tensorflow as tf

        self.config, self.has_cuda = tf.config, tf.test.is_built_with_cuda

    def _devices(self) -> dict[int, object]:
        """Returns TensorFlow's devices, such as "/physical_device:GPU:1", by number."""
        return {int(gpu.name.rpartition(":")[2]): gpu for gpu in self.config.list_physical_devices("GPU")}

    def usable(self) -> list[int]:
        """Returns the numbers of the GPUs that can be used."""
        return list(self._devices())

    def select(self, numbers: list[int]) -> None:
        """Computes on these GPUs from now on, or on the processor; raises RuntimeError where that is too late."""
        devices = [self._devices()[number] for number in numbers]
        for gpu in devices:
            self.config.experimental.set_memory_growth(gpu, True)
        self.config.set_visible_devices(devices, "GPU")

    def in_use(self) -> dict[int, str]:
        """Returns the names of the GPUs that are computed on, by number."""
        visible = self.config.get_visible_devices("GPU")
        details = self.config.experimental.get_device_details
        return {n: details(gpu).get("device_name", "unknown") for n, gpu in self._devices().items() if gpu in visible}


class _Jax:
    """The GPUs of JAX, which computes on one of them."""

    name = "JAX"
    package = "jax[cuda13]"
    extra = "gpu-jax"

    def __init__(self) -> None:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import jax

        self.jax: Any = jax

    def has_cuda(self) -> bool:
        """Tells whether JAX was installed with its plugin for CUDA."""
        return any(name.startswith("jax_cuda") for name in packages_distributions())

    def _devices(self) -> list[Any]:
        """Returns JAX' GPUs, in the order of their numbers."""
        try:
            return self.jax.devices("gpu")
        except RuntimeError:  # JAX has no backend for GPUs here
            return []

    def usable(self) -> list[int]:
        """Returns the numbers of the GPUs that can be used."""
        return list(range(len(self._devices())))

    def select(self, numbers: list[int]) -> None:
        """Computes on the first of these GPUs from now on, or on the processor."""
        chosen = self._devices()[numbers[0]] if numbers else self.jax.devices("cpu")[0]
        self.jax.config.update("jax_default_device", chosen)

    def in_use(self) -> dict[int, str]:
        """Returns the name of the GPU that is computed on, by number."""
        chosen = self.jax.config.jax_default_device
        if chosen is None or isinstance(chosen, str):  # the name of a platform
            chosen = self.jax.devices(*filter(None, [chosen]))[0]
        return {self._devices().index(chosen): chosen.device_kind} if chosen.platform == "gpu" else {}


def backend() -> str:
    """Returns the name of Keras' backend, "tensorflow" unless it was set otherwise, without importing Keras."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    return environment.keras_backend()


def check_precision(policy: str = "float32") -> None:
    """Raises DeviceError where Keras' settings, or the name of its dtype policy, are not those of all results here."""
    import keras

    for name, used, right in (
        ("floatx", keras.config.floatx(), "float32"),
        ("epsilon", keras.config.epsilon(), 1e-7),
        ("dtype_policy", policy, "float32"),
    ):
        if used != right:
            raise DeviceError(
                f"Keras is set to {name} {used}, which changes results: call keras.config.set_{name}({right!r}) first, "
                f"or correct {environment.keras_settings()}"
            )


def _backend() -> _TensorFlow | _Jax:
    """Returns the GPUs of Keras' backend, which is imported late because it is slow."""
    if backend() not in ("tensorflow", "jax"):
        raise DeviceError(f"devices are chosen for Keras on TensorFlow or JAX, not on {backend()}: set KERAS_BACKEND")
    return _Jax() if backend() == "jax" else _TensorFlow()


def usable_gpus() -> list[int]:
    """Returns the numbers of the GPUs that Keras' backend can use, chosen or not."""
    return _backend().usable()


def use(choice: str = "auto") -> str:
    """Chooses the device that Keras' backend computes on, and returns a sentence that names it.

    Call it before anything else of TensorFlow or JAX; a second call with the same choice does nothing. The backend
    takes only the GPU memory that it needs, so that others can use the GPU too.

    Args:
        choice: "auto" (the GPUs that the backend can use, of which JAX takes the first, or else the processor), "cpu",
            "gpu" (as "auto", but at least one) or "gpu:1" (GPU 1 alone).

    Returns:
        One sentence, which also says why "auto" does not use a GPU that is there, and what to do about it.

    Raises:
        ValueError: For any other choice.
        DeviceError: If the backend cannot use the GPU, or computes on another device already.
    """
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", choice):
        raise ValueError(f'unknown device {choice!r}: choose "auto", "cpu", "gpu" or one GPU alone, as "gpu:1"')
    framework = _backend()
    numbers = _select(choice, framework)
    try:
        framework.select(numbers)
    except RuntimeError as error:
        raise DeviceError(
            f"cannot choose {choice!r}, as {framework.name} computes on {in_use() or 'the processor'} already: call "
            f"device.use before anything else of {framework.name}, in a notebook after a restart of its kernel"
        ) from error
    reason = f", as {_why_no_gpu(framework)}" if choice == "auto" and gpus() and not numbers else ""
    return f"{framework.name} computes on {in_use() or 'the processor'}{reason}."


def _select(choice: str, framework: _TensorFlow | _Jax) -> list[int]:
    """Returns the GPUs of a choice out of all that the backend can use; raises DeviceError where it has none."""
    if choice == "cpu":
        return []
    number, usable = choice.partition(":")[2], framework.usable()
    numbers = [gpu for gpu in usable if number in ("", str(gpu))]
    if choice == "auto" or numbers:
        return numbers
    if usable:
        others = ", ".join(f'"gpu:{gpu}"' for gpu in usable)
        raise DeviceError(f"{framework.name} can use no GPU {number}: choose one of {others}")
    raise DeviceError(f'cannot compute on {choice!r}, as {_why_no_gpu(framework)}; "auto" and "cpu" use the processor')


def _why_no_gpu(framework: _TensorFlow | _Jax) -> str:
    """Returns why the backend can use no GPU, and what to do about it."""
    if not gpus():
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "NVIDIA's driver shows no GPU" + ("" if listed is None else f" with CUDA_VISIBLE_DEVICES={listed!r}")
    cause = f"CUDA's libraries are missing, or too new for the driver {gpus()[0].driver}"
    if not framework.has_cuda():
        cause = f"this {framework.name} was built without CUDA"
    names = ", ".join(gpu.name for gpu in gpus())
    return (
        f"it cannot use {names}: {cause}; on Linux with x86-64 `make env EXTRAS={framework.extra}`, or in an "
        f"environment of your own `pip install '{framework.package}'`, installs what it needs"
    )


def in_use() -> str:
    """Names the GPUs that Keras' backend computes on, as "GPU 0: NVIDIA H100 80GB HBM3".

    Returns "" if there are none, or if Keras is not loaded on TensorFlow or JAX.
    """
    if "keras" not in sys.modules or backend() not in ("tensorflow", "jax"):
        return ""
    return ", ".join(f"GPU {number}: {name}" for number, name in _backend().in_use().items())

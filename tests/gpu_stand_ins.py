"""Stand-ins for an NVIDIA driver, TensorFlow and JAX on a machine with two GPUs, so that the tests need none."""

import sys
from types import SimpleNamespace
from typing import NamedTuple

import keras
import pynvml

from higgs_lib.device import GPU

H100 = GPU(0, "NVIDIA H100 80GB HBM3", 79.6, "570.124.06", "9.0")
A2 = GPU(1, "NVIDIA A2", 14.5, "570.124.06", "8.6")
CARDS = ((H100, "GPU-5fd4a1c0-1", 85_520_809_984), (A2, "GPU-90b3e77a-2", 15_569_256_448))
BOTH = "GPU 0: NVIDIA H100 80GB HBM3, GPU 1: NVIDIA A2"


def stand_in_driver(monkeypatch) -> list[str]:
    """Makes NVML describe the two GPUs, and returns the list of its starts and shutdowns."""
    calls = []
    answers = {
        "nvmlInit": lambda: calls.append("init"),
        "nvmlShutdown": lambda: calls.append("shutdown"),
        "nvmlSystemGetDriverVersion": lambda: H100.driver,
        "nvmlDeviceGetCount": lambda: len(CARDS),
        "nvmlDeviceGetHandleByIndex": lambda index: CARDS[index],
        "nvmlDeviceGetName": lambda card: card[0].name,
        "nvmlDeviceGetUUID": lambda card: card[1],
        "nvmlDeviceGetMemoryInfo": lambda card: SimpleNamespace(total=card[2]),
        "nvmlDeviceGetCudaComputeCapability": lambda card: tuple(map(int, card[0].compute_capability.split("."))),
    }
    for name, answer in answers.items():
        assert hasattr(pynvml, name)
        monkeypatch.setattr(pynvml, name, answer)
    return calls


def failing_driver(monkeypatch, code: int) -> None:
    """Makes NVML fail with an error code when it starts."""

    def fail():
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)


class PhysicalDevice(NamedTuple):
    """As `tf.config.PhysicalDevice`."""

    name: str


class Configuration:
    """As `tf.config` with GPUs, with only those names and rules of TensorFlow that we rely on."""

    def __init__(self, n_gpus=2, begun=False):
        self.usable = [PhysicalDevice(f"/physical_device:GPU:{i}") for i in range(n_gpus)]
        self.visible, self.growing, self.begun = list(self.usable), [], begun
        self.experimental = SimpleNamespace(
            set_memory_growth=self._set_memory_growth,
            get_device_details=lambda gpu: {"device_name": CARDS[self.usable.index(gpu)][0].name},
        )

    def list_physical_devices(self, device_type):
        assert device_type == "GPU"
        return self.usable

    def get_visible_devices(self, device_type):
        assert device_type == "GPU"
        return self.visible

    def set_visible_devices(self, devices, device_type):
        assert device_type == "GPU"
        if self.begun and devices != self.visible:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = devices

    def _set_memory_growth(self, gpu, enable):
        if self.begun and gpu not in self.growing:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        assert enable
        self.growing.append(gpu)


def stand_in_tensorflow(monkeypatch, cuda=True, **settings) -> Configuration:
    """Replaces the installed TensorFlow by one with GPUs, and returns its configuration."""
    config = Configuration(**settings)
    test = SimpleNamespace(is_built_with_cuda=lambda: cuda)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config, test=test))
    return config


class JaxDevice(NamedTuple):
    """As `jax.Device`."""

    platform: str
    device_kind: str


def stand_in_jax(monkeypatch, n_gpus=2) -> SimpleNamespace:
    """Makes JAX, with GPUs, Keras' backend, and returns its configuration."""
    gpus = [JaxDevice("gpu", card[0].name) for card in CARDS[:n_gpus]]
    processor = JaxDevice("cpu", "cpu")
    config = SimpleNamespace(jax_default_device=None)
    config.update = lambda name, value: setattr(config, name, value)

    def devices(platform=""):
        if platform == "gpu" and not gpus:
            raise RuntimeError("Unknown backend: 'gpu' requested")
        return [processor] if platform == "cpu" else gpus or [processor]

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(config=config, devices=devices))
    return config

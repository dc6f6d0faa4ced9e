"""What an NVIDIA driver and TensorFlow would say of their GPUs is said by stand-ins: the tests need none."""

import json
import logging
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pynvml
import pytest

from higgs_lib import device, provenance
from higgs_lib.device import GPU, DeviceError

H100 = GPU(0, "NVIDIA H100 80GB HBM3", 79.6, "570.124.06", "9.0")
A2 = GPU(1, "NVIDIA A2", 14.5, "570.124.06", "8.6")
CARDS = ((H100, "GPU-5fd4a1c0-1", 85_520_809_984), (A2, "GPU-90b3e77a-2", 15_569_256_448))


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Each test asks the driver anew, and the next one knows nothing of its answer."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    device.gpus.cache_clear()
    provenance._unchanging.cache_clear()
    yield
    device.gpus.cache_clear()
    provenance._unchanging.cache_clear()


@pytest.fixture
def driver(monkeypatch):
    """Two GPUs, as NVML describes them; the list of what was opened and closed."""
    calls = []
    answers = {
        "nvmlInit": lambda: calls.append("init"),
        "nvmlShutdown": lambda: calls.append("shutdown"),
        "nvmlSystemGetDriverVersion": lambda: H100.driver,
        "nvmlDeviceGetCount": lambda: len(CARDS),
        "nvmlDeviceGetHandleByIndex": lambda place: CARDS[place],
        "nvmlDeviceGetName": lambda card: card[0].name,
        "nvmlDeviceGetUUID": lambda card: card[1],
        "nvmlDeviceGetMemoryInfo": lambda card: SimpleNamespace(total=card[2]),
        "nvmlDeviceGetCudaComputeCapability": lambda card: tuple(map(int, card[0].compute_capability.split("."))),
    }
    for name, answer in answers.items():
        assert hasattr(pynvml, name)
        monkeypatch.setattr(pynvml, name, answer)
    return calls


def fails_with(monkeypatch, code):
    def fail():
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)


def test_gpus_are_the_drivers_and_asked_once(driver):
    assert device.gpus() == [H100, A2]
    assert device.gpus() == [H100, A2]
    assert driver == ["init", "shutdown"]


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ("", []),
        ("-1", []),
        ("1", ["NVIDIA A2"]),
        ("1, 0", ["NVIDIA A2", H100.name]),
        ("0,7,1", [H100.name]),  # CUDA looks no further than the first that is not there
        ("GPU-90b3", ["NVIDIA A2"]),
        ("GPU-0000", []),
        ("MIG-90b3", []),
    ],
)
def test_gpus_are_those_that_cuda_shows_and_numbered_as_it_does(driver, monkeypatch, listed, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert [gpu.name for gpu in device.gpus()] == names
    assert [gpu.number for gpu in device.gpus()] == list(range(len(names)))


@pytest.mark.parametrize(
    ("code", "warnings"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, 0),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, 0),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, 1),
    ],
)
def test_without_a_driver_there_are_no_gpus_and_a_broken_one_is_told(monkeypatch, caplog, code, warnings):
    fails_with(monkeypatch, code)
    with caplog.at_level(logging.WARNING):
        assert device.gpus() == []
    assert len([record for record in caplog.records if "NVIDIA's driver" in record.message]) == warnings
    assert "no GPU" in provenance.describe()


def test_a_driver_that_fails_half_way_is_closed(driver, monkeypatch):
    def lost(_):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lost)
    assert device.gpus() == []
    assert driver == ["init", "shutdown"]


class Physical(NamedTuple):
    """As `tf.config.PhysicalDevice`."""

    name: str


class Configuration:
    """Stands in for `tf.config` where there are two GPUs: only the names and rules of TensorFlow's that we rely on."""

    def __init__(self, n_gpus=2, begun=False):
        self.usable = [Physical(f"/physical_device:GPU:{i}") for i in range(n_gpus)]
        self.visible, self.growing, self.begun = list(self.usable), [], begun
        self.experimental = SimpleNamespace(
            set_memory_growth=self._set_memory_growth,
            get_device_details=lambda gpu: {"device_name": CARDS[self.usable.index(gpu)][0].name},
        )

    def list_physical_devices(self, kind):
        assert kind == "GPU"
        return self.usable

    def get_visible_devices(self, kind):
        assert kind == "GPU"
        return self.visible

    def set_visible_devices(self, devices, kind):
        assert kind == "GPU"
        if self.begun and devices != self.visible:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = devices

    def _set_memory_growth(self, gpu, wanted):
        if self.begun and gpu not in self.growing:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        assert wanted
        self.growing.append(gpu)


def tensorflow(monkeypatch, cuda=True, **settings) -> Configuration:
    """A TensorFlow with GPUs, in place of the one installed."""
    config = Configuration(**settings)
    test = SimpleNamespace(is_built_with_cuda=lambda: cuda)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config, test=test))
    return config


BOTH = "GPU 0: NVIDIA H100 80GB HBM3, GPU 1: NVIDIA A2"


@pytest.mark.parametrize(
    ("choice", "chosen", "place"),
    [
        ("auto", [0, 1], BOTH),
        ("gpu", [0, 1], BOTH),
        ("gpu:1", [1], "GPU 1: NVIDIA A2"),
        ("cpu", [], "the processor"),
    ],
)
def test_the_gpus_chosen_are_the_only_ones_and_take_no_more_memory_than_they_need(
    driver, monkeypatch, choice, chosen, place
):
    config = tensorflow(monkeypatch)
    for _ in range(2):
        assert device.use(choice) == f"TensorFlow computes on {place}."
        assert config.visible == [config.usable[i] for i in chosen]
        assert all(gpu in config.growing for gpu in config.visible)
        config.begun = True


def test_the_stamp_follows_the_choice(driver, monkeypatch):
    tensorflow(monkeypatch)
    assert provenance.stamp()["computes_on"] == BOTH  # as TensorFlow would without a choice
    device.use("gpu:1")
    assert provenance.stamp()["computes_on"] == "GPU 1: NVIDIA A2"
    assert "NVIDIA A2 (14.5 GiB, driver 570.124.06), computing on GPU 1: NVIDIA A2; Python" in provenance.describe()
    device.use("cpu")
    stored = json.loads(json.dumps(provenance.stamp()))
    assert stored["computes_on"] == "processor"
    assert stored["gpus"] == [H100._asdict(), A2._asdict()]
    assert "computing on the processor" in provenance.describe()


def test_where_tensorflow_is_not_loaded_the_processor_computes(driver, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert provenance.stamp()["computes_on"] == "processor"
    assert "computing" not in provenance.describe()
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(
    ("choice", "settings", "message"),
    [
        ("gpu:2", {}, 'can use no GPU 2: choose one of "gpu:0", "gpu:1"'),
        ("gpu", {"n_gpus": 0}, r"cannot compute on 'gpu', as it cannot use .*H100.*EXTRAS=gpu"),
        ("gpu:0", {"n_gpus": 0, "cuda": False}, "built without CUDA"),
        ("auto", {"begun": True}, f"computes on {BOTH} already.*restart of its kernel"),
        ("cpu", {"begun": True}, f"computes on {BOTH} already.*restart of its kernel"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_the_reason(driver, monkeypatch, choice, settings, message):
    config = tensorflow(monkeypatch, **settings)
    with pytest.raises(DeviceError, match=message):
        device.use(choice)
    assert config.visible == config.usable


@pytest.mark.parametrize("choice", ["tpu", "gpu:", "gpu:one", "GPU", "cpu:0", ""])
def test_unknown_devices_are_refused(choice):
    with pytest.raises(ValueError, match=re.escape(f'unknown device {choice!r}: choose "auto", "cpu", "gpu"')):
        device.use(choice)


@pytest.mark.parametrize(
    ("cuda", "reason"),
    [(True, "CUDA's libraries are missing, or too new for the driver 570.124.06"), (False, "built without CUDA")],
)
def test_a_gpu_that_tensorflow_misses_is_told_with_what_would_help(driver, monkeypatch, cuda, reason):
    tensorflow(monkeypatch, n_gpus=0, cuda=cuda)
    told = device.use("auto")
    assert told.startswith("TensorFlow computes on the processor, as it cannot use NVIDIA H100 80GB HBM3, NVIDIA A2: ")
    assert reason in told
    assert "`make env EXTRAS=gpu`" in told
    assert "`pip install 'tensorflow[and-cuda]'`" in told
    assert device.use("cpu") == "TensorFlow computes on the processor."


def test_without_a_gpu_auto_says_no_more_than_that(monkeypatch):
    fails_with(monkeypatch, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    tensorflow(monkeypatch, n_gpus=0)
    assert device.use() == "TensorFlow computes on the processor."
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(DeviceError, match="shows no GPU with CUDA_VISIBLE_DEVICES=''"):
        device.use("gpu")


REAL = """
import sys
from higgs_lib import device

assert "tensorflow" not in sys.modules
assert device.use("cpu") == "TensorFlow computes on the processor."

import tensorflow as tf
from tensorflow.python.eager import context

from higgs_lib import models, speed, steps  # as the notebooks do, before they choose

assert tf.config.get_visible_devices("GPU") == []
assert isinstance(tf.test.is_built_with_cuda(), bool)

gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(2)]
known = context.context()
known._physical_devices += gpus
known._visible_device_list += gpus
known._memory_growth_map.update(dict.fromkeys(gpus))
known.get_device_details = lambda gpu: {"device_name": "NVIDIA A2"}
assert device.use("gpu:1") == "TensorFlow computes on GPU 1: NVIDIA A2."
assert tf.config.get_visible_devices("GPU") == [gpus[1]]
assert [tf.config.experimental.get_memory_growth(gpu) for gpu in gpus] == [None, True]
assert steps.has_gpu()
assert device.use("auto") == "TensorFlow computes on GPU 0: NVIDIA A2, GPU 1: NVIDIA A2."
assert tf.config.experimental.get_memory_growth(gpus[0])

device.use("cpu")
assert not steps.has_gpu()
assert tf.constant(1.0).device.endswith("CPU:0")
device.use("cpu")
try:
    device.use("gpu:1")
except device.DeviceError as error:
    print(error)
assert device.stamp()["computes_on"] == "processor"
"""


def test_the_real_tensorflow_is_asked_for_what_was_chosen():
    # GPUs are written into TensorFlow's list of devices; that it then computes on them needs one, and is not tested
    answer = subprocess.run([sys.executable, "-W", "error", "-c", REAL], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "cannot choose 'gpu:1', as TensorFlow computes on the processor already" in answer.stdout

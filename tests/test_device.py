import logging
import os
import re
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pynvml
import pytest
from gpu_stand_ins import A2, BOTH, CARDS, H100, failing_driver, stand_in_driver, stand_in_jax, stand_in_tensorflow

from higgs_lib import device, models, training
from higgs_lib.data import Sample
from higgs_lib.device import DeviceError


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Makes each test ask the driver again."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    device.gpus.cache_clear()
    yield
    device.gpus.cache_clear()


@pytest.fixture
def driver(monkeypatch):
    return stand_in_driver(monkeypatch)


def test_the_driver_lists_the_gpus_and_is_asked_once(driver):
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
        ("0,7,1", [H100.name]),  # CUDA stops at the first unknown one
        ("GPU-90b3", ["NVIDIA A2"]),
        ("GPU-0000", []),
        ("MIG-90b3", []),
    ],
)
def test_gpus_are_those_that_cuda_shows_with_its_numbers(driver, monkeypatch, listed, names):
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
def test_without_a_driver_there_are_no_gpus_and_a_broken_one_is_logged(monkeypatch, caplog, code, warnings):
    failing_driver(monkeypatch, code)
    with caplog.at_level(logging.WARNING):
        assert device.gpus() == []
    assert len([record for record in caplog.records if "NVIDIA's driver" in record.message]) == warnings


def test_a_driver_that_fails_midway_is_shut_down(driver, monkeypatch):
    def fail(_):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", fail)
    assert device.gpus() == []
    assert driver == ["init", "shutdown"]


@pytest.mark.parametrize("question", ["HandleByIndex", "MemoryInfo", "UUID", "Name", "CudaComputeCapability"])
@pytest.mark.parametrize("broken", [0, 1])
def test_a_gpu_that_the_driver_cannot_describe_hides_no_other(driver, monkeypatch, caplog, question, broken):
    answer = getattr(pynvml, f"nvmlDeviceGet{question}")

    def answer_or_fail(card):
        if card in (broken, CARDS[broken]):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return answer(card)

    monkeypatch.setattr(pynvml, f"nvmlDeviceGet{question}", answer_or_fail)
    others = [card for card in (H100, A2) if card.number != broken]
    assert device.gpus() == others
    assert [record.message for record in caplog.records] == [
        f"GPU {broken} is left out: NVIDIA's driver answers GPU is lost"
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{1 - broken}")
    device.gpus.cache_clear()
    assert device.gpus() == [others[0]._replace(number=0)]


@pytest.mark.parametrize(
    ("choice", "numbers", "names"),
    [
        ("auto", [0, 1], BOTH),
        ("gpu", [0, 1], BOTH),
        ("gpu:1", [1], "GPU 1: NVIDIA A2"),
        ("cpu", [], "the processor"),
    ],
)
def test_tensorflow_sees_only_the_selected_gpus_and_takes_memory_as_it_needs_it(
    driver, monkeypatch, choice, numbers, names
):
    config = stand_in_tensorflow(monkeypatch)
    for _ in range(2):
        assert device.use(choice) == f"TensorFlow computes on {names}."
        assert config.visible == [config.usable[i] for i in numbers]
        assert all(gpu in config.growing for gpu in config.visible)
        config.begun = True


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
def test_an_unusable_choice_is_an_error_that_says_why(driver, monkeypatch, choice, settings, message):
    config = stand_in_tensorflow(monkeypatch, **settings)
    with pytest.raises(DeviceError, match=message):
        device.use(choice)
    assert config.visible == config.usable


@pytest.mark.parametrize("choice", ["tpu", "gpu:", "gpu:one", "GPU", "cpu:0", ""])
def test_unknown_devices_are_errors(choice):
    with pytest.raises(ValueError, match=re.escape(f'unknown device {choice!r}: choose "auto", "cpu", "gpu"')):
        device.use(choice)


@pytest.mark.parametrize(
    ("cuda", "reason"),
    [(True, "CUDA's libraries are missing, or too new for the driver 570.124.06"), (False, "built without CUDA")],
)
def test_a_gpu_that_tensorflow_cannot_use_is_explained(driver, monkeypatch, cuda, reason):
    stand_in_tensorflow(monkeypatch, n_gpus=0, cuda=cuda)
    answer = device.use("auto")
    assert answer.startswith(
        "TensorFlow computes on the processor, as it cannot use NVIDIA H100 80GB HBM3, NVIDIA A2: "
    )
    assert reason in answer
    assert "`make env EXTRAS=gpu`" in answer
    assert "`pip install 'tensorflow[and-cuda]'`" in answer
    assert device.use("cpu") == "TensorFlow computes on the processor."


def test_without_a_gpu_auto_explains_nothing(monkeypatch):
    failing_driver(monkeypatch, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    stand_in_tensorflow(monkeypatch, n_gpus=0)
    assert device.use() == "TensorFlow computes on the processor."
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(DeviceError, match="shows no GPU with CUDA_VISIBLE_DEVICES=''"):
        device.use("gpu")


@pytest.mark.parametrize(
    ("choice", "computes_on"),
    [("auto", f"GPU 0: {H100.name}"), ("gpu", f"GPU 0: {H100.name}"), ("gpu:1", "GPU 1: NVIDIA A2"), ("cpu", "")],
)
def test_jax_computes_on_one_gpu_and_another_can_be_chosen_later(driver, monkeypatch, choice, computes_on):
    stand_in_jax(monkeypatch)
    assert device.usable_gpus() == [0, 1]
    assert device.in_use() == f"GPU 0: {H100.name}"
    for first in ("cpu", choice):
        sentence = device.use(first)
    assert sentence == f"JAX computes on {computes_on or 'the processor'}."
    assert device.in_use() == computes_on


def test_a_gpu_that_jax_cannot_use_is_explained(driver, monkeypatch):
    stand_in_jax(monkeypatch, n_gpus=0)
    answer = device.use("auto")
    assert answer.startswith("JAX computes on the processor, as it cannot use NVIDIA H100 80GB HBM3, NVIDIA A2: ")
    assert "`make env EXTRAS=gpu-jax`" in answer
    assert "`pip install 'jax[cuda13]'`" in answer
    with pytest.raises(DeviceError, match="cannot compute on 'gpu:1', as it cannot use"):
        device.use("gpu:1")


def test_another_backend_of_keras_is_refused(monkeypatch):
    stand_in_jax(monkeypatch)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(DeviceError, match="for Keras on TensorFlow or JAX, not on torch: set KERAS_BACKEND"):
        device.use("cpu")


def test_the_backend_is_known_without_importing_keras(tmp_path):
    """As Keras finds it: the environment, then its settings, then TensorFlow."""
    program = "import sys; from higgs_lib import device; print(device.backend()); assert 'keras' not in sys.modules"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    for changes, name in (
        ({"KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path / "none")}, "jax"),
        ({"KERAS_BACKEND": "", "KERAS_HOME": str(tmp_path / "none")}, "tensorflow"),
        ({"KERAS_BACKEND": "", "KERAS_HOME": str(tmp_path)}, "jax"),
        ({"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(tmp_path)}, "tensorflow"),
    ):
        command = [sys.executable, "-c", program]
        answer = subprocess.run(command, env=os.environ | changes, capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == name


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [("floatx", "float64", "'float32'"), ("floatx", "float16", "'float32'"), ("epsilon", 1e-3, "1e-07")],
)
def test_another_precision_of_keras_is_refused_by_models_and_trainings(monkeypatch, name, value, right):
    """As keras.json of a user may have it: it is in no recipe, and changes every number."""
    usual = getattr(keras.config, name)()
    model = keras.Sequential([keras.Input((28,)), keras.layers.Dense(1, activation="sigmoid")])
    events = Sample(np.zeros((100, 28), np.float32), np.repeat(np.float32([0, 1]), 50))
    standard = models.Standardisation(np.zeros(28), np.ones(28))
    message = re.escape(f"Keras is set to {name} {value}, which changes results: call keras.config.set_{name}({right})")
    getattr(keras.config, f"set_{name}")(value)
    try:
        with pytest.raises(DeviceError, match=message):
            models.build(models.PRESETS["shallow"], standard, seed=1)
        with pytest.raises(DeviceError, match=message):
            training.fit(model, keras.optimizers.SGD(), events, events, training.TrainConfig(1, 100), seed=1)
    finally:
        getattr(keras.config, f"set_{name}")(usual)


def test_a_network_of_another_policy_is_asked_for_by_its_spec_alone():
    standard = models.Standardisation(np.zeros(28), np.ones(28))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(DeviceError, match=r"dtype_policy mixed_bfloat16, which changes results.*keras\.json"):
            models.build(models.PRESETS["shallow"], standard, seed=1)
    finally:
        keras.config.set_dtype_policy("float32")
    network = models.build(replace(models.PRESETS["shallow"], precision="bfloat16"), standard, seed=1)
    assert network.get_layer("hidden_1").compute_dtype == "bfloat16"


PROGRAM = """
import sys
from higgs_lib import device, provenance

assert "tensorflow" not in sys.modules
assert device.use("cpu") == "TensorFlow computes on the processor."

import tensorflow as tf
from tensorflow.python.eager import context

from higgs_lib import models, performance, training  # as the notebooks do before they choose a device
from higgs_lib.training import steps

assert tf.config.get_visible_devices("GPU") == []
assert isinstance(tf.test.is_built_with_cuda(), bool)

gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(2)]
tensorflow = context.context()
tensorflow._physical_devices += gpus
tensorflow._visible_device_list += gpus
tensorflow._memory_growth_map.update(dict.fromkeys(gpus))
tensorflow.get_device_details = lambda gpu: {"device_name": "NVIDIA A2"}
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
assert provenance.stamp()["computes_on"] == "processor"
"""


def test_the_installed_tensorflow_follows_the_choice():
    # GPUs are added to TensorFlow's list of devices; computing on one is not tested, as that needs a GPU
    answer = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "cannot choose 'gpu:1', as TensorFlow computes on the processor already" in answer.stdout

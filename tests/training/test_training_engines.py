"""TensorFlow's and JAX' engines train alike. A process has one of them, so JAX runs in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import engine_losses
import keras
import numpy as np
import pytest
from small_training import build

from higgs_lib import models, training
from higgs_lib.models import PRESETS
from higgs_lib.training import CheckpointError, steps

FOLDER = Path(__file__).parent
ON_JAX = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
OPTIMIZERS = ("sgd", "adam", "adamax", "adadelta", "adagrad", "muon")


@pytest.fixture(scope="module")
def by_jax(events, tmp_path_factory):
    """The file of the initial weights, and a function that waits for JAX' process and returns the files of its losses
    and of its checkpoint. The process starts here, so that it computes while the first test uses TensorFlow.
    """
    folder = tmp_path_factory.mktemp("jax")
    weights, losses, checkpoint = [folder / f"{name}.npz" for name in ("weights", "losses", "training")]
    standard = models.Standardisation(np.zeros(28), np.ones(28))
    np.savez(weights, *models.build(PRESETS["deep"], standard, seed=1).get_weights())
    program = str(FOLDER / "engine_losses.py")
    command = [sys.executable, program, *map(str, (events, weights, losses, checkpoint)), *OPTIMIZERS]
    with subprocess.Popen(command, env=ON_JAX) as process:

        def wait():
            assert process.wait() == 0
            return losses, checkpoint

        yield weights, wait


@pytest.fixture(scope="module")
def tests_on_jax():
    """The process of the tests of training on JAX; it starts here, so that it computes while others wait."""
    names = ("loop", "steps", "batch_loader", "collectives", "checkpoint")
    files = [str(FOLDER / f"test_training_{name}.py") for name in names]
    # Left out: what is of processes, connections or warnings rather than of steps, and what follows from the losses of
    # TensorFlow's steps, compared below with JAX' and in these tests with Keras'.
    without_steps = "killed or vectors or gathered or noticed or stranger or unpickled or without_bfloat16"
    follows = "sgd or adadelta or after_an_epoch_in_batches or fewer_events_than_ranks"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-k", f"not ({without_steps} or {follows})", *files]
    with subprocess.Popen(command, env=ON_JAX, stdout=subprocess.PIPE, text=True) as process:
        yield process


def test_200_steps_of_each_optimizer_have_the_losses_of_tensorflow(events, by_jax, tests_on_jax):
    """Up to the rounding of float32, which grows from step to step."""
    weights, wait = by_jax
    on_tensorflow = {name: engine_losses.losses(events, weights, name) for name in OPTIMIZERS}
    with np.load(wait()[0]) as on_jax:
        for name, here in on_tensorflow.items():
            assert on_jax[name][:10] == pytest.approx(here[:10], rel=1e-5)
            assert on_jax[name] == pytest.approx(here, rel=1e-3)
            assert here[-10:].mean() < here[:10].mean()


def test_the_tests_of_training_pass_on_jax(tests_on_jax):
    """Order of events, exact resume, streams, groups, early stopping, any model, loss and optimizer."""
    output, _ = tests_on_jax.communicate()
    assert tests_on_jax.returncode == 0, output[-5000:]


def test_a_checkpoint_of_the_other_engine_is_refused(samples, by_jax):
    """Their random numbers and roundings differ, so that a training cannot resume as if it had never stopped."""
    checkpoint = by_jax[1]()[1]
    with pytest.raises(CheckpointError, match="with different Keras backend; delete it to start over"):
        training.fit(*build(), *samples, training.TrainConfig(2, 100), seed=1, checkpoint=checkpoint, jit_compile=True)


def test_another_backend_of_keras_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="needs Keras on TensorFlow or JAX, not on torch: set KERAS_BACKEND"):
        steps.engine()

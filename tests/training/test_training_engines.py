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


def test_200_steps_of_each_optimizer_have_the_losses_of_tensorflow(events, tmp_path):
    """Up to the rounding of float32, which grows from step to step."""
    weights, destination = tmp_path / "weights.npz", tmp_path / "losses.npz"
    standard = models.Standardisation(np.zeros(28), np.ones(28))
    np.savez(weights, *models.build(PRESETS["deep"], standard, seed=1).get_weights())
    program = str(FOLDER / "engine_losses.py")
    command = [sys.executable, program, str(events), str(weights), str(destination), *OPTIMIZERS]
    subprocess.run(command, env=ON_JAX, check=True)
    with np.load(destination) as on_jax:
        for name in OPTIMIZERS:
            here = engine_losses.losses(events, weights, name)
            assert on_jax[name][:10] == pytest.approx(here[:10], rel=1e-5)
            assert on_jax[name] == pytest.approx(here, rel=1e-3)
            assert here[-10:].mean() < here[:10].mean()


def test_the_tests_of_training_pass_on_jax():
    """Order of events, exact resume, streams, groups, early stopping, any model, loss and optimizer."""
    names = ("loop", "steps", "batch_loader", "collectives", "checkpoint")
    files = [str(FOLDER / f"test_training_{name}.py") for name in names]
    # what is left out takes half a minute, and is of processes rather than of steps
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not killed", *files]
    answer = subprocess.run(command, env=ON_JAX, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout[-5000:]


STORE = """
import sys
sys.path.insert(0, sys.argv[1])
from small_training import build, sample
from higgs_lib import training
training.fit(*build(), sample(3030, 1), sample(1500, 2), training.TrainConfig(2, 100), seed=1, checkpoint=sys.argv[2])
"""


def test_a_checkpoint_of_the_other_engine_is_refused(samples, tmp_path):
    """Their random numbers and roundings differ, so that a training cannot resume as if it had never stopped."""
    path = tmp_path / "training.npz"
    subprocess.run([sys.executable, "-c", STORE, str(FOLDER), str(path)], env=ON_JAX, check=True)
    with pytest.raises(CheckpointError, match="with different Keras backend; delete it to start over"):
        training.fit(*build(), *samples, training.TrainConfig(2, 100), seed=1, checkpoint=path, jit_compile=True)


def test_another_backend_of_keras_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="needs Keras on TensorFlow or JAX, not on torch: set KERAS_BACKEND"):
        steps.engine()

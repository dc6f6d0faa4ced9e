import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from small_training import build, weights

from higgs_lib import models, training
from higgs_lib.data import LOW, Sample
from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.training import CheckpointError, TrainConfig, loop

WITHOUT_XLA = None if keras.backend.backend() == "jax" else False  # which compiles longer than these trainings last

RESUMABLE = """
import json, sys
import keras, numpy as np
from higgs_lib import models, training
from higgs_lib.models import ModelSpec
sys.path.insert(0, sys.argv[1])
from small_training import sample
print("ready", flush=True)
sys.stdin.readline()
spec = ModelSpec((50, 50), dropout=0.2, schedule="cosine")
model = models.build(spec, models.Standardisation(np.zeros(6), np.ones(6)), 3)
optimizer = models.optimizer(spec, n_events=20_000, batch_size=100, epochs=12)
config = training.TrainConfig(epochs=12, batch_size=100)
history = training.fit(
    model, optimizer, sample(20_000, 1), sample(2000, 2), config, seed=5, checkpoint=sys.argv[2], jit_compile=False
)
np.savez(sys.argv[3], *model.get_weights(), *[v.numpy() for v in optimizer.variables])
print(json.dumps(history.as_dict()))
"""


def test_a_training_that_is_killed_resumes_to_the_same_weights(tmp_path):
    """To the bit and without training an epoch twice, for SIGKILL at two moments after an epoch was stored."""
    checkpoint, pipes = tmp_path / "killed.npz", {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    def start(name):
        arguments = [Path(__file__).parent, tmp_path / f"{name}.npz", tmp_path / f"{name}-weights.npz"]
        return subprocess.Popen([sys.executable, "-c", RESUMABLE, *map(str, arguments)], **pipes)

    with ExitStack() as stack:
        names = ("undisturbed", "killed", "killed", "killed")
        undisturbed, *killed, resumed = (stack.enter_context(start(name)) for name in names)
        for process in (undisturbed, *killed, resumed):  # all import at once, then wait for a line
            assert process.stdout.readline() == "ready\n"
        ends = {"undisturbed": undisturbed.communicate("\n")[0]}
        trained = []  # seconds of each epoch so far, at each kill
        for process, delay in zip(killed, (0.0, 0.1), strict=True):
            written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            process.stdin.write("\n")
            process.stdin.flush()
            while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns != written):
                time.sleep(0.002)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            with np.load(checkpoint) as stored:
                trained.append(json.loads(str(stored["about"]))["history"]["seconds"])
        ends["killed"] = resumed.communicate("\n")[0]
    results = {}
    for name, end in ends.items():
        history = json.loads(end)
        seconds = history.pop("seconds")
        assert len(seconds) == 12
        if name == "killed":
            assert all(len(before) < 12 and seconds[: len(before)] == before for before in trained)
        results[name] = history, dict(np.load(tmp_path / f"{name}-weights.npz"))
    assert results["killed"][0] == results["undisturbed"][0]
    assert results["killed"][1].keys() == results["undisturbed"][1].keys()
    for key, value in results["undisturbed"][1].items():
        assert np.array_equal(results["killed"][1][key], value)


def test_muon_augmentation_and_frequencies_resume_to_the_same_weights(samples, tmp_path, monkeypatch):
    spec = replace(PRESETS["modern"], hidden=(20, 20))
    config = TrainConfig(epochs=4, batch_size=100)

    def train(checkpoint=None):
        standard = models.Standardisation(np.zeros(6), np.ones(6))
        model = models.build(spec, standard, 3, columns=LOW[:6])
        optimizer = models.optimizer(spec, samples[0].n_events, config.batch_size, config.epochs)
        training.fit(model, optimizer, *samples, config, seed=5, checkpoint=checkpoint, jit_compile=WITHOUT_XLA)
        return weights(model)

    calls, evaluate = [], loop.evaluate

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "training.npz")
    assert np.array_equal(train(tmp_path / "training.npz"), train())


def test_a_finished_training_is_not_run_again(samples, tmp_path):
    results = []
    for _ in range(2):
        model, optimizer = build()
        config = TrainConfig(epochs=3, batch_size=100)
        history = training.fit(model, optimizer, *samples, config, seed=1, checkpoint=tmp_path / "c.npz")
        results.append((weights(model).tolist(), history))
    assert results[0] == results[1]  # including the seconds of each epoch


class Undescribed(keras.Model):
    """A custom class with an argument that Keras cannot serialise."""

    def __init__(self, about: object, units: int):
        super().__init__()
        self.about = about
        self.inner = keras.layers.Dense(units, activation="tanh")
        self.outer = keras.layers.Dense(1, activation="sigmoid")

    def call(self, features):
        return self.outer(self.inner(features))


def test_a_model_of_a_custom_class_resumes_from_its_checkpoint(samples, tmp_path):
    settings = {"config": TrainConfig(epochs=2, batch_size=100), "seed": 1, "checkpoint": tmp_path / "own.npz"}
    results = []
    for _ in range(2):
        model = Undescribed(object(), 5)
        with pytest.raises(NotImplementedError):
            model.to_json()
        history = training.fit(model, keras.optimizers.Adam(0.01), *samples, **settings)
        results.append((history, weights(model).tolist()))
    assert results[0] == results[1]  # initial weights have no seed here, so the second are those of the file
    with pytest.raises(CheckpointError, match="different model; delete"):
        training.fit(Undescribed(object(), 6), keras.optimizers.Adam(0.01), *samples, **settings)


def test_a_checkpoint_of_another_training_is_refused(samples, tmp_path):
    path = tmp_path / "checkpoint.npz"
    config = TrainConfig(epochs=2, batch_size=100)
    settings = {"config": config, "seed": 1, "checkpoint": path}
    training.fit(*build(), *samples, **settings)
    before = path.read_bytes()
    for change, name in (
        ({"seed": 2}, "seed"),
        ({"config": config._replace(batch_size=50)}, "batch size"),
        ({"config": config._replace(epochs=3)}, "epochs"),
    ):
        message = f"checkpoint.npz: the checkpoint belongs to a training with different {name}; delete"
        with pytest.raises(CheckpointError, match=message):
            training.fit(*build(), *samples, **settings | change)
    for changes in ({"activation": "relu"}, {"dropout": 0.1}, {"l2": 0.1}, {"precision": "bfloat16"}):
        with pytest.raises(CheckpointError, match=r"a training with different (XLA, )?model; delete"):
            training.fit(*build(ModelSpec((20, 20), **changes)), *samples, **settings)
    with pytest.raises(CheckpointError, match="different optimizer; delete"):
        training.fit(*build(ModelSpec((20, 20), optimizer="sgd")), *samples, **settings)
    others = [Sample(sample.features + 1, sample.labels) for sample in samples]
    with pytest.raises(CheckpointError, match="different training events; delete"):
        training.fit(*build(), others[0], samples[1], **settings)
    with pytest.raises(CheckpointError, match="different validation events; delete"):
        training.fit(*build(), samples[0], others[1], **settings)
    assert path.read_bytes() == before


def test_a_training_with_a_damaged_checkpoint_starts_over_to_the_same_weights(samples, tmp_path, caplog):
    settings = {"config": TrainConfig(epochs=2, batch_size=100), "seed": 1, "checkpoint": tmp_path / "c.npz"}
    results = []
    for damage in (False, True):
        if damage:
            (tmp_path / "c.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:-1000])
        model, optimizer = build()
        history = training.fit(model, optimizer, *samples, **settings)
        results.append((history.validation, weights(model).tolist()))
    assert results[0] == results[1]
    assert "c.npz: not a checkpoint" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"c.npz", "c.damaged.npz"}

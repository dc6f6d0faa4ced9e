import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from higgs_lib import data, metrics, models, simulation, training
from higgs_lib.data import COMPLETE, EventStream, Sample, parquet
from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.training import CheckpointError, TrainConfig, batching, loop, steps


def sample(n, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.5).astype(np.float32)
    features = rng.normal(0, 1, (n, 6)).astype(np.float32)
    features[:, 0] += labels
    features[:, 1] *= 1 + labels
    return Sample(features, labels)


@pytest.fixture(scope="module")
def samples():
    return sample(3030, 1), sample(1500, 2)  # 3030 is no multiple of the batch sizes


def build(spec=ModelSpec((20, 20)), seed=3):
    standard = models.Standardisation(np.zeros(6), np.ones(6))
    return models.build(spec, standard, seed), models.optimizer(spec, n_events=3030, batch_size=100, epochs=5)


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


BALDI_LIKE = {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.5, "final_momentum": 0.9, "momentum_epochs": 1}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("steps", [{"optimizer": "sgd"}, {"optimizer": "adam"}, {"optimizer": "adadelta"}, BALDI_LIKE])
def test_an_epoch_is_that_of_keras_fit_on_the_same_batches(samples, steps, compiled):
    """Keras is given the events in the order that the loop shuffles them into."""
    spec = ModelSpec((20, 20), l2=1e-4, **steps)
    ours, step = build(spec)
    training.fit(ours, step, *samples, TrainConfig(epochs=2, batch_size=128), seed=5, jit_compile=compiled)
    theirs, step = build(spec)
    theirs.compile(step, "binary_crossentropy")
    for epoch in (1, 2):
        (block,) = batching.order(3030, 128, seed=5, epoch=epoch)
        shuffled = samples[0].take(block.rows)
        theirs.fit(*shuffled, batch_size=128, shuffle=False, verbose=0)
    # a tenth of the largest change of a weight by one step of Adam is 1e-4
    assert weights(ours) == pytest.approx(weights(theirs), abs=2e-5)


def test_the_deep_nets_loss_is_keras_after_an_epoch_in_batches_of_100(events):
    """On built-in events."""
    sample = data.load(events, COMPLETE, range(20_000))
    losses = []
    for _ in range(2):
        model = models.build(PRESETS["deep"], models.standardisation(sample), seed=1)
        optimizer = models.optimizer(PRESETS["deep"], n_events=20_000, batch_size=100, epochs=1)
        if losses:
            model.compile(optimizer, "binary_crossentropy")
            (block,) = batching.order(20_000, 100, seed=5, epoch=1)
            model.fit(*sample.take(block.rows), batch_size=100, shuffle=False, verbose=0)
        else:
            training.fit(model, optimizer, sample, sample, TrainConfig(epochs=1, batch_size=100), seed=5)
        losses.append(training.evaluate(model, sample, keras.losses.BinaryCrossentropy()).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_same_seed_gives_the_same_numbers(samples):
    runs = []
    for seed in (5, 5, 6):
        model, step = build(ModelSpec((20, 20), dropout=0.2))
        history = training.fit(model, step, *samples, TrainConfig(epochs=2, batch_size=100), seed=seed)
        runs.append((weights(model), history.validation))
    assert np.array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_measures_are_those_of_the_final_model(samples):
    model, step = build()
    history = training.fit(model, step, *samples, TrainConfig(epochs=1, batch_size=100), seed=1)
    scores = model.predict(samples[1].features, verbose=0)[:, 0]
    measured = history.validation[0]
    assert measured.auc == metrics.auc(samples[1].labels, scores)
    wanted = -np.mean(np.log(np.where(samples[1].labels == 1, scores, 1 - scores)))
    assert measured.loss == pytest.approx(wanted, rel=1e-5)
    assert history.events_per_second > 0


def test_training_measures_are_of_the_scores_that_the_steps_computed(samples):
    """With steps too small to matter they are the first model's on all training events."""
    model, step = build(ModelSpec((20, 20), optimizer="sgd", learning_rate=1e-12))
    before = training.evaluate(model, samples[0], keras.losses.BinaryCrossentropy())
    history = training.fit(model, step, *samples, TrainConfig(epochs=1, batch_size=100), seed=1)
    assert history.training[0] == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_from_the_file_the_weights_are_those_from_memory(tmp_path, monkeypatch, compiled):
    """To the bit, with several blocks an epoch, the last of them smaller."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 300)
    simulation.simulate(tmp_path / "events.parquet", 2500, seed=1, workers=1)
    monkeypatch.setattr(batching, "SHARD", 256)
    monkeypatch.setattr(batching, "SHARDS_A_BLOCK", 3)
    stream = EventStream.open(tmp_path / "events.parquet", COMPLETE, range(100, 2400))
    assert len(list(batching.order(stream.n_events, 100, 1, 1))) == 4
    found = []
    for events in (stream, stream.load()):
        model = models.build(ModelSpec((20, 20), dropout=0.1), models.standardisation(events), seed=1)
        optimizer = models.optimizer(ModelSpec((20,)), n_events=2300, batch_size=100, epochs=2)
        settings = {"epochs": 2, "batch_size": 100, "seed": 3, "compiled": compiled}
        training.fit(model, optimizer, events, stream.load(), **settings, checkpoint=tmp_path / f"{len(found)}.npz")
        found.append(weights(model))
    assert np.array_equal(*found)
    training.fit(model, optimizer, stream, stream.load(), **settings, checkpoint=tmp_path / "1.npz")  # may change over


def test_early_stopping_leaves_the_best_weights(samples):
    few = Sample(samples[0].features[:60], samples[0].labels[:60])
    spec = ModelSpec((200, 200), learning_rate=0.02)
    model, step = build(spec)
    history = training.fit(model, step, few, samples[1], TrainConfig(epochs=60, batch_size=20, patience=3), seed=1)
    losses = [measures.loss for measures in history.validation]
    assert len(losses) < 60
    assert history.best_epoch == np.argmin(losses) + 1 == len(losses) - 3
    kept = training.evaluate(model, samples[1], keras.losses.BinaryCrossentropy())
    assert kept.loss == pytest.approx(min(losses), rel=1e-6)


def test_an_min_delta_too_small_does_not_count():
    losses = (0.9, 0.8, 0.7999, 0.79985, 0.7, 0.69999)
    history = loop.History([], [], [], 10)
    waited = []
    for loss in losses:
        history = history.and_epoch(*[loop.Measures(loss, 0.5, 0.5)] * 2, 1.0)
        waited.append((history.best_epoch, history.epochs_without(1e-3), history.epochs_without(0)))
    assert waited == [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 2, 0), (5, 0, 0), (6, 1, 0)]


RESUMABLE = """
import json, sys
import keras, numpy as np
from higgs_lib import models, training
from higgs_lib.models import ModelSpec
sys.path.insert(0, sys.argv[1])
from test_training import sample
spec = ModelSpec((50, 50), dropout=0.2, schedule="cosine")
model = models.build(spec, models.Standardisation(np.zeros(6), np.ones(6)), 3)
optimizer = models.optimizer(spec, n_events=20_000, batch_size=100, epochs=12)
history = training.fit(
    model, optimizer, sample(20_000, 1), sample(2000, 2), epochs=12, batch_size=100, seed=5, checkpoint=sys.argv[2]
)
np.savez(sys.argv[3], *model.get_weights(), *[v.numpy() for v in optimizer.variables])
print(json.dumps(history.as_dict()))
"""


def test_killed_at_any_moment_a_training_ends_with_the_same_weights(tmp_path):
    """By SIGKILL, at three moments after an epoch was stored; to the bit, and without training an epoch twice."""
    results = {}
    for name, kills in (("undisturbed", ()), ("killed", (0.0, 0.07, 0.13))):
        checkpoint, result = tmp_path / f"{name}.npz", tmp_path / f"{name}-weights.npz"
        command = [sys.executable, "-c", RESUMABLE, str(Path(__file__).parent), str(checkpoint), str(result)]
        trained = []  # seconds of each epoch so far, at each kill
        for delay in kills:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns != written):
                time.sleep(0.002)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            with np.load(checkpoint) as stored:
                trained.append(json.loads(str(stored["about"]))["history"]["seconds"])
        end = subprocess.run(command, capture_output=True, text=True, check=True)
        history = json.loads(end.stdout)
        assert all(len(seconds) < 12 and history["seconds"][: len(seconds)] == seconds for seconds in trained)
        assert len(history.pop("seconds")) == 12
        results[name] = history, dict(np.load(result))
    assert results["killed"][0] == results["undisturbed"][0]
    assert results["killed"][1].keys() == results["undisturbed"][1].keys()
    for key, value in results["undisturbed"][1].items():
        assert np.array_equal(results["killed"][1][key], value)


def test_a_finished_training_is_not_run_again(samples, tmp_path):
    found = []
    for _ in range(2):
        model, step = build()
        history = training.fit(
            model, step, *samples, TrainConfig(epochs=3, batch_size=100), seed=1, checkpoint=tmp_path / "c.npz"
        )
        found.append((weights(model).tolist(), history))
    assert found[0] == found[1]  # the seconds of each epoch too


class Undescribed(keras.Model):
    """A user's own class, of whose argument Keras cannot say how to make it again."""

    def __init__(self, about: object, units: int):
        super().__init__()
        self.about = about
        self.inner = keras.layers.Dense(units, activation="tanh")
        self.outer = keras.layers.Dense(1, activation="sigmoid")

    def call(self, features):
        return self.outer(self.inner(features))


def test_a_model_of_ones_own_class_goes_on_from_its_checkpoint(samples, tmp_path):
    found = []
    for _ in range(2):
        model = Undescribed(object(), 5)
        with pytest.raises(NotImplementedError):
            model.to_json()
        settings = {"epochs": 2, "batch_size": 100, "seed": 1, "checkpoint": tmp_path / "own.npz"}
        history = training.fit(model, keras.optimizers.Adam(0.01), *samples, **settings)
        found.append((history, weights(model).tolist()))
    assert found[0] == found[1]  # first weights have no seed here: the second is the first's
    with pytest.raises(CheckpointError, match="other model; delete"):
        training.fit(Undescribed(object(), 6), keras.optimizers.Adam(0.01), *samples, **settings)


def test_a_checkpoint_of_another_training_is_refused(samples, tmp_path):
    path = tmp_path / "checkpoint.npz"
    settings = {"epochs": 2, "batch_size": 100, "seed": 1, "checkpoint": path}
    training.fit(*build(), *samples, **settings)
    before = path.read_bytes()
    for change, named in (({"seed": 2}, "seed"), ({"batch_size": 50}, "batch size"), ({"epochs": 3}, "epochs")):
        with pytest.raises(CheckpointError, match=f"checkpoint.npz: of a training with other {named}; delete"):
            training.fit(*build(), *samples, **settings | change)
    for changes in ({"activation": "relu"}, {"dropout": 0.1}, {"l2": 0.1}, {"precision": "bfloat16"}):
        with pytest.raises(CheckpointError, match=r"of a training with other (XLA, )?model; delete"):
            training.fit(*build(ModelSpec((20, 20), **changes)), *samples, **settings)
    with pytest.raises(CheckpointError, match="other optimizer; delete"):
        training.fit(*build(ModelSpec((20, 20), optimizer="sgd")), *samples, **settings)
    others = [Sample(sample.features + 1, sample.labels) for sample in samples]
    with pytest.raises(CheckpointError, match="other training events; delete"):
        training.fit(*build(), others[0], samples[1], **settings)
    with pytest.raises(CheckpointError, match="other validation events; delete"):
        training.fit(*build(), samples[0], others[1], **settings)
    assert path.read_bytes() == before
    for damaged in (before[: len(before) // 2], b"", b"no such thing"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            training.fit(*build(), *samples, **settings)


def test_bfloat16_reaches_the_same_auc(samples):
    reached = []
    for precision in models.PRECISIONS:
        model, step = build(ModelSpec((50, 50), precision=precision))
        history = training.fit(model, step, *samples, TrainConfig(epochs=5, batch_size=64), seed=1)
        reached.append(history.validation[-1].auc)
        assert predicted_dtype(model, samples) == np.float32
    assert reached[0] != reached[1]
    assert reached[0] == pytest.approx(reached[1], abs=0.01)


def test_a_processor_without_bfloat16_is_told(samples, monkeypatch, caplog):
    monkeypatch.setattr(loop.device, "has_bfloat16", lambda: False)
    monkeypatch.setattr(steps, "has_gpu", lambda: False)
    for precision, warnings in (("float32", 0), ("bfloat16", 1)):
        model, step = build(ModelSpec((5,), precision=precision))
        training.fit(model, step, *samples, TrainConfig(epochs=1, batch_size=500), seed=1)
        assert len([r for r in caplog.records if "multiply in bfloat16" in r.message]) == warnings


@pytest.mark.parametrize(
    ("changes", "batch_size", "compiled"),
    [({}, 100, True), ({}, 8192, False), ({"dropout": 0.1}, 100, False), ({"precision": "bfloat16"}, 100, False)],
)
def test_xla_is_chosen_where_it_was_measured_to_be_faster(monkeypatch, changes, batch_size, compiled):
    monkeypatch.setattr(steps, "has_gpu", lambda: False)
    model = build(ModelSpec((5,), **changes))[0]
    assert steps.prefers_xla(model, batch_size) == compiled
    inside = keras.Sequential([keras.Input((6,)), model])
    assert steps.prefers_xla(inside, batch_size) == compiled


def test_a_model_that_is_not_built_yet_is_trained_and_one_without_weights_refused(samples):
    model = keras.Sequential([keras.layers.Dense(5), keras.layers.Dense(1, activation="sigmoid")])
    history = training.fit(model, keras.optimizers.Adam(0.01), *samples, TrainConfig(epochs=3, batch_size=50), seed=1)
    assert history.validation[-1].auc > 0.7
    empty = keras.Sequential([keras.Input((6,)), keras.layers.Activation("sigmoid")])
    with pytest.raises(ValueError, match="no weights to train"):
        training.fit(empty, keras.optimizers.Adam(), *samples, TrainConfig(epochs=1, batch_size=50), seed=1)


def test_a_gradient_of_some_rows_alone_is_taken(samples):
    """That of an embedding."""
    inputs = keras.Input((6,))
    signs = keras.ops.cast(inputs > 0, "int32")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(2, 3)(signs))
    outputs = keras.layers.Dense(1, activation="sigmoid")(embedded)
    model = keras.Model(inputs, outputs)
    history = training.fit(model, keras.optimizers.Adam(0.01), *samples, TrainConfig(epochs=3, batch_size=50), seed=1)
    assert history.validation[-1].auc > 0.6


def predicted_dtype(model, samples):
    return training.predict(model, samples[1].features).dtype


def test_any_keras_model_optimizer_and_loss(samples):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    wide = keras.layers.Dense(8, activation="relu")(inputs)
    normalised = keras.layers.LayerNormalization()(wide)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(normalised))
    optimizer = keras.optimizers.AdamW(clipnorm=1.0)
    history = training.fit(
        model,
        optimizer,
        *samples,
        TrainConfig(epochs=10, batch_size=64),
        seed=1,
        loss=keras.losses.BinaryFocalCrossentropy(),
    )
    assert history.validation[-1].auc > 0.65


def test_a_training_that_runs_away_says_so(samples):
    spec = ModelSpec((20,), activation="linear", optimizer="sgd", learning_rate=1e30)
    model, step = build(spec)
    with pytest.raises(training.DivergenceError, match="odd: the loss is not finite after epoch 1; lower"):
        training.fit(model, step, *samples, TrainConfig(epochs=3, batch_size=100), seed=1, name="odd")


@pytest.mark.parametrize("sizes", [{"epochs": 0, "batch_size": 10}, {"epochs": 1, "batch_size": 5000}])
def test_sizes_that_cannot_be_are_refused(samples, sizes):
    model, step = build()
    with pytest.raises(ValueError, match="cannot train"):
        training.fit(model, step, *samples, seed=1, **sizes)

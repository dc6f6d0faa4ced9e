import keras
import numpy as np
import pytest
from small_training import COMPILED, ON_JAX, build, weights

from higgs_lib import metrics, models, simulation, training
from higgs_lib.data import COMPLETE, EventStream, Sample, parquet
from higgs_lib.models import ModelSpec
from higgs_lib.training import TrainConfig, batching
from higgs_lib.training.loop import Trainer


def test_the_same_seed_gives_the_same_numbers(samples):
    runs = []
    for seed in (5, 5, 6):
        model, optimizer = build(ModelSpec((20, 20), dropout=0.2))
        history = training.fit(model, optimizer, *samples, TrainConfig(epochs=2, batch_size=100), seed=seed)
        runs.append((weights(model), history.validation))
    assert np.array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_validation_measures_are_those_of_the_final_model(samples):
    model, optimizer = build()
    history = training.fit(model, optimizer, *samples, TrainConfig(epochs=1, batch_size=100), seed=1)
    scores = model.predict(samples[1].features, verbose=0)[:, 0]
    measured = history.validation[0]
    assert measured.auc == pytest.approx(metrics.auc(samples[1].labels, scores), abs=1e-5)  # scores are rounded
    cross_entropy = -np.mean(np.log(np.where(samples[1].labels == 1, scores, 1 - scores)))
    assert measured.loss == pytest.approx(cross_entropy, rel=1e-5)
    assert history.events_per_second > 0


def test_training_measures_are_those_of_the_scores_that_the_steps_computed(samples):
    """With negligible steps they are the initial model's on all training events."""
    model, optimizer = build(ModelSpec((20, 20), optimizer="sgd", learning_rate=1e-12))
    before = training.evaluate(model, samples[0], keras.losses.BinaryCrossentropy())
    history = training.fit(model, optimizer, *samples, TrainConfig(epochs=1, batch_size=100), seed=1)
    assert history.training[0] == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("jit_compile", COMPILED)
def test_a_stream_gives_the_weights_of_a_sample(tmp_path, monkeypatch, jit_compile):
    """To the bit, with several blocks per epoch, the last of which is smaller."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 300)
    simulation.simulate(tmp_path / "events.parquet", 2500, seed=1, workers=1)
    monkeypatch.setattr(batching, "CHUNK", 256)
    monkeypatch.setattr(batching, "CHUNKS_PER_BLOCK", 3)
    stream = EventStream.open(tmp_path / "events.parquet", COMPLETE, range(100, 2400))
    assert len(list(batching.shuffled_blocks(stream.n_events, 100, 1, 1))) == 4
    settings = {"config": TrainConfig(epochs=2, batch_size=100), "seed": 3, "jit_compile": jit_compile}
    results = []
    for events in (stream, stream.load()):
        model = models.build(ModelSpec((20, 20), dropout=0.1), models.standardisation(events), seed=1)
        optimizer = models.optimizer(ModelSpec((20,)), n_events=2300, batch_size=100, epochs=2)
        checkpoint = tmp_path / f"{len(results)}.npz"
        training.fit(model, optimizer, events, stream.load(), **settings, checkpoint=checkpoint)
        results.append(weights(model))
    assert np.array_equal(*results)
    training.fit(model, optimizer, stream, stream.load(), **settings, checkpoint=checkpoint)  # either may resume


def test_early_stopping_leaves_the_best_weights(samples):
    few = Sample(samples[0].features[:60], samples[0].labels[:60])
    spec = ModelSpec((200, 200), learning_rate=0.02)
    model, optimizer = build(spec)
    history = training.fit(model, optimizer, few, samples[1], TrainConfig(epochs=60, batch_size=20, patience=3), seed=1)
    losses = [measures.loss for measures in history.validation]
    assert len(losses) < 60
    assert history.best_epoch == np.argmin(losses) + 1 == len(losses) - 3
    final = training.evaluate(model, samples[1], keras.losses.BinaryCrossentropy())
    assert final.loss == pytest.approx(min(losses), rel=1e-6)


def test_an_unbuilt_model_is_trained_and_one_without_weights_refused(samples):
    model = keras.Sequential([keras.layers.Dense(5), keras.layers.Dense(1, activation="sigmoid")])
    history = training.fit(model, keras.optimizers.Adam(0.01), *samples, TrainConfig(epochs=3, batch_size=50), seed=1)
    assert history.validation[-1].auc > 0.7
    empty = keras.Sequential([keras.Input((6,)), keras.layers.Activation("sigmoid")])
    with pytest.raises(ValueError, match="no weights to train"):
        training.fit(empty, keras.optimizers.Adam(), *samples, TrainConfig(epochs=1, batch_size=50), seed=1)


def test_any_keras_model_optimizer_and_loss(samples):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    wide = keras.layers.Dense(8, activation="relu")(inputs)
    normalised = keras.layers.LayerNormalization()(wide)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(normalised))
    optimizer, loss = keras.optimizers.AdamW(clipnorm=1.0), keras.losses.BinaryFocalCrossentropy()
    history = training.fit(model, optimizer, *samples, TrainConfig(epochs=10, batch_size=64), seed=1, loss=loss)
    assert history.validation[-1].auc > 0.65


def test_a_training_that_diverges_is_named(samples):
    spec = ModelSpec((20,), activation="linear", optimizer="sgd", learning_rate=1e30)
    model, optimizer = build(spec)
    with pytest.raises(
        training.DivergenceError, match=r"odd: the loss is not finite after epoch 1; .*lower the learning"
    ):
        training.fit(model, optimizer, *samples, TrainConfig(epochs=3, batch_size=100), seed=1, name="odd")


@pytest.mark.parametrize(
    ("part", "cause"), [(0, "before any weight has changed"), (1, "validation events are not finite")]
)
def test_events_that_are_not_finite_are_not_blamed_on_the_learning_rate(samples, part, cause):
    changed = [Sample(events.features.copy(), events.labels) for events in samples]
    changed[part].features[:, 2] = np.nan
    with pytest.raises(training.TrainingError, match="row 0 from 0: a feature is not finite"):
        training.fit(*build(), *changed, TrainConfig(epochs=1, batch_size=100), seed=1)
    # as in a process group, where nobody has looked at all events before
    model, optimizer = build()
    optimizer.build(model.trainable_variables)
    trainer = Trainer(model, optimizer, keras.losses.BinaryCrossentropy(), changed[0], 100, seed=1, jit_compile=None)
    empty = training.History([], [], [], changed[0].n_events)
    with pytest.raises(training.DivergenceError, match=f"{cause}: check") as error:
        list(trainer.epochs(empty, [], changed[1], TrainConfig(epochs=1, batch_size=100), "odd"))
    assert "rate" not in str(error.value)


@pytest.mark.parametrize("config", [TrainConfig(epochs=0, batch_size=10), TrainConfig(epochs=1, batch_size=5000)])
def test_impossible_sizes_are_refused(samples, config):
    model, optimizer = build()
    with pytest.raises(ValueError, match="cannot train"):
        training.fit(model, optimizer, *samples, config, seed=1)


@pytest.mark.skipif(not ON_JAX, reason="TensorFlow has a graph without XLA")
def test_jax_refuses_to_leave_out_xla(samples):
    with pytest.raises(ValueError, match="jit_compile cannot be False, as JAX compiles every step with XLA"):
        training.fit(*build(), *samples, TrainConfig(epochs=1, batch_size=50), seed=1, jit_compile=False)


class Inattentive(keras.Model):
    """A model whose `call` does not take `training`, with dropout in it."""

    def __init__(self):
        super().__init__()
        self.inner = [keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(1, activation="sigmoid")]

    def call(self, features):
        return self.inner[1](self.inner[0](features))


def test_dropout_works_inside_a_model_that_does_not_pass_training_on(samples):
    """With negligible steps the training loss is that of the initial model but for dropout."""
    model = Inattentive()
    before = training.evaluate(model, samples[0], keras.losses.BinaryCrossentropy())
    history = training.fit(model, keras.optimizers.SGD(1e-12), *samples, TrainConfig(epochs=1, batch_size=100), seed=1)
    assert abs(history.training[0].loss / before.loss - 1) > 0.01


@pytest.mark.parametrize(("number", "part"), [(0, "training"), (1, "validation")])
def test_events_of_one_class_are_refused_before_an_epoch(samples, number, part):
    parts = list(samples)
    parts[number] = parts[number].take(np.flatnonzero(parts[number].labels == 1))
    with pytest.raises(ValueError, match=f"{part} events: signal .* shuffle its events before"):
        training.fit(*build(), *parts, TrainConfig(epochs=1, batch_size=50), seed=1)

import gc
import weakref

import keras
import numpy as np
import pytest
from small_training import COMPILED, ON_JAX, build, weights

from higgs_lib import data, device, models, training
from higgs_lib.data import COMPLETE
from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.training import TrainConfig, batching, steps

BALDI_LIKE = {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.5, "final_momentum": 0.9, "momentum_epochs": 1}


@pytest.mark.parametrize("jit_compile", COMPILED)
@pytest.mark.parametrize(
    "settings",
    [{"optimizer": "sgd"}, {"optimizer": "adam"}, {"optimizer": "adadelta"}, BALDI_LIKE],
    ids=["sgd", "adam", "adadelta", "baldi"],
)
def test_an_epoch_is_that_of_keras_fit_on_the_same_batches(samples, settings, jit_compile):
    """Keras gets the events in the order into which the loop shuffles them."""
    spec = ModelSpec((20, 20), l2=1e-4, **settings)
    ours, optimizer = build(spec)
    training.fit(ours, optimizer, *samples, TrainConfig(epochs=2, batch_size=128), seed=5, jit_compile=jit_compile)
    theirs, optimizer = build(spec)
    theirs.compile(optimizer, "binary_crossentropy")
    for epoch in (1, 2):
        (block,) = batching.shuffled_blocks(3030, 128, seed=5, epoch=epoch)
        theirs.fit(*samples[0].take(block.rows), batch_size=128, shuffle=False, verbose=0)
    # a tenth of the largest change of a weight by one step of Adam is 1e-4
    assert weights(ours) == pytest.approx(weights(theirs), abs=2e-5)


def test_the_deep_networks_loss_is_that_of_keras_after_an_epoch_in_batches_of_100(events):
    """On built-in events."""
    sample = data.load(events, COMPLETE, range(20_000))
    losses = []
    for _ in range(2):
        model = models.build(PRESETS["deep"], models.standardisation(sample), seed=1)
        optimizer = models.optimizer(PRESETS["deep"], n_events=20_000, batch_size=100, epochs=1)
        if losses:
            model.compile(optimizer, "binary_crossentropy")
            (block,) = batching.shuffled_blocks(20_000, 100, seed=5, epoch=1)
            model.fit(*sample.take(block.rows), batch_size=100, shuffle=False, verbose=0)
        else:
            training.fit(model, optimizer, sample, sample, TrainConfig(epochs=1, batch_size=100), seed=5)
        losses.append(training.evaluate(model, sample, keras.losses.BinaryCrossentropy()).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_bfloat16_reaches_the_same_auc(samples):
    aucs = []
    for precision in models.PRECISIONS:
        model, optimizer = build(ModelSpec((50, 50), precision=precision))
        history = training.fit(model, optimizer, *samples, TrainConfig(epochs=5, batch_size=64), seed=1)
        aucs.append(history.validation[-1].auc)
        assert training.predict(model, samples[1].features).dtype == np.float32
    assert aucs[0] != aucs[1]
    assert aucs[0] == pytest.approx(aucs[1], abs=0.01)


def test_a_processor_without_bfloat16_gives_a_warning(samples, monkeypatch, caplog):
    monkeypatch.setattr(device, "has_bfloat16", lambda: False)
    monkeypatch.setattr(steps, "has_gpu", lambda: False)
    for precision, warnings in (("float32", 0), ("bfloat16", 1)):
        model, optimizer = build(ModelSpec((5,), precision=precision))
        training.fit(model, optimizer, *samples, TrainConfig(epochs=1, batch_size=500), seed=1)
        assert len([r for r in caplog.records if "bfloat16 instructions" in r.message]) == warnings


@pytest.mark.skipif(ON_JAX, reason="XLA compiles everything on JAX")
@pytest.mark.parametrize(
    ("changes", "batch_size", "jit_compile"),
    [({}, 100, True), ({}, 8192, False), ({"dropout": 0.1}, 100, False), ({"precision": "bfloat16"}, 100, False)],
)
def test_xla_is_used_where_it_was_measured_to_be_faster(monkeypatch, changes, batch_size, jit_compile):
    monkeypatch.setattr(steps.engine(), "gpu", lambda: None)
    model = build(ModelSpec((5,), **changes))[0]
    assert steps.engine().prefers_xla(model, batch_size) == jit_compile
    nested = keras.Sequential([keras.Input((6,)), model])
    assert steps.engine().prefers_xla(nested, batch_size) == jit_compile


@pytest.mark.skipif(ON_JAX, reason="XLA compiles everything on JAX")
@pytest.mark.parametrize(("threads", "jit_compile"), [(1, False), (2, True), (0, True)])
def test_xla_gains_less_on_one_thread(monkeypatch, threads, jit_compile):
    engine = steps.engine()
    monkeypatch.setattr(engine, "gpu", lambda: None)
    monkeypatch.setattr(engine.tf.config.threading, "get_intra_op_parallelism_threads", lambda: threads)
    model = build(ModelSpec((5,)))[0]
    assert engine.prefers_xla(model, 2048) == jit_compile
    assert engine.prefers_xla(model, 1024)


@pytest.mark.skipif(ON_JAX, reason="XLA compiles everything on JAX")
@pytest.mark.parametrize(("epochs", "jit_compile"), [(9, False), (10, True)])
def test_short_trainings_are_not_compiled(monkeypatch, epochs, jit_compile):
    """Compiling takes as long as some 1,000 steps gain; the last, smaller batch of an epoch is a step too."""
    monkeypatch.setattr(steps.engine(), "gpu", lambda: None)
    model = build(ModelSpec((5,)))[0]
    assert steps.uses_xla(None, model, TrainConfig(epochs, batch_size=100), n_events=9_901) == jit_compile
    assert not steps.uses_xla(None, model, TrainConfig(epochs, batch_size=8192), n_events=10**7)
    assert steps.uses_xla(None, model, TrainConfig(epochs, batch_size=8192), n_events=10**7, world_size=4)
    assert steps.uses_xla(True, model, TrainConfig(1, batch_size=8192), n_events=10**4)


@pytest.mark.skipif(ON_JAX, reason="JAX scores by Keras' predict")
def test_scores_are_those_of_keras_for_any_number_of_events(samples):
    model = build(ModelSpec((5,), dropout=0.5))[0]
    features = samples[0].features
    for n in (1, 7, len(features)):
        assert training.predict(model, features[:n]) == pytest.approx(model.predict(features[:n], verbose=0)[:, 0])
    before = training.predict(model, features)
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert not np.allclose(training.predict(model, features), before)  # the graph reads the present weights
    assert training.predict(model, features[:0]).shape == (0,)


@pytest.mark.skipif(ON_JAX, reason="JAX scores by Keras' predict")
def test_a_scored_model_is_freed(samples):
    model = build(ModelSpec((5,)))[0]
    training.predict(model, samples[0].features)
    known = weakref.ref(model)
    del model
    gc.collect()
    assert known() is None


def test_sparse_gradients_are_applied(samples):
    """An embedding has a gradient of some rows alone."""
    inputs = keras.Input((6,))
    signs = keras.ops.cast(inputs > 0, "int32")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(2, 3)(signs))
    outputs = keras.layers.Dense(1, activation="sigmoid")(embedded)
    model = keras.Model(inputs, outputs)
    history = training.fit(model, keras.optimizers.Adam(0.01), *samples, TrainConfig(epochs=3, batch_size=50), seed=1)
    assert history.validation[-1].auc > 0.6

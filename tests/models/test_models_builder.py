import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from higgs_lib import models
from higgs_lib.data import Sample
from higgs_lib.models import PRESETS, ModelSpec, Standardisation
from higgs_lib.models.optimizers import LinearRamp, MomentumSGD

SHORT = {"n_events": 100, "batch_size": 10, "epochs": 1}


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(1)
    return (rng.gamma(2.0, 1.0, (5000, 28)) * rng.uniform(0.5, 100, 28) + 5).astype(np.float32)


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [("deep", 189_601), ("shallow", 9_001), ("baldi_deep", 279_901), ("baldi_shallow", 9_001)],
)
def test_presets_have_the_published_number_of_parameters(preset, parameters):
    model = models.build(PRESETS[preset], Standardisation(np.zeros(28), np.ones(28)), seed=1)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == parameters
    assert PRESETS[preset].n_parameters(28) == parameters


def test_standardisation_is_numpys_and_lives_in_the_model(features, tmp_path):
    standard = models.standardisation(Sample(features, features[:, 0]))
    assert standard.mean == pytest.approx(features.mean(0, dtype=np.float64), rel=1e-9)
    assert standard.variance == pytest.approx(features.var(0, dtype=np.float64), rel=1e-6)
    model = models.build(PRESETS["shallow"], standard, seed=1)
    plain = models.build(PRESETS["shallow"], Standardisation(np.zeros(28), np.ones(28)), seed=1)
    scaled = (features - standard.mean) / np.sqrt(standard.variance)
    scores = model.predict_on_batch(features)
    assert scores == pytest.approx(plain.predict_on_batch(scaled.astype(np.float32)), abs=1e-5)
    model.save(tmp_path / "model.keras")
    assert np.array_equal(keras.models.load_model(tmp_path / "model.keras").predict_on_batch(features), scores)


@pytest.mark.parametrize(
    ("initial", "mean", "deviation"),
    [
        ("constant", 0.1, 0.0),
        ("normal", 0.0, 0.1),
        ("uniform", 0.0, 0.1 / np.sqrt(3)),
        ("glorot", 0.0, np.sqrt(2 / 600)),
    ],
)
def test_first_weights(initial, mean, deviation):
    spec = ModelSpec((300, 300), initial_weights=initial, weight_scale=0.1)
    model = models.build(spec, Standardisation(np.zeros(28), np.ones(28)), seed=1)
    kernel, bias = model.get_layer("hidden_2").get_weights()
    assert kernel.mean() == pytest.approx(mean, abs=2e-3)
    assert kernel.std() == pytest.approx(deviation, rel=0.02, abs=1e-6)
    assert not bias.any()


def test_each_layer_can_have_its_own_scale():
    model = models.build(PRESETS["baldi_deep"], Standardisation(np.zeros(28), np.ones(28)), seed=1)
    kernels = [layer.get_weights()[0] for layer in model.layers if layer.get_weights()]
    assert [kernel.std() for kernel in kernels] == pytest.approx([0.1, 0.05, 0.05, 0.05, 0.001], rel=0.1)


def test_seeds_decide_the_first_weights():
    standard = Standardisation(np.zeros(28), np.ones(28))
    one, same, other = (models.build(PRESETS["deep"], standard, seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[2][:28], one[0])  # layers differ too


@pytest.mark.parametrize("name", models.OPTIMIZERS)
def test_optimizers_have_keras_default_rate_or_the_one_set(name):
    default = models.OPTIMIZERS[name]()
    assert float(models.optimizer(ModelSpec((3,), optimizer=name), **SHORT).learning_rate) == pytest.approx(
        float(default.learning_rate)
    )
    assert float(models.optimizer(ModelSpec((3,), optimizer=name, learning_rate=0.3), **SHORT).learning_rate) == (
        pytest.approx(0.3)
    )


def test_baldis_rate_and_momentum_are_theirs_on_their_events_and_batches():
    """From their scripts: 0.05 / 1.0000002^batch down to 1e-6, momentum from 0.9 to 0.99 over 200 epochs."""
    optimizer = models.optimizer(PRESETS["baldi_deep"], n_events=10_000_000, batch_size=100, epochs=1000)
    for batch in (0, 1, 1000, 5_000_000, 20_000_000, 100_000_000):
        rate, momentum = optimizer._learning_rate(batch), optimizer.momentum_schedule(batch)
        assert float(rate) == pytest.approx(max(0.05 / 1.0000002**batch, 1e-6), rel=2e-5)
        assert float(momentum) == pytest.approx(min(0.9 + 0.09 * batch / 20_000_000, 0.99), rel=1e-6)


@pytest.mark.parametrize(("n_events", "batch_size"), [(10_000_000, 1024), (30_000, 100), (28_001, 128)])
def test_with_other_events_and_batches_they_are_the_same_at_the_same_epoch(n_events, batch_size):
    steps = -(-n_events // batch_size)
    optimizer = models.optimizer(PRESETS["baldi_deep"], n_events=n_events, batch_size=batch_size, epochs=1000)
    for epoch in (0, 1, 7, 100, 200, 500):
        rate, momentum = optimizer._learning_rate(epoch * steps), optimizer.momentum_schedule(epoch * steps)
        assert float(rate) == pytest.approx(max(0.05 * np.exp(-np.log(1.0000002) * 100_000 * epoch), 1e-6), rel=1e-4)
        assert float(momentum) == pytest.approx(min(0.9 + 0.09 * epoch / 200, 0.99), rel=1e-6)


def test_momentum_that_changes_steps_as_written_and_is_saved(tmp_path):
    """v = m v - r g, w += v by hand; then as a part of a saved model."""
    variable = keras.Variable(np.float32([1.0, -2.0]))
    optimizer = MomentumSGD(0.1, LinearRamp(0.5, 0.9, 4))
    weights, velocity = variable.numpy().astype(float), 0.0
    for step in range(7):
        gradient = np.float32([0.3 * step - 1, 2.0])
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        velocity = min(0.5 + 0.1 * step, 0.9) * velocity - 0.1 * gradient
        weights = weights + velocity
        assert variable.numpy() == pytest.approx(weights, rel=1e-5)
    model = models.build(PRESETS["baldi_shallow"], Standardisation(np.zeros(28), np.ones(28)), seed=1)
    model.compile(MomentumSGD(0.1, LinearRamp(0.5, 0.9, 4)), "binary_crossentropy")
    model.train_on_batch(np.ones((2, 28)), np.ones(2))
    model.save(tmp_path / "model.keras")
    schedule = keras.models.load_model(tmp_path / "model.keras").optimizer.momentum_schedule
    assert schedule.get_config() == {"initial": 0.5, "final": 0.9, "n_steps": 4}


def test_cosine_against_its_closed_form():
    spec = ModelSpec((3,), schedule="cosine", learning_rate=0.1)
    rate = models.optimizer(spec, n_events=995, batch_size=10, epochs=2)._learning_rate  # 200 batches
    for step in (0, 50, 100, 200):
        assert float(rate(step)) == pytest.approx(0.05 * (1 + np.cos(np.pi * step / 200)), abs=1e-6)


def test_bfloat16_computes_hidden_layers_alone_and_keeps_weights_whole(features):
    standard = models.standardisation(Sample(features, features[:, 0]))
    exact, rough = (models.build(ModelSpec((300, 300), precision=p), standard, 1) for p in models.PRECISIONS)
    assert {w.dtype for w in rough.trainable_variables} == {"float32"}
    assert [layer.compute_dtype for layer in rough.layers[1:]] == ["float32", "bfloat16", "bfloat16", "float32"]
    wanted, scores = (model.predict_on_batch(features) for model in (exact, rough))
    assert scores.dtype == np.float32
    error = np.abs(scores - wanted).max()
    assert 0 < error < 0.02  # bfloat16 has 8 bits of precision: 0.4 % a value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "lbfgs"}, "unknown optimizer 'lbfgs'.*adam"),
        ({"schedule": "linear"}, "unknown schedule"),
        ({"initial_weights": "zero"}, "unknown initial_weights"),
        ({"hidden": ()}, "hidden"),
        ({"dropout": 1.0}, "dropout"),
        ({"weight_scale": (0.1,)}, "weight_scale needs 3 values"),
        ({"momentum": 0.9}, "momentum"),
        ({"optimizer": "sgd", "momentum": 0.9, "final_momentum": 0.99}, "momentum_epochs"),
        ({"precision": "float16"}, "unknown precision 'float16'.*bfloat16"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        ModelSpec(**{"hidden": (5, 5)} | values)


BY_JAX = """
import json, sys
import keras
import numpy as np
from higgs_lib import models

folder, preset, pace = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
events = np.load(f"{folder}/events.npz")
features, labels = events["features"], events["labels"]
spec = models.PRESETS[preset]
built = models.build(spec, models.Standardisation(features.mean(0), features.var(0)), seed=1)
assert keras.backend.backend() == "jax"
assert "tensorflow" not in sys.modules  # until Keras reads a file

model = keras.models.load_model(f"{folder}/tensorflow.keras", compile=False)
assert model.count_params() == built.count_params()
scores = [model.predict(features, verbose=0)]
model.compile(models.optimizer(spec, n_events=len(labels), **pace), "binary_crossentropy")
losses = [model.evaluate(features, labels, verbose=0)]
model.fit(features, labels, **pace, shuffle=False, verbose=0)
losses.append(model.evaluate(features, labels, verbose=0))
scores.append(model.predict(features, verbose=0))
model.save(f"{folder}/jax.keras")
np.savez(f"{folder}/jax.npz", scores=scores, losses=losses)
"""


@pytest.mark.parametrize("preset", ["deep", "baldi_deep"])
def test_on_jax_the_presets_train_and_score_as_on_tensorflow(features, tmp_path, preset):
    """The same weights give the same scores, and an epoch in the same order the same weights, both ways to rounding."""
    labels = (features[:, 0] > np.median(features[:, 0])).astype(np.float32)
    pace = {"batch_size": 100, "epochs": 1}
    model = models.build(PRESETS[preset], models.standardisation(Sample(features, labels)), seed=1)
    model.save(tmp_path / "tensorflow.keras")
    np.savez(tmp_path / "events.npz", features=features, labels=labels)
    command = [sys.executable, "-c", BY_JAX, tmp_path, preset, json.dumps(pace)]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    with np.load(tmp_path / "jax.npz") as by_jax:
        (before, after), losses = by_jax["scores"], by_jax["losses"]
    assert losses[1] < 0.9 * losses[0]
    assert before == pytest.approx(model.predict_on_batch(features), abs=1e-5)
    trained = keras.models.load_model(tmp_path / "jax.keras")
    assert trained.predict_on_batch(features) == pytest.approx(after, abs=1e-5)
    model.compile(models.optimizer(PRESETS[preset], n_events=len(labels), **pace), "binary_crossentropy")
    model.fit(features, labels, **pace, shuffle=False, verbose=0)
    assert model.evaluate(features, labels, verbose=0) == pytest.approx(losses[1], rel=1e-4)
    assert model.predict_on_batch(features) == pytest.approx(after, abs=1e-4)

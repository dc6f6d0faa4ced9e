from dataclasses import replace

import keras
import numpy as np
import pytest

from higgs_lib import models
from higgs_lib.models import PRESETS, ModelSpec, Standardisation


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
    standard = models.standardisation(features, block=700)
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
    assert float(models.optimizer(ModelSpec((3,), optimizer=name), 10).learning_rate) == pytest.approx(
        float(default.learning_rate)
    )
    assert float(models.optimizer(ModelSpec((3,), optimizer=name, learning_rate=0.3), 10).learning_rate) == (
        pytest.approx(0.3)
    )


def test_schedules_against_their_closed_forms():
    spec = replace(PRESETS["baldi_deep"], decay=1.0000002)
    rate = models.optimizer(spec, 100)._learning_rate
    for step in (0, 1000, 5_000_000, 200_000_000):
        assert float(rate(step)) == pytest.approx(max(0.05 / 1.0000002**step, 1e-6), rel=1e-4)
    rate = models.optimizer(ModelSpec((3,), schedule="cosine", learning_rate=0.1), 200)._learning_rate
    for step in (0, 50, 100, 200):
        assert float(rate(step)) == pytest.approx(0.05 * (1 + np.cos(np.pi * step / 200)), abs=1e-6)


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
    ],
)
def test_what_cannot_be_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        ModelSpec(**{"hidden": (5, 5)} | values)

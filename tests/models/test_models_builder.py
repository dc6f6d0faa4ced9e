import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from higgs_lib import models
from higgs_lib.data import LOW, Sample
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


def test_standardisation_equals_numpys_and_is_part_of_the_model(features, tmp_path):
    standard = models.standardisation(Sample(features, features[:, 0]))
    assert standard.mean == pytest.approx(features.mean(0, dtype=np.float64), rel=1e-9)
    assert standard.variance == pytest.approx(features.var(0, dtype=np.float64), rel=1e-6)
    model = models.build(PRESETS["shallow"], standard, seed=1)
    plain = models.build(PRESETS["shallow"], Standardisation(np.zeros(28), np.ones(28)), seed=1)
    scaled = (features - standard.mean) / np.sqrt(standard.variance)
    scores = model.predict_on_batch(features)
    assert scores == pytest.approx(plain.predict_on_batch(scaled.astype(np.float32)), abs=1e-5)
    model.save(tmp_path / "model.keras")
    assert np.array_equal(models.load(tmp_path / "model.keras").predict_on_batch(features), scores)


@pytest.mark.parametrize(
    ("initial", "mean", "deviation"),
    [
        ("constant", 0.1, 0.0),
        ("normal", 0.0, 0.1),
        ("uniform", 0.0, 0.1 / np.sqrt(3)),
        ("glorot", 0.0, np.sqrt(2 / 600)),
        ("he", 0.0, np.sqrt(2 / 300)),
    ],
)
def test_initial_weights(initial, mean, deviation):
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


def test_seeds_determine_the_initial_weights():
    standard = Standardisation(np.zeros(28), np.ones(28))
    one, same, other = (models.build(PRESETS["deep"], standard, seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[2][:28], one[0])  # layers differ too


def test_bfloat16_applies_to_hidden_layers_but_not_to_weights(features):
    standard = models.standardisation(Sample(features, features[:, 0]))
    exact, rough = (models.build(ModelSpec((300, 300), precision=p), standard, 1) for p in models.PRECISIONS)
    assert {w.dtype for w in rough.trainable_variables} == {"float32"}
    assert [layer.compute_dtype for layer in rough.layers[1:]] == ["float32", "bfloat16", "bfloat16", "float32"]
    expected, scores = (model.predict_on_batch(features) for model in (exact, rough))
    assert scores.dtype == np.float32
    error = np.abs(scores - expected).max()
    assert 0 < error < 0.02  # bfloat16 has 8 bits of precision: 0.4 % per value


LOAD = """
import sys
from higgs_lib import models
for path in sys.argv[1:]:
    assert models.load(path).optimizer is not None
"""


def test_saved_models_load_in_a_new_process(features, tmp_path):
    paths = []
    for preset in ("kinematic", "baldi_deep"):
        columns = LOW if preset == "kinematic" else ()
        n = len(columns) or 28
        n_inputs = len(models.kinematic_layer.feature_names(columns)) if columns else n
        standard = Standardisation(np.zeros(n_inputs), np.ones(n_inputs), columns)
        model = models.build(PRESETS[preset], standard, seed=1)
        model.compile(models.optimizer(PRESETS[preset], n_events=100, batch_size=10, epochs=1), "binary_crossentropy")
        paths.append(tmp_path / f"{preset}.keras")
        model.save(paths[-1])
    process = subprocess.run([sys.executable, "-c", LOAD, *paths], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


BY_JAX = """
import json, sys
import keras
import numpy as np
from higgs_lib import models

folder, presets, config = sys.argv[1], sys.argv[2].split(), json.loads(sys.argv[3])
events = np.load(f"{folder}/events.npz")
features, labels = events["features"], events["labels"]
standard = models.Standardisation(features.mean(0), features.var(0))
built = {preset: models.build(models.PRESETS[preset], standard, seed=1) for preset in presets}
assert keras.backend.backend() == "jax"
assert "tensorflow" not in sys.modules  # until Keras reads a file

for preset in presets:
    model = keras.models.load_model(f"{folder}/{preset}.keras", compile=False)
    assert model.count_params() == built[preset].count_params()
    scores = [model.predict(features, verbose=0)]
    optimizer = models.optimizer(models.PRESETS[preset], n_events=len(labels), **config)
    model.compile(optimizer, "binary_crossentropy")
    losses = [model.evaluate(features, labels, verbose=0)]
    model.fit(features, labels, **config, shuffle=False, verbose=0)
    losses.append(model.evaluate(features, labels, verbose=0))
    scores.append(model.predict(features, verbose=0))
    model.save(f"{folder}/{preset}-jax.keras")
    np.savez(f"{folder}/{preset}-jax.npz", scores=scores, losses=losses)
"""


def test_on_jax_the_presets_train_and_score_as_on_tensorflow(features, tmp_path):
    """Compares scores of the same weights, and weights after an epoch in the same order, up to rounding.

    JAX has a process of its own, which computes at the same time.
    """
    labels = (features[:, 0] > np.median(features[:, 0])).astype(np.float32)
    np.savez(tmp_path / "events.npz", features=features, labels=labels)
    config, here = {"batch_size": 100, "epochs": 1}, {}
    standard = models.standardisation(Sample(features, labels))
    trained = {preset: models.build(PRESETS[preset], standard, seed=1) for preset in ("deep", "baldi_deep")}
    for preset, model in trained.items():
        model.save(tmp_path / f"{preset}.keras")
    command = [sys.executable, "-c", BY_JAX, tmp_path, " ".join(trained), json.dumps(config)]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(command, env=environment) as process:
        for preset, model in trained.items():
            scores = [model.predict_on_batch(features)]
            model.compile(models.optimizer(PRESETS[preset], n_events=len(labels), **config), "binary_crossentropy")
            model.fit(features, labels, **config, shuffle=False, verbose=0)
            scores.append(model.predict_on_batch(features))
            here[preset] = scores, model.evaluate(features, labels, verbose=0)
    assert process.returncode == 0
    for preset, ((before, after), loss) in here.items():
        with np.load(tmp_path / f"{preset}-jax.npz") as by_jax:
            there, losses = by_jax["scores"], by_jax["losses"]
        assert losses[1] < 0.9 * losses[0]
        assert there[0] == pytest.approx(before, abs=1e-5)
        saved = keras.models.load_model(tmp_path / f"{preset}-jax.keras")
        assert saved.predict_on_batch(features) == pytest.approx(there[1], abs=1e-5)
        assert loss == pytest.approx(losses[1], rel=1e-4)
        assert after == pytest.approx(there[1], abs=1e-4)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_whose_code_would_run_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: 2 * x)])
    for name, reason in (("model.keras", "Lambda"), ("model.h5", "HDF5, an older format")):
        model.save(tmp_path / name)
        with pytest.raises(ValueError, match=reason):
            models.load(tmp_path / name)

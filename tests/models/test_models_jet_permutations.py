"""Tests of networks that are invariant under the exchange of jets of the same kind."""

import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from arrays import assert_close

from higgs_lib import data, models, training
from higgs_lib.data import COMPLETE, LOW, Sample
from higgs_lib.models import ModelSpec, jet_permutations, kinematic_layer
from higgs_lib.models.kinematic_layer import OBJECTS, Kinematics
from higgs_lib.training import TrainConfig, steps

SPEC = ModelSpec((40, 40), inputs="kinematics", symmetric=True, learning_rate=0.003)


@pytest.fixture(scope="module")
def sample(events):
    return data.load(events, COMPLETE, range(12_000))


def exchanged(objects, exchange):
    """Returns the objects of every event exchanged."""
    order = [OBJECTS.index(exchange.get(name, name)) for name in OBJECTS]
    return objects._replace(
        pt=np.array(objects.pt)[:, order],
        eta=np.array(objects.eta)[:, order],
        phi=np.array(objects.phi)[:, order],
        tags=np.array(objects.tags)[:, order[:4]],
    )


def test_a_permutation_gives_the_features_of_exchanged_objects(sample, monkeypatch):
    layer, objects_of_events = Kinematics(COMPLETE), Kinematics._objects
    before = np.array(layer(sample.features))
    orders = jet_permutations.permutation_orders(COMPLETE)
    assert orders.shape == (4, len(kinematic_layer.feature_names(COMPLETE)))
    for exchange, order in zip(jet_permutations.EXCHANGES, orders, strict=True):
        with monkeypatch.context() as patch:
            patch.setattr(Kinematics, "_objects", lambda *a, e=exchange: exchanged(objects_of_events(*a), e))
            assert_close(layer(sample.features), before[:, order], abs=1e-4)


def test_scores_do_not_depend_on_the_permutation(sample):
    model = models.build(SPEC, models.standardisation(sample, COMPLETE), seed=1)
    features = np.array(model.get_layer("kinematics")(sample.features))
    rest = keras.Model(model.get_layer("kinematics").output, model.output)
    plain = keras.Model(model.get_layer("relabelled").output, model.get_layer("score").output)
    scores = training.predict(rest, features)
    for order in jet_permutations.permutation_orders(COMPLETE):
        assert_close(training.predict(rest, features[:, order]), scores, abs=1e-6)
    assert np.abs(training.predict(plain, features[:, order]) - training.predict(plain, features)).max() > 0.01


def test_in_training_each_event_has_one_permutation_at_random(sample):
    layer = jet_permutations.RandomJetPermutation(COMPLETE, seed=3)
    features = np.array(Kinematics(COMPLETE)(sample.features))
    permuted = np.array(layer(features, training=True))
    which = [(permuted == features[:, order]).all(1) for order in layer._orders]
    assert np.any(which, 0).all()
    assert np.mean(which, 1) == pytest.approx(0.25, abs=0.02)  # 12,000 events: 5 standard deviations
    assert not np.array_equal(np.array(layer(features, training=True)), permuted)
    again = jet_permutations.RandomJetPermutation.from_config(layer.get_config())
    assert np.array_equal(np.array(again(features, training=True)), permuted)


def test_standardisation_is_that_of_all_permutations(sample):
    standard = models.standardisation(sample, COMPLETE).over_permutations()
    features = np.array(Kinematics(COMPLETE)(sample.features), float)
    permuted = np.concatenate([features[:, order] for order in jet_permutations.permutation_orders(COMPLETE)])
    assert standard.mean == pytest.approx(permuted.mean(0), rel=1e-4, abs=1e-4)
    assert standard.variance == pytest.approx(permuted.var(0), rel=1e-3)


def test_a_symmetric_network_is_trained_saved_and_loaded(sample, tmp_path):
    low = Sample(np.ascontiguousarray(sample.features[:, :21]), sample.labels)
    parts, config = (low.slice(0, 9000), low.slice(9000)), TrainConfig(epochs=3, batch_size=128)
    weights = []
    for _ in range(2):
        model = models.build(SPEC, models.standardisation(parts[0], LOW), seed=1)
        optimizer = models.optimizer(SPEC, n_events=9000, batch_size=config.batch_size, epochs=config.epochs)
        history = training.fit(model, optimizer, *parts, config, seed=1)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert history.validation[-1].auc > 0.7  # columns alone give 0.6
    assert np.array_equal(*weights)
    model.save(tmp_path / "model.keras")
    again = models.load(tmp_path / "model.keras")
    assert np.array_equal(training.predict(again, parts[1].features), training.predict(model, parts[1].features))


BY_JAX = """
import sys
import keras
import numpy as np
from higgs_lib import models
from higgs_lib.data import LOW, Sample

folder = sys.argv[1]
with np.load(f"{folder}/events.npz") as stored:
    sample = Sample(stored["features"], stored["labels"])
assert keras.backend.backend() == "jax"
spec, config = models.PRESETS["kinematic"], {"batch_size": 100, "epochs": 2}
model = models.build(spec, models.standardisation(sample, LOW), seed=1)
model.compile(models.optimizer(spec, n_events=sample.n_events, **config), "binary_crossentropy")
losses = model.fit(*sample, **config, verbose=0).history["loss"]
assert losses[1] < losses[0], losses
model.save(f"{folder}/jax.keras")
np.save(f"{folder}/scores.npy", model.predict(sample.features, verbose=0)[:, 0])
"""


def test_on_jax_it_trains_and_scores_as_on_tensorflow(sample, tmp_path):
    low = np.ascontiguousarray(sample.features[:3000, :21])
    np.savez(tmp_path / "events.npz", features=low, labels=sample.labels[:3000])
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    process = subprocess.run([sys.executable, "-c", BY_JAX, tmp_path], env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    here = training.predict(models.load(tmp_path / "jax.keras"), low)
    there = np.load(tmp_path / "scores.npy")
    # except where two points of the neutrino's grid are equally near
    assert np.quantile(np.abs(here - there), 0.999) < 1e-3


@pytest.mark.parametrize(("dropout", "expected"), [(0.0, True), (0.1, False)])
def test_xla_is_preferred_with_jet_permutations_but_not_with_dropout(sample, monkeypatch, dropout, expected):
    monkeypatch.setattr(steps.engine(), "gpu", lambda: None)
    model = models.build(replace(SPEC, dropout=dropout), models.standardisation(sample, COMPLETE), seed=1)
    assert steps.engine().prefers_xla(model, 128) == expected


def test_saved_files_of_earlier_versions_load():
    """Compares the names by which `.keras` files know the layers."""
    names = {"Relabelled": jet_permutations.RandomJetPermutation, "Averaged": jet_permutations.PermutationAverage}
    for name, layer in (names | {"Kinematics": Kinematics}).items():
        assert keras.saving.get_registered_name(layer) == f"higgs_lib>{name}"
    n_features = len(kinematic_layer.feature_names(LOW))
    model = models.build(SPEC, models.Standardisation(np.zeros(n_features), np.ones(n_features), LOW), seed=1)
    layers = ["features", "kinematics", "relabelled", "standardisation", "hidden_1", "hidden_2", "score", "averaged"]
    assert [layer.name for layer in model.layers] == layers

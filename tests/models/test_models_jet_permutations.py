"""Nets that cannot tell like jets apart."""

import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from higgs_lib import data, models, training
from higgs_lib.data import COMPLETE, LOW, Sample
from higgs_lib.models import ModelSpec, jet_permutations, kinematic_layer
from higgs_lib.models.kinematic_layer import OBJECTS, Kinematics
from higgs_lib.training import steps

SPEC = ModelSpec((40, 40), inputs="kinematics", symmetric=True, learning_rate=0.003)


@pytest.fixture(scope="module")
def sample(events):
    return data.load(events, COMPLETE, range(12_000))


def exchanged(objects, exchange):
    """The objects of every event under the labels of others."""
    order = [OBJECTS.index(exchange.get(name, name)) for name in OBJECTS]
    return objects._replace(
        pt=np.array(objects.pt)[:, order],
        eta=np.array(objects.eta)[:, order],
        phi=np.array(objects.phi)[:, order],
        tags=np.array(objects.tags)[:, order[:4]],
    )


def test_a_labelling_gives_the_inputs_of_exchanged_objects(sample, monkeypatch):
    layer, found = Kinematics(COMPLETE), Kinematics._objects
    before = np.array(layer(sample.features))
    orders = jet_permutations.permutation_orders(COMPLETE)
    assert orders.shape == (4, len(kinematic_layer.feature_names(COMPLETE)))
    for exchange, order in zip(jet_permutations.EXCHANGES, orders, strict=True):
        with monkeypatch.context() as patch:
            patch.setattr(Kinematics, "_objects", lambda *at, of=exchange: exchanged(found(*at), of))
            assert np.array(layer(sample.features)) == pytest.approx(before[:, order], abs=1e-4)


def test_scores_do_not_depend_on_the_labelling(sample):
    model = models.build(SPEC, models.standardisation(sample, COMPLETE), seed=1)
    given = np.array(model.get_layer("kinematics")(sample.features))
    rest = keras.Model(model.get_layer("kinematics").output, model.output)
    plain = keras.Model(model.get_layer("relabelled").output, model.get_layer("score").output)
    for order in jet_permutations.permutation_orders(COMPLETE):
        assert training.predict(rest, given[:, order]) == pytest.approx(training.predict(rest, given), abs=1e-6)
    assert np.abs(training.predict(plain, given[:, order]) - training.predict(plain, given)).max() > 0.01


def test_in_training_each_event_has_one_labelling_by_chance(sample):
    layer = jet_permutations.RandomJetPermutation(COMPLETE, seed=3)
    given = np.array(Kinematics(COMPLETE)(sample.features))
    relabelled = np.array(layer(given, training=True))
    which = [(relabelled == given[:, order]).all(1) for order in layer._orders]
    assert np.any(which, 0).all()
    assert np.mean(which, 1) == pytest.approx(0.25, abs=0.02)  # 12,000 events: 5 deviations
    assert not np.array_equal(np.array(layer(given, training=True)), relabelled)
    again = jet_permutations.RandomJetPermutation.from_config(layer.get_config())
    assert np.array_equal(np.array(again(given, training=True)), relabelled)


def test_standardisation_is_that_of_all_labellings(sample):
    standard = models.standardisation(sample, COMPLETE).relabelled()
    given = np.array(Kinematics(COMPLETE)(sample.features), float)
    everything = np.concatenate([given[:, order] for order in jet_permutations.permutation_orders(COMPLETE)])
    assert standard.mean == pytest.approx(everything.mean(0), rel=1e-4, abs=1e-4)
    assert standard.variance == pytest.approx(everything.var(0), rel=1e-3)


def test_a_symmetric_net_trains_is_saved_and_comes_back(sample, tmp_path):
    low = Sample(np.ascontiguousarray(sample.features[:, :21]), sample.labels)
    parts, pace = (low.slice(0, 9000), low.slice(9000)), {"epochs": 3, "batch_size": 128}
    weights = []
    for _ in range(2):
        model = models.build(SPEC, models.standardisation(parts[0], LOW), seed=1)
        history = training.fit(model, models.optimizer(SPEC, n_events=9000, **pace), *parts, **pace, seed=1)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert history.validation[-1].auc > 0.7  # columns alone give 0.6
    assert np.array_equal(*weights)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(training.predict(again, parts[1].features), training.predict(model, parts[1].features))


BY_JAX = """
import sys
import keras
import numpy as np
from higgs_lib import models
from higgs_lib.features import LOW
from higgs_lib.samples import Sample

folder = sys.argv[1]
with np.load(f"{folder}/events.npz") as stored:
    sample = Sample(stored["features"], stored["labels"])
assert keras.backend.backend() == "jax"
spec, pace = models.PRESETS["kinematic"], {"batch_size": 100, "epochs": 2}
model = models.build(spec, models.standardisation(sample, LOW), seed=1)
model.compile(models.optimizer(spec, n_events=sample.n_events, **pace), "binary_crossentropy")
losses = model.fit(*sample, **pace, verbose=0).history["loss"]
assert losses[1] < losses[0], losses
model.save(f"{folder}/jax.keras")
np.save(f"{folder}/scores.npy", model.predict(sample.features, verbose=0)[:, 0])
"""


def test_on_jax_it_trains_and_scores_as_on_tensorflow(sample, tmp_path):
    low = np.ascontiguousarray(sample.features[:3000, :21])
    np.savez(tmp_path / "events.npz", features=low, labels=sample.labels[:3000])
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    answer = subprocess.run([sys.executable, "-c", BY_JAX, tmp_path], env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    here = training.predict(keras.models.load_model(tmp_path / "jax.keras"), low)
    there = np.load(tmp_path / "scores.npy")
    assert np.quantile(np.abs(here - there), 0.999) < 1e-3  # but where two points of the neutrino's grid are as near


@pytest.mark.parametrize(("dropout", "compiled"), [(0.0, True), (0.1, False)])
def test_exchanging_jets_costs_xla_little_but_dropout_does(sample, monkeypatch, dropout, compiled):
    monkeypatch.setattr(steps, "has_gpu", lambda: False)
    model = models.build(replace(SPEC, dropout=dropout), models.standardisation(sample, COMPLETE), seed=1)
    assert steps.prefers_xla(model, 128) == compiled


def test_without_kinematics_there_is_nothing_to_exchange():
    with pytest.raises(ValueError, match="symmetric nets exchange jets, and so need inputs='kinematics'"):
        ModelSpec((10,), symmetric=True)

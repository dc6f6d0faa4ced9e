import numpy as np
import pytest

from higgs_lib import models
from higgs_lib.models import ModelSpec, Standardisation
from higgs_lib.models.periodic_embedding import PeriodicEmbedding


def test_it_returns_features_with_sines_and_cosines_of_their_own_frequencies():
    features = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    layer = PeriodicEmbedding(2, 0.5, seed=1)
    embedded = np.array(layer(features))
    frequencies = np.array(layer.frequencies)
    assert frequencies.shape == (3, 2)
    assert embedded.shape == (50, 3 * 5) == layer.compute_output_shape((50, 3))
    assert np.array_equal(embedded[:, :3], features)
    for column in range(3):
        waves = embedded[:, 3 + 4 * column : 7 + 4 * column]
        phases = 2 * np.pi * features[:, [column]].astype(float) * frequencies[column]
        assert waves == pytest.approx(np.concatenate([np.sin(phases), np.cos(phases)], 1), abs=1e-5)


def test_initial_frequencies_have_the_given_scale_and_are_seeded():
    weights = []
    for seed in (1, 1, 2):
        layer = PeriodicEmbedding(500, 0.2, seed=seed)
        layer.build((None, 20))
        weights.append(np.array(layer.frequencies))
    assert weights[0].std() == pytest.approx(0.2, rel=0.03)
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_a_network_with_frequencies_has_the_parameters_that_its_specification_says():
    spec = ModelSpec((30, 20), frequencies=4)
    model = models.build(spec, Standardisation(np.zeros(21), np.ones(21)), seed=1)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == spec.n_parameters(21)
    assert spec.operations(21) == 6 * (21 * 9 * 30 + 30 * 20 + 20)  # the frequencies need the gradient of the inputs
    assert model.get_layer("frequencies").trainable_weights

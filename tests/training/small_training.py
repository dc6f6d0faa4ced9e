"""A small classification problem for the tests of training, and a small model for it."""

import keras
import numpy as np

from higgs_lib import models
from higgs_lib.data import Sample
from higgs_lib.models import ModelSpec

ON_JAX = keras.backend.backend() == "jax"
COMPILED = [None] if ON_JAX else [True, False]  # XLA compiles everything on JAX


def sample(n, seed):
    """n events with six features, of which the first differs in mean and the second in width."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.5).astype(np.float32)
    features = rng.normal(0, 1, (n, 6)).astype(np.float32)
    features[:, 0] += labels
    features[:, 1] *= 1 + labels
    return Sample(features, labels)


def build(spec=ModelSpec((20, 20)), seed=3):
    """A model of six features and its optimizer."""
    standard = models.Standardisation(np.zeros(6), np.ones(6))
    return models.build(spec, standard, seed), models.optimizer(spec, n_events=3030, batch_size=100, epochs=5)


def weights(model):
    """All weights as one vector."""
    return np.concatenate([w.ravel() for w in model.get_weights()])

import keras
import numpy as np
import pytest

from higgs_lib import models
from higgs_lib.models import PRESETS, ModelSpec, Standardisation
from higgs_lib.models.optimizers import OPTIMIZER_CLASSES, LinearRamp, MomentumSGD, NesterovMomentum

SHORT = {"n_events": 100, "batch_size": 10, "epochs": 1}


def test_every_optimizer_has_its_class():
    assert tuple(OPTIMIZER_CLASSES) == models.OPTIMIZERS


@pytest.mark.parametrize("name", models.OPTIMIZERS)
def test_optimizers_have_keras_default_rate_or_the_given_one(name):
    default = OPTIMIZER_CLASSES[name]().learning_rate
    for given, expected in ((0.0, float(default)), (0.3, 0.3)):
        spec = ModelSpec((3,), optimizer=name, learning_rate=given)
        assert float(models.optimizer(spec, **SHORT).learning_rate) == pytest.approx(expected)


def test_a_cosine_with_warm_up_rises_linearly_and_falls_to_zero():
    spec = ModelSpec((3,), learning_rate=0.3, schedule="cosine", warm_up=0.2)
    optimizer = models.optimizer(spec, n_events=1000, batch_size=10, epochs=1)
    expected = {0: 0.0, 10: 0.15, 20: 0.3, 60: 0.15, 100: 0.0}
    rates = {step: float(optimizer._learning_rate(step)) for step in expected}
    assert rates == pytest.approx(expected, abs=1e-6)


def test_muon_makes_the_updates_of_matrices_nearly_orthogonal():
    """All singular values of an update are of the size 0.2 sqrt(larger side) x rate (arXiv:2502.16982)."""
    variable = keras.Variable(np.zeros((30, 20), np.float32))
    optimizer = models.optimizer(ModelSpec((3,), optimizer="muon", learning_rate=0.1), **SHORT)
    gradient = np.random.default_rng(1).normal(size=(30, 20)) @ np.diag(np.geomspace(1, 30, 20))
    optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [variable])
    singular = np.linalg.svd(variable.numpy(), compute_uv=False) / (0.1 * 0.2 * np.sqrt(30))
    assert 0.3 < singular.min() < singular.max() < 1.3  # those of the gradient span a factor of about 30


@pytest.mark.parametrize("name", models.OPTIMIZERS)
def test_weights_decay_by_the_learning_rate_where_the_loss_has_no_gradient(name):
    matrix = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    variable = keras.Variable(matrix)
    spec = ModelSpec((3,), optimizer=name, learning_rate=0.1, weight_decay=0.2)
    models.optimizer(spec, **SHORT).apply([keras.ops.zeros((3, 2))], [variable])
    np.testing.assert_allclose(variable.numpy(), matrix * (1 - 0.1 * 0.2), rtol=1e-6)


def test_the_decay_leaves_adams_own_step_as_it_is():
    """Decoupled decay is not L2 regularization, whose gradient Adam would rescale."""
    gradient, steps = keras.ops.convert_to_tensor(np.array([[1.0, -2.0]], np.float32)), {}
    for decay in (0.0, 0.5):
        variable = keras.Variable(np.array([[3.0, 3.0]], np.float32))
        spec = ModelSpec((3,), learning_rate=0.1, weight_decay=decay)
        models.optimizer(spec, **SHORT).apply([gradient], [variable])
        steps[decay] = variable.numpy() - 3 * (1 - 0.1 * decay)
    np.testing.assert_allclose(steps[0.5], steps[0.0], rtol=1e-5)


def test_baldis_rate_and_momentum_equal_the_published_ones():
    """From their scripts: 0.05 / 1.0000002^step down to 1e-6, momentum from 0.9 to 0.99 over 200 epochs."""
    optimizer = models.optimizer(PRESETS["baldi_deep"], n_events=10_000_000, batch_size=100, epochs=1000)
    for step in (0, 1, 1000, 5_000_000, 20_000_000, 100_000_000):
        rate, momentum = optimizer._learning_rate(step), optimizer.momentum_schedule(step)
        assert float(rate) == pytest.approx(max(0.05 / 1.0000002**step, 1e-6), rel=2e-5)
        assert float(momentum) == pytest.approx(min(0.9 + 0.09 * step / 20_000_000, 0.99), rel=1e-6)


@pytest.mark.parametrize(("n_events", "batch_size"), [(10_000_000, 1024), (30_000, 100), (28_001, 128)])
def test_they_depend_on_the_epoch_alone_for_other_events_and_batch_sizes(n_events, batch_size):
    steps_per_epoch = -(-n_events // batch_size)
    optimizer = models.optimizer(PRESETS["baldi_deep"], n_events=n_events, batch_size=batch_size, epochs=1000)
    for epoch in (0, 1, 7, 100, 200, 500):
        step = epoch * steps_per_epoch
        rate, momentum = optimizer._learning_rate(step), optimizer.momentum_schedule(step)
        assert float(rate) == pytest.approx(max(0.05 * np.exp(-np.log(1.0000002) * 100_000 * epoch), 1e-6), rel=1e-4)
        assert float(momentum) == pytest.approx(min(0.9 + 0.09 * epoch / 200, 0.99), rel=1e-6)


def test_scheduled_momentum_follows_its_formula_and_is_saved(tmp_path):
    """Computes v = m v - r g, w += v by hand, then saves the optimizer with a model."""
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
    schedule = models.load(tmp_path / "model.keras").optimizer.momentum_schedule
    assert schedule.get_config() == {"initial": 0.5, "final": 0.9, "n_steps": 4}


def test_the_cosine_schedule_equals_its_closed_form():
    spec = ModelSpec((3,), schedule="cosine", learning_rate=0.1)
    rate = models.optimizer(spec, n_events=995, batch_size=10, epochs=2)._learning_rate  # 200 steps
    for step in (0, 50, 100, 200):
        assert float(rate(step)) == pytest.approx(0.05 * (1 + np.cos(np.pi * step / 200)), abs=1e-6)


def test_nesterov_momentum_of_sgd_is_that_of_keras():
    """Also after it was saved and loaded."""
    gradients = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    results = []
    saved = keras.saving.serialize_keras_object(NesterovMomentum(keras.optimizers.SGD(0.1), 0.8))
    for optimizer in (
        keras.optimizers.SGD(0.1, momentum=0.8, nesterov=True),
        NesterovMomentum(keras.optimizers.SGD(0.1), 0.8),
        keras.saving.deserialize_keras_object(saved),
    ):
        variable = keras.Variable(np.ones(3, np.float32))
        optimizer.build([variable])
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        results.append(np.array(variable))
        assert int(optimizer.iterations) == 20
    assert results[1] == pytest.approx(results[0], abs=1e-5)
    assert np.array_equal(results[2], results[1])

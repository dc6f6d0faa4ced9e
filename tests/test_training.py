import keras
import numpy as np
import pytest

from higgs_lib import metrics, models, training
from higgs_lib.models import ModelSpec
from higgs_lib.samples import Sample


def sample(n, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.5).astype(np.float32)
    features = rng.normal(0, 1, (n, 6)).astype(np.float32)
    features[:, 0] += labels
    features[:, 1] *= 1 + labels
    return Sample(features, labels)


@pytest.fixture(scope="module")
def samples():
    return sample(3030, 1), sample(1500, 2)  # 3030 is no multiple of the batch sizes


def build(spec=ModelSpec((20, 20)), seed=3):
    standard = models.Standardisation(np.zeros(6), np.ones(6))
    return models.build(spec, standard, seed), models.optimizer(spec, 100)


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adadelta"])
def test_an_epoch_is_that_of_keras_fit_on_the_same_batches(samples, optimizer, compiled):
    """Keras is given the events in the order that the loop shuffles them into."""
    spec = ModelSpec((20, 20), optimizer=optimizer, l2=1e-4)
    ours, step = build(spec)
    training.fit(ours, step, *samples, epochs=2, batch_size=128, seed=5, compiled=compiled)
    theirs, step = build(spec)
    theirs.compile(step, "binary_crossentropy")
    order = np.random.default_rng(5)
    for _ in range(2):
        rows = order.permutation(len(samples[0].labels))
        theirs.fit(samples[0].features[rows], samples[0].labels[rows], batch_size=128, shuffle=False, verbose=0)
    # a tenth of the largest change of a weight by one step of Adam is 1e-4
    assert weights(ours) == pytest.approx(weights(theirs), abs=2e-5)


def test_the_same_seed_gives_the_same_numbers(samples):
    runs = []
    for seed in (5, 5, 6):
        model, step = build(ModelSpec((20, 20), dropout=0.2))
        history = training.fit(model, step, *samples, epochs=2, batch_size=100, seed=seed)
        runs.append((weights(model), history.validation))
    assert np.array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_measures_are_those_of_the_final_model(samples):
    model, step = build()
    history = training.fit(model, step, *samples, epochs=1, batch_size=100, seed=1)
    scores = model.predict(samples[1].features, verbose=0)[:, 0]
    measured = history.validation[0]
    assert measured.auc == metrics.auc(samples[1].labels, scores)
    wanted = -np.mean(np.log(np.where(samples[1].labels == 1, scores, 1 - scores)))
    assert measured.loss == pytest.approx(wanted, rel=1e-5)
    assert history.training[0].auc > 0.5
    assert history.events_per_second > 0


def test_early_stopping_leaves_the_best_weights(samples):
    few = Sample(samples[0].features[:60], samples[0].labels[:60])
    spec = ModelSpec((200, 200), learning_rate=0.02)
    model, step = build(spec)
    history = training.fit(model, step, few, samples[1], epochs=60, batch_size=20, seed=1, patience=3)
    losses = [measures.loss for measures in history.validation]
    assert len(losses) < 60
    assert history.best_epoch == np.argmin(losses) + 1 == len(losses) - 3
    kept = training.evaluate(model, samples[1], keras.losses.BinaryCrossentropy())
    assert kept.loss == pytest.approx(min(losses), rel=1e-6)


def test_any_keras_model_optimizer_and_loss(samples):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    wide = keras.layers.Dense(8, activation="relu")(inputs)
    normalised = keras.layers.LayerNormalization()(wide)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(normalised))
    optimizer = keras.optimizers.AdamW(clipnorm=1.0)
    history = training.fit(
        model, optimizer, *samples, epochs=10, batch_size=64, seed=1, loss=keras.losses.BinaryFocalCrossentropy()
    )
    assert history.validation[-1].auc > 0.65


def test_a_training_that_runs_away_says_so(samples):
    spec = ModelSpec((20,), activation="linear", optimizer="sgd", learning_rate=1e30)
    model, step = build(spec)
    with pytest.raises(training.DivergenceError, match="odd: the loss is not finite after epoch 1; lower"):
        training.fit(model, step, *samples, epochs=3, batch_size=100, seed=1, name="odd")


@pytest.mark.parametrize("sizes", [{"epochs": 0, "batch_size": 10}, {"epochs": 1, "batch_size": 5000}])
def test_sizes_that_cannot_be_are_refused(samples, sizes):
    model, step = build()
    with pytest.raises(ValueError, match="cannot train"):
        training.fit(model, step, *samples, seed=1, **sizes)

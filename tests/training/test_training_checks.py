"""What cannot be trained is told in one sentence before the first step."""

import keras
import numpy as np
import pytest
from small_training import build, sample

from higgs_lib import simulation, training
from higgs_lib.data import HIGH, EventStream, Sample
from higgs_lib.training import TrainConfig, TrainingError, loop

CONFIG = TrainConfig(epochs=1, batch_size=100)
TRAINING, VALIDATION = sample(300, 1), sample(200, 2)


def dense(units=1, inputs=6, activation=None):
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(units, activation=activation)])


def changed(events: Sample, row: int, **values) -> Sample:
    features, labels = events.features.copy(), events.labels.copy()
    features[row, 3] = values.get("feature", features[row, 3])
    labels[row] = values.get("label", labels[row])
    return Sample(features, labels)


@pytest.fixture
def no_step(monkeypatch):
    """Fails where a step is prepared."""

    def refuse(*_, **__):
        raise AssertionError("a step was prepared")

    monkeypatch.setattr(loop, "Trainer", refuse)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": changed(TRAINING, 7, label=2)}, "training events, row 7 from 0: the label is neither 0"),
        ({"training": changed(TRAINING, 7, label=np.nan)}, "training events, row 7 from 0: the label is neither 0"),
        ({"validation": changed(VALIDATION, 9, label=-1)}, "validation events, row 9 from 0: the label is neither"),
        ({"training": changed(TRAINING, 299, feature=np.nan)}, "training events, row 299 from 0: a feature is not"),
        ({"validation": changed(VALIDATION, 0, feature=np.inf)}, "validation events, row 0 from 0: a feature is not"),
        ({"training": TRAINING._replace(labels=np.ones(300))}, "training events: signal .* not both are there"),
        ({"validation": VALIDATION._replace(labels=np.zeros(200))}, "validation events: signal .* not both are there"),
        ({"training": TRAINING._replace(labels=TRAINING.labels[:, None])}, "labels \\(n,\\), not"),
        ({"training": TRAINING._replace(labels=TRAINING.labels[:-1])}, "labels \\(n,\\), not"),
        ({"training": TRAINING._replace(features=TRAINING.features[:, :5])}, "does not take the 5 features"),
        ({"config": CONFIG._replace(batch_size=301)}, "in batches of 301 on 300"),
        ({"config": CONFIG._replace(batch_size=0)}, "in batches of 0 on 300"),
        ({"config": CONFIG._replace(epochs=0)}, "cannot train 0 epochs"),
        ({"config": CONFIG._replace(patience=-1)}, "patience must not be negative, as -1 is"),
        ({"config": CONFIG._replace(min_delta=float("nan"))}, "min_delta must not be negative, as nan is"),
        ({"config": CONFIG._replace(min_epochs=-3)}, "min_epochs must not be negative, as -3 is"),
        ({"model": dense()}, "scores do not lie in \\[0, 1\\].*sigmoid, or the loss from_logits=True"),
        ({"model": dense(units=2, activation="sigmoid")}, "makes \\(100, 2\\) of \\(100, 6\\) features"),
        ({"model": dense(inputs=7, activation="sigmoid")}, "does not take the 6 features"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_first_step(no_step, changes, message):
    model, optimizer = build()
    arguments = {"model": model, "training": TRAINING, "validation": VALIDATION, "config": CONFIG} | changes
    with pytest.raises(TrainingError, match=message) as error:
        training.fit(optimizer=optimizer, seed=1, **arguments)
    assert "\n" not in str(error.value)


def test_logits_are_trained_by_a_loss_of_logits():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    history = training.fit(dense(), keras.optimizers.Adam(0.01), TRAINING, VALIDATION, CONFIG, seed=1, loss=loss)
    assert len(history.seconds) == 1


def test_a_file_of_one_class_is_refused(tmp_path, no_step):
    """As events that somebody sorted by their class."""
    simulation.simulate(tmp_path / "events.parquet", 500, seed=1, workers=1)
    labels = EventStream.open(tmp_path / "events.parquet", HIGH, range(500)).load().labels
    rows = range(int(np.argmax(labels != labels[0])))
    stream = EventStream.open(tmp_path / "events.parquet", HIGH, rows)
    with pytest.raises(TrainingError, match="training events: signal"):
        training.fit(
            dense(inputs=7), keras.optimizers.Adam(), stream, VALIDATION, CONFIG._replace(batch_size=1), seed=1
        )

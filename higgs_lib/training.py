"""One training loop for any Keras model: whole epochs inside one graph, over data held in memory."""

import math
import time
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from higgs_lib import metrics
from higgs_lib.samples import Sample

EVALUATION_BATCH = 8192  # events; large enough that a pass is bound by arithmetic
COMPILED_UP_TO = 512  # events a batch: above, XLA's loop is no faster than the plain graph's on a CPU


class DivergenceError(ArithmeticError):
    """A training ran away; the message says which and when."""


class Measures(NamedTuple):
    """What a model reaches on a sample."""

    loss: float
    accuracy: float
    auc: float


class History(NamedTuple):
    """A finished training: one value an epoch in every list, and the number of the best epoch."""

    training: list[Measures]
    """Without dropout, on as many of the training events as there are validation events."""
    validation: list[Measures]
    seconds: list[float]
    """Wall-clock time of the training steps of each epoch; the first holds the compilation."""
    best_epoch: int
    """From 1; the one whose weights the model has: the lowest validation loss."""
    n_events: int
    """Training events an epoch."""

    @property
    def events_per_second(self) -> float:
        """Median over the epochs."""
        return self.n_events / float(np.median(self.seconds))


def _epoch_function(model, optimizer, loss, n_events: int, batch_size: int, compiled: bool):
    """A graph that trains one epoch in the given order of rows (n_events,); the last batch may be smaller."""
    variables = model.trainable_variables
    optimizer.build(variables)

    def step(features, labels):
        with tf.GradientTape() as tape:
            scores = tf.squeeze(model(features, training=True), -1)
            objective = loss(labels, scores) + sum(model.losses)
        optimizer.apply(tape.gradient(objective, variables), variables)

    @tf.function(jit_compile=compiled)
    def epoch(features, labels, order):
        for first in tf.range(0, n_events - batch_size + 1, batch_size):
            rows = tf.slice(order, [first], [batch_size])
            step(tf.gather(features, rows), tf.gather(labels, rows))
        if remainder := n_events % batch_size:
            rows = order[-remainder:]
            step(tf.gather(features, rows), tf.gather(labels, rows))

    return epoch


def predict(model, features: np.ndarray) -> np.ndarray:
    """The model's scores (n,) of raw `features` (n, n_features), in float32."""
    blocks = range(0, len(features), EVALUATION_BATCH)
    scores = [model.predict_on_batch(features[i : i + EVALUATION_BATCH])[:, 0] for i in blocks]
    return np.concatenate(scores)


def evaluate(model, sample: Sample, loss) -> Measures:
    """Loss (without regularisation), accuracy at 0.5 and AUC on a sample; both nan where the loss is not finite."""
    scores = predict(model, sample.features)
    value = float(loss(sample.labels, scores))
    if not np.isfinite(value):
        return Measures(value, math.nan, math.nan)
    return Measures(value, metrics.accuracy(sample.labels, scores), metrics.auc(sample.labels, scores))


def fit(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    training: Sample,
    validation: Sample,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    patience: int = 0,
    loss: keras.losses.Loss | None = None,
    compiled: bool | None = None,
    name: str = "model",
) -> History:
    """Trains the model in place and leaves it with the weights of its best epoch, by validation loss.

    Samples hold features (n, n_features) and labels (n,). Events are shuffled at every epoch by `seed`. Training ends
    after `epochs`, or when the validation loss has not fallen for `patience` epochs (0: never). The loss is the binary
    cross entropy unless given; `compiled` chooses XLA, by batch size unless given. ValueError for sizes that cannot be.
    """
    if epochs < 1 or not 1 <= batch_size <= len(training.labels):
        raise ValueError(
            f"cannot train {epochs} epochs in batches of {batch_size} on {len(training.labels)} training events"
        )
    loss = loss or keras.losses.BinaryCrossentropy()
    compiled = batch_size <= COMPILED_UP_TO if compiled is None else compiled
    n_events = len(training.labels)
    epoch = _epoch_function(model, optimizer, loss, n_events, batch_size, compiled)
    features, labels = tf.constant(training.features), tf.constant(training.labels)
    part = Sample(training.features[: len(validation.labels)], training.labels[: len(validation.labels)])
    order = np.random.default_rng(seed)
    history = History([], [], [], 0, n_events)
    with tqdm(total=epochs, desc=name, unit="epoch", mininterval=30) as progress:
        for number in range(1, epochs + 1):
            start = time.perf_counter()
            epoch(features, labels, tf.constant(order.permutation(n_events).astype(np.int32)))
            history.seconds.append(time.perf_counter() - start)
            history.training.append(evaluate(model, part, loss))
            history.validation.append(evaluate(model, validation, loss))
            if not np.isfinite(history.validation[-1].loss):
                raise DivergenceError(f"{name}: the loss is not finite after epoch {number}; lower the learning rate")
            progress.set_postfix(validation_AUC=f"{history.validation[-1].auc:.4f}", refresh=False)
            progress.update()
            if number == 1 or history.validation[-1].loss < history.validation[history.best_epoch - 1].loss:
                history, weights = history._replace(best_epoch=number), model.get_weights()
            if patience and number - history.best_epoch >= patience:
                break
    model.set_weights(weights)
    return history

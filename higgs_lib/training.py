"""One training loop for any Keras model: steps inside one graph, a million events at a time, from memory or a file."""

import hashlib
import logging
import math
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from higgs_lib import checkpoints, device, metrics, samples
from higgs_lib.history import History, Measures
from higgs_lib.samples import Sample, Stream

log = logging.getLogger(__name__)

EVALUATION_BATCH = 8192  # events; large enough that a pass is bound by arithmetic
COMPILED_UP_TO = 2048  # events a batch, on a processor; above, the plain graph's matrix products are the faster


class DivergenceError(ArithmeticError):
    """A training ran away; the message says which, and when."""


def measures(loss, labels: np.ndarray, scores: np.ndarray) -> Measures:
    """Loss (without regularisation), accuracy at 0.5 and AUC of scores; both nan where the loss is not finite."""
    value = float(loss(labels, scores))
    if not np.isfinite(value):
        return Measures(value, math.nan, math.nan)
    return Measures(value, metrics.accuracy(labels, scores), metrics.auc(labels, scores))


def predict(model, features: np.ndarray) -> np.ndarray:
    """The model's scores (n,) of raw `features` (n, n_features), in float32."""
    blocks = range(0, len(features), EVALUATION_BATCH)
    scores = [model.predict_on_batch(features[i : i + EVALUATION_BATCH])[:, 0] for i in blocks]
    return np.concatenate(scores)


def evaluate(model, sample: Sample, loss) -> Measures:
    """What the model reaches on a sample, without dropout."""
    return measures(loss, sample.labels, predict(model, sample.features))


def compiled_for(model, batch_size: int) -> bool:
    """Whether XLA trains the model faster than the plain graph.

    On a processor it does in batches that are not large, unless it would draw the random numbers of dropout anew at
    each of their uses or multiply in bfloat16 without the processor's instructions (as `make bench` measures). On a GPU
    it is taken to, since one launch then does the work of many.
    """
    random = any("seed_generator" in variable.path for variable in model.variables)
    return _has_gpu() or (batch_size <= COMPILED_UP_TO and not random and not _is_rough(model))


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _is_rough(model) -> bool:
    return any(layer.compute_dtype == "bfloat16" for layer in _layers(model))


def _layers(layer) -> Iterator[keras.layers.Layer]:
    """A model's layers, those inside others too."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)


class _Device(NamedTuple):
    """A sample that lies in the memory of an accelerator."""

    features: tf.Tensor
    labels: tf.Tensor

    def take(self, rows: np.ndarray) -> Sample:
        return Sample(tf.gather(self.features, rows), tf.gather(self.labels, rows))


def _placed(events: Sample | Stream):
    """The events on the GPU, if there is one and they fit in its memory."""
    if isinstance(events, Stream) or not _has_gpu():
        return events
    try:
        return _Device(tf.constant(events.features), tf.constant(events.labels))
    except tf.errors.ResourceExhaustedError:
        log.info("%d events do not fit in the GPU's memory; they go there block by block", events.n_events)
        return events


def _together(gradients: list) -> list:
    """The same gradients, each of which depends on all.

    Weights are then stepped when no gradient needs them any more, so that XLA writes the new ones over the old ones. It
    copies them in every step if not. Adding 0 changes no finite number; one that is not finite makes all so.
    """
    dense = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
    nothing = 0.0 * sum(tf.cast(tf.reshape(g, [-1])[0], tf.float32) for g in dense if g is not None)
    return [g if g is None else g + tf.cast(nothing, g.dtype) for g in dense]


def _block_function(model, optimizer, loss, batch_size: int, compiled: bool) -> Callable[[Sample], np.ndarray]:
    """Trains on a block of events, batch by batch in their order, and gives the scores (n,) that the steps computed."""
    variables = model.trainable_variables
    optimizer.build(variables)

    def step(features, labels):
        with tf.GradientTape() as tape:
            scores = tf.squeeze(model(features, training=True), -1)
            objective = loss(labels, scores) + sum(model.losses)
        gradients = tape.gradient(objective, variables)
        optimizer.apply(_together(gradients) if compiled else gradients, variables)
        return tf.cast(scores, tf.float32)

    @tf.function(jit_compile=compiled)
    def batches(features, labels):
        n_batches = features.shape[0] // batch_size
        scores = tf.TensorArray(tf.float32, n_batches, element_shape=(batch_size,))
        for number in tf.range(n_batches):
            first = number * batch_size
            batch = tf.slice(features, [first, 0], [batch_size, -1]), tf.slice(labels, [first], [batch_size])
            scores = scores.write(number, step(*batch))
        return tf.reshape(scores.stack(), [-1])

    rest = tf.function(step, jit_compile=compiled)

    def block(events: Sample) -> np.ndarray:
        whole = len(events.labels) // batch_size * batch_size
        parts = [(batches, slice(whole)), (rest, slice(whole, None))]
        return np.concatenate([_called(graph, *(array[rows] for array in events)) for graph, rows in parts])

    return block


def _called(graph, features, labels) -> np.ndarray:
    """What a graph gives for these, if there are any.

    A plain call would warn of tracing when several nets are trained after each other, as each has graphs of its own.
    """
    if not len(labels):
        return np.empty(0, np.float32)
    tensors = tf.convert_to_tensor(features), tf.convert_to_tensor(labels)
    return graph.get_concrete_function(*tensors)(*tensors).numpy()


def _ahead(blocks: Iterator[Sample]) -> Iterator[Sample]:
    """The same blocks, each made while the one before is in use."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, blocks, None)
        while (block := waiting.result()) is not None:
            waiting = reader.submit(next, blocks, None)
            yield block


class Training:
    """What is fixed in a training, and its epochs."""

    def __init__(self, model, optimizer, loss, events: Sample | Stream, batch_size: int, seed: int, compiled: bool):
        self.model, self.optimizer, self.loss, self.compiled = model, optimizer, loss, compiled
        self.events, self.placed, self.batch_size, self.seed = events, _placed(events), batch_size, seed
        self.block = _block_function(model, optimizer, loss, batch_size, compiled)

    def epoch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Trains one epoch: the events' labels and the scores that the steps computed, both (n,) in their order."""
        rows = samples.order(self.events.n_events, self.batch_size, self.seed, number)
        passed = [(block.labels, self.block(block)) for block in _ahead(map(self.placed.take, rows))]
        return tuple(np.concatenate(parts) for parts in zip(*passed, strict=True))

    def next_epoch(self, history: History, validation: Sample, name: str) -> History:
        """Trains the epoch after those of `history`, and measures it; DivergenceError where the loss is not finite."""
        number = len(history.seconds) + 1
        start = time.perf_counter()
        passed = self.epoch(number)
        seconds = time.perf_counter() - start
        reached = evaluate(self.model, validation, self.loss)
        if not np.isfinite(reached.loss):
            raise DivergenceError(f"{name}: the loss is not finite after epoch {number}; lower the learning rate")
        return history.and_epoch(measures(self.loss, *passed), reached, seconds)

    def restored(self, state: checkpoints.State) -> tuple[History, list[np.ndarray]]:
        """Puts model and optimizer back into a stored state: the history until then and the best weights."""
        for variables, values in ((self.model.variables, state.model), (self.optimizer.variables, state.optimizer)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return History.of(state.history), state.best

    def state(self, history: History, best: list[np.ndarray]) -> checkpoints.State:
        """What `restored` takes."""
        model, optimizer = ([_stored(v) for v in part.variables] for part in (self.model, self.optimizer))
        return checkpoints.State(model, optimizer, best, history.as_dict())

    def settings(self, epochs: int, validation: Sample) -> dict:
        """What a checkpoint must agree with; of the events, their number and the first thousand."""
        optimizer = keras.saving.serialize_keras_object(self.optimizer)
        optimizer["config"] |= {"name": None}  # Keras numbers them: adam, adam_1, ...
        return {
            "model": _description(self.model),
            "XLA": self.compiled,
            "optimizer": optimizer,
            "loss": keras.saving.serialize_keras_object(self.loss),
            "epochs": epochs,
            "batch size": self.batch_size,
            "seed": self.seed,
            "training events": _digest(self.events),
            "validation events": _digest(validation),
        }


def _description(model) -> str:
    """Names a model but for its weights: equal for one built in the same way again."""
    try:
        text = model.to_json()
    except NotImplementedError:  # a class of the user's own that does not say how it was made
        text = f"{type(model)} {[list(variable.shape) for variable in model.variables]}"
    numberless = re.sub(r'_\d+"', '"', text)  # Keras numbers the layers that it names: dropout, dropout_1, ...
    return hashlib.sha256(numberless.encode()).hexdigest()


def _digest(events: Sample | Stream) -> str:
    first = events.take(np.arange(min(1000, events.n_events)))
    return f"{events.n_events} {hashlib.sha256(first.features.tobytes() + first.labels.tobytes()).hexdigest()}"


def _stored(variable) -> np.ndarray:
    """A variable as numpy's files take it: bfloat16 as float32, which holds it exactly."""
    value = np.asarray(variable)
    return value.astype(np.float32) if value.dtype.name == "bfloat16" else value


def fit(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    training: Sample | Stream,
    validation: Sample,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    patience: int = 0,
    improvement: float = 0.0,
    loss: keras.losses.Loss | None = None,
    compiled: bool | None = None,
    checkpoint: str | Path | None = None,
    name: str = "model",
) -> History:
    """Trains the model in place and leaves it with the weights of its best epoch, by validation loss.

    Samples hold features (n, n_features) and labels (n,). Events are shuffled at every epoch by `seed`, in the same
    order for a `Sample` and a `Stream`. Training ends after `epochs`, or when the validation loss has not fallen by the
    share `improvement` for `patience` epochs (0: never). The loss is the binary cross entropy unless given; `compiled`
    chooses XLA, by batch size and device unless given. With a `checkpoint` file the state is stored there after every
    epoch, and a training that finds it goes on from there, to the same weights as if it had never stopped.
    ValueError for sizes that cannot be and for a checkpoint of another training; DivergenceError where the loss is not
    finite.
    """
    _check(model, training, epochs, batch_size)
    loss = loss or keras.losses.BinaryCrossentropy()
    compiled = compiled_for(model, batch_size) if compiled is None else compiled
    run = Training(model, optimizer, loss, training, batch_size, seed, compiled)
    settings = run.settings(epochs, validation) if checkpoint else {}
    stored = checkpoints.read(checkpoint, settings) if checkpoint else None
    history, best = run.restored(stored) if stored else (History([], [], [], training.n_events), [])
    with tqdm(total=epochs, initial=len(history.seconds), desc=name, unit="epoch", mininterval=30) as progress:
        while len(history.seconds) < epochs and not 0 < patience <= history.epochs_without(improvement):
            history = run.next_epoch(history, validation, name)
            best = model.get_weights() if history.best_epoch == len(history.seconds) else best
            if checkpoint:
                checkpoints.write(checkpoint, run.state(history, best), settings)
            progress.set_postfix(validation_AUC=f"{history.validation[-1].auc:.4f}", refresh=False)
            progress.update()
    model.set_weights(best)
    return history


def _check(model, training: Sample | Stream, epochs: int, batch_size: int) -> None:
    """ValueError for what cannot be trained; a warning where bfloat16 is asked of a processor without it."""
    if epochs < 1 or not 1 <= batch_size <= training.n_events:
        raise ValueError(
            f"cannot train {epochs} epochs in batches of {batch_size} on {training.n_events} training events"
        )
    if not model.built:
        model(training.take(np.arange(1)).features)
    if not model.trainable_variables:
        raise ValueError("the model has no weights to train")
    if _is_rough(model) and not (_has_gpu() or device.has_bfloat16()):
        log.warning("this processor, as far as is known, does not multiply in bfloat16; float32 is faster on such")

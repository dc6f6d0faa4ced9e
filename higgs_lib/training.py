"""One training loop for any Keras model, a million events at a time, on one device, on several or in a team."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from tqdm import tqdm

from higgs_lib import checkpoints, device, metrics, mirrored, steps
from higgs_lib.checkpoints import State
from higgs_lib.feed import Feed
from higgs_lib.history import History, Measures, Phases
from higgs_lib.samples import Sample, Stream
from higgs_lib.teams import ALONE, Team

log = logging.getLogger(__name__)

EVALUATION_BATCH = 8192  # events; large enough that a pass is bound by arithmetic


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
    return np.concatenate([np.empty(0, np.float32), *scores])


def evaluate(model, sample: Sample, loss, team: Team = ALONE) -> Measures:
    """What the model reaches on a sample, or on those of a team's workers together, without dropout."""
    return measures(loss, team.gathered(sample.labels), team.gathered(predict(model, sample.features)))


class Pace(NamedTuple):
    """How long a training goes on."""

    epochs: int
    patience: int = 0
    """Epochs without a lower validation loss after which it ends; 0: never."""
    improvement: float = 0.0
    """The share by which it has to fall to count as lower."""

    def ends(self, history: History) -> bool:
        return len(history.seconds) >= self.epochs or 0 < self.patience <= history.epochs_without(self.improvement)


class Training:
    """What is fixed in a training, and its epochs; of one worker of a team."""

    def __init__(
        self, model, optimizer, loss, events, batch_size, seed, compiled, *, team=ALONE, devices=(),
        precision="float32",
    ):  # fmt: skip
        """`events` are those of all workers together; of a stream this one's are read, if memory allows.

        A process alone may have `devices` instead of the usual one.
        """
        self.model, self.optimizer, self.loss, self.team, self.batch_size = model, optimizer, loss, team, batch_size
        if devices:
            self.feed = mirrored.Feeds(events, batch_size, seed, devices)
            self.block = mirrored.of(model, optimizer, loss, compiled, devices, precision)
        else:
            self.feed = Feed(events, batch_size, seed, team.share, "GPU:0" if steps.has_gpu() else "")
            self.block = steps.of(model, optimizer, loss, compiled, team, precision)
        self.n_bytes = steps.bytes_sent(model, team, precision)
        self.phases: list[Phases] = []

    def epoch(self, number: int) -> tuple[np.ndarray, steps.Passed, float, float]:
        """Trains one epoch: the labels (n,) of its events in their order, what its steps gave, and the seconds that
        they waited for events and that they took.
        """
        labels, passed, waited, busy, asked = [], [], 0.0, 0.0, time.perf_counter()
        for block, events in self.feed.epoch(number):
            began = time.perf_counter()
            labels.append(np.asarray(events.labels))
            passed.append(self.block(events, block, self.batch_size))
            waited, asked = waited + began - asked, time.perf_counter()
            busy += asked - began
        together = steps.Passed(*map(np.concatenate, zip(*passed, strict=True)))
        return np.concatenate(labels), together, waited, busy

    def next_epoch(self, history: History, validation: Sample, name: str) -> History:
        """Trains the epoch after those of `history`, and measures it; DivergenceError where the loss is not finite."""
        number = len(history.seconds) + 1
        start = time.perf_counter()
        labels, passed, waited, busy = self.epoch(number)
        trained = time.perf_counter()
        reached = evaluate(self.model, validation, self.loss, self.team)
        if not np.isfinite(reached.loss):
            raise DivergenceError(f"{name}: the loss is not finite after epoch {number}; lower the learning rate")
        of_steps = measures(self.loss, self.team.gathered(labels), self.team.gathered(passed.scores))
        shortest = self.team.least(passed.all_reduce)  # the last worker to come waits for none
        summed, sent = float(passed.all_reduce.sum()), self.n_bytes * len(passed.all_reduce)
        evaluation, seconds = time.perf_counter() - trained, trained - start
        self.phases.append(
            Phases(
                waited, busy - summed, summed, summed - float(shortest.sum()), evaluation, sent, passed.losses.tolist()
            )
        )
        return history.and_epoch(of_steps, reached, seconds)

    def epochs(self, history: History, best: list, validation: Sample, pace: Pace, name: str) -> Iterator[tuple]:
        """Trains until it ends: after every epoch the history until then and the weights of the best one."""
        while not pace.ends(history):
            history = self.next_epoch(history, validation, name)
            best = self.model.get_weights() if history.best_epoch == len(history.seconds) else best
            yield history, best


class Plan(NamedTuple):
    """What is asked of a training, checked, and where it begins."""

    pace: Pace
    batch_size: int
    seed: int
    loss: keras.losses.Loss
    compiled: bool | None
    """As asked; None: by batch size and device."""
    name: str
    state: State
    """The first weights, or what the checkpoint holds."""
    keep: Callable[[State], None]
    """Stores a state in the checkpoint, if one is asked for."""

    @classmethod
    def of(
        cls, model, optimizer, training, validation, *, epochs, batch_size, seed, patience=0, improvement=0.0,
        loss=None, compiled=None, checkpoint=None, name="model",
    ) -> "Plan":  # fmt: skip
        """Of the arguments of `fit`; its errors."""
        _check(model, training, epochs, batch_size)
        loss = loss or keras.losses.BinaryCrossentropy()
        optimizer.build(model.trainable_variables)
        state, keep = State.of(model, optimizer, History([], [], [], training.n_events), []), _nowhere
        if checkpoint:
            numbers = {"epochs": epochs, "batch size": batch_size, "seed": seed}
            numbers["XLA"] = steps.compiled_for(model, batch_size) if compiled is None else compiled
            settings = checkpoints.settings(model, optimizer, loss, training, validation, numbers)
            state = checkpoints.read(checkpoint, settings) or state
            keep = partial(checkpoints.write, checkpoint, settings=settings)
        return cls(Pace(epochs, patience, improvement), batch_size, seed, loss, compiled, name, state, keep)

    def is_compiled(self, model, n_devices: int = 1) -> bool:
        """Whether XLA compiles the steps of each of so many devices."""
        return steps.compiled_for(model, self.batch_size // n_devices) if self.compiled is None else self.compiled

    @contextmanager
    def progress(self) -> Iterator[Callable[[State], None]]:
        """A function to be called after every epoch: it keeps the state, and a line shows how far the training is."""
        done, epochs = len(self.state.history["seconds"]), self.pace.epochs
        with tqdm(total=epochs, initial=done, desc=self.name, unit="epoch", mininterval=30) as line:

            def reached(state: State) -> None:
                self.keep(state)
                line.set_postfix(validation_AUC=f"{state.history['validation'][-1]['auc']:.4f}", refresh=False)
                line.update(len(state.history["seconds"]) - line.n)

            yield reached


def _nowhere(_: State) -> None:
    """Where no checkpoint is asked for."""


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
    if steps.is_rough(model) and not (steps.has_gpu() or device.has_bfloat16()):
        log.warning("this processor, as far as is known, does not multiply in bfloat16; float32 is faster on such")


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
    devices: Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
    name: str = "model",
) -> History:
    """Trains the model in place and leaves it with the weights of its best epoch, by validation loss.

    Samples hold features (n, n_features) and labels (n,). Events are shuffled at every epoch by `seed`, in the same
    order for a `Sample` and a `Stream`. Training ends after `epochs`, or when the validation loss has not fallen by the
    share `improvement` for `patience` epochs (0: never). The loss is the binary cross entropy unless given; `compiled`
    chooses XLA, by batch size and device unless given. With a `checkpoint` file the state is stored there after every
    epoch, and a training that finds it goes on from there, to the same weights as if it had never stopped.

    `devices` are logical ones of TensorFlow's, as "GPU:0": one unless given. Several divide every batch, with the
    losses of one but for rounding (and dropout, as each draws its own random numbers), and train copies, so that Keras
    must be able to save the model. Layers that average over events, as BatchNormalization, have the first one's.

    ValueError for sizes and devices that cannot be and for a checkpoint of another training; DivergenceError where the
    loss is not finite.
    """
    plan = Plan.of(
        model, optimizer, training, validation, epochs=epochs, batch_size=batch_size, seed=seed, patience=patience,
        improvement=improvement, loss=loss, compiled=compiled, checkpoint=checkpoint, name=name,
    )  # fmt: skip
    devices = mirrored.chosen(devices, batch_size)
    compiled = plan.is_compiled(model, len(devices) or 1)
    run = Training(model, optimizer, plan.loss, training, batch_size, seed, compiled, devices=devices)
    history, best = plan.state.restore(model, optimizer)
    with plan.progress() as reached:
        for history, best in run.epochs(history, best, validation, plan.pace, name):  # noqa: B020 - begins with them
            reached(State.of(model, optimizer, history, best))
    model.set_weights(best)
    return history

"""The training loop for any Keras model: a million events at a time, in one process or in a process group."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from higgs_lib import metrics, progress
from higgs_lib.data import EventStream, Sample
from higgs_lib.training import steps
from higgs_lib.training.batch_loader import BatchLoader
from higgs_lib.training.checkpoint import Checkpoint, State
from higgs_lib.training.checks import check_events, check_trainable
from higgs_lib.training.collectives import SINGLE_PROCESS, ProcessGroup
from higgs_lib.training.config import TrainConfig
from higgs_lib.training.history import History, Measures, Phases

EVALUATION_BATCH = 8192  # events; large enough that a pass is limited by arithmetic


class DivergenceError(ArithmeticError):
    """Raised when the loss of a training is not finite; the message names the training and the epoch."""


def measures(loss, labels: np.ndarray, scores: np.ndarray) -> Measures:
    """Returns loss (without regularisation), accuracy at 0.5 and AUC, which are nan if the loss is not finite."""
    value = float(loss(labels, scores))
    if not np.isfinite(value):
        return Measures(value, math.nan, math.nan)
    return Measures(value, metrics.accuracy(labels, scores), metrics.auc(labels, scores))


def predict(model: keras.Model, features: np.ndarray) -> np.ndarray:
    """Returns the model's scores (n,) of raw `features` (n, n_features), in float32."""
    blocks = range(0, len(features), EVALUATION_BATCH)
    scores = [steps.engine().scores(model, features[i : i + EVALUATION_BATCH])[:, 0] for i in blocks]
    return np.concatenate([np.empty(0, np.float32), *scores])


def evaluate(
    model: keras.Model, sample: Sample, loss: keras.losses.Loss, group: ProcessGroup = SINGLE_PROCESS
) -> Measures:
    """Measures the model, without dropout, on a sample or on those of all processes of a group together.

    Args:
        model: the Keras model.
        sample: this process' events.
        loss: a Keras loss.
        group: the process group.

    Returns:
        The measures over the samples of all processes.
    """
    return measures(loss, group.all_gather(sample.labels), group.all_gather(predict(model, sample.features)))


class Trainer:
    """The epochs of one training, in one process of a group."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss: keras.losses.Loss,
        events: Sample | EventStream,
        batch_size: int,
        seed: int,
        *,
        jit_compile: bool | None = None,
        group: ProcessGroup = SINGLE_PROCESS,
        precision: str = "float32",
    ):
        """Prepares the steps and loads the events that fit in memory.

        Args:
            model: the model, trained in place.
            optimizer: its optimizer.
            loss: the loss.
            events: the training events of all processes together; this process reads only its own part of a stream.
            batch_size: events per step, over all processes.
            seed: of the order of events.
            jit_compile: whether XLA compiles the steps; None: by batch size and device, for many steps.
            group: the processes that train together.
            precision: the type in which the group sends gradients.
        """
        self.model, self.loss, self.group, self.batch_size = model, loss, group, batch_size
        if jit_compile is None:
            jit_compile = steps.engine().prefers_xla(model, batch_size // group.shard.world_size)
        # a group sends gradients through the memory of the processor at every step; events wait there too
        device = steps.engine().gpu() if group.shard.world_size == 1 else None
        self.loader = BatchLoader(events, batch_size, seed, group.shard, device)
        self.train_block = steps.make_train_block(model, optimizer, loss, jit_compile, group, precision)
        self.bytes_per_step = steps.bytes_sent(model, group, precision)
        self.phases: list[Phases] = []

    def train_epoch(self, number: int) -> tuple[np.ndarray, steps.StepResults, float, float]:
        """Trains epoch `number`, counted from 1.

        Returns:
            The labels (n,) of this process' events in the order of training, the results of its steps, and the seconds
            that the steps waited for events and that they took.
        """
        labels, results, waited, busy, requested = [], [], 0.0, 0.0, time.perf_counter()
        for block, events in self.loader.epoch(number):
            began = time.perf_counter()
            labels.append(np.asarray(events.labels))
            results.append(self.train_block(events, block, self.batch_size))
            waited, requested = waited + began - requested, time.perf_counter()
            busy += requested - began
        epoch_results = steps.StepResults(*map(np.concatenate, zip(*results, strict=True)))
        return np.concatenate(labels), epoch_results, waited, busy

    def next_epoch(self, history: History, validation: Sample, name: str) -> History:
        """Returns the history with one more epoch, trained and measured; raises DivergenceError as `fit` does."""
        number = len(history.seconds) + 1
        start = time.perf_counter()
        labels, results, waited, busy = self.train_epoch(number)
        trained = time.perf_counter()
        on_validation = evaluate(self.model, validation, self.loss, self.group)
        if not np.isfinite(on_validation.loss):
            cause = self._cause(number, results, validation)
            raise DivergenceError(f"{name}: the loss is not finite after epoch {number}; {cause}")
        on_training = measures(self.loss, self.group.all_gather(labels), self.group.all_gather(results.scores))
        transfer = self.group.all_reduce_min(results.all_reduce)  # the slowest worker does not wait
        all_reduce = float(results.all_reduce.sum())
        self.phases.append(
            Phases(
                input=waited,
                compute=busy - all_reduce,
                all_reduce=all_reduce,
                waiting=all_reduce - float(transfer.sum()),
                evaluation=time.perf_counter() - trained,
                bytes_sent=self.bytes_per_step * len(results.all_reduce),
                losses=results.losses.tolist(),
            )
        )
        return history.with_epoch(on_training, on_validation, trained - start)

    def _cause(self, number: int, results: steps.StepResults, validation: Sample) -> str:
        """Returns what this process knows of a loss that is not finite after an epoch, and what to do."""
        if not np.isfinite(validation.features).all():
            return "features of the validation events are not finite: check them"
        bad = np.flatnonzero(~np.isfinite(results.scores))
        step = bad[0] // len(self.group.shard.part(self.batch_size)) + 1 if len(bad) else 0
        if (number, step) == (1, 1):
            return "scores are not finite before any weight has changed: check the training events and the model"
        first = f"scores are not finite from step {step} of it on: " if step else ""
        return f"{first}lower the learning rate, or look for events whose scores or gradients are not finite"

    def epochs(
        self, history: History, best: list[np.ndarray], validation: Sample, config: TrainConfig, name: str
    ) -> Iterator[tuple[History, list[np.ndarray]]]:
        """Trains until `config` ends the training.

        Args:
            history: the epochs that were trained before.
            best: the weights of the best of them.
            validation: this process' validation events.
            config: length and early stopping.
            name: of the training, for errors.

        Yields:
            After every epoch the history so far and the weights of its best epoch.
        """
        while not history.is_over(config):
            history = self.next_epoch(history, validation, name)
            best = self.model.get_weights() if history.best_epoch == len(history.seconds) else best
            yield history, best


@contextmanager
def saved_epochs(name: str, epochs: int, state: State, checkpoint: Checkpoint) -> Iterator[Callable[[State], None]]:
    """Yields a function that stores the state after an epoch and moves the progress bar.

    Args:
        name: of the training, shown in front of the bar.
        epochs: the largest number of epochs.
        state: where the training starts.
        checkpoint: where states are stored.
    """
    done = len(state.history["seconds"])
    with progress.bar(epochs, name, "epoch", initial=done, mininterval=30) as bar:

        def save(state: State) -> None:
            checkpoint.write(state)
            bar.set_postfix(validation_AUC=f"{state.history['validation'][-1]['auc']:.4f}", refresh=False)
            bar.update(len(state.history["seconds"]) - bar.n)

        yield save


def fit(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    training: Sample | EventStream,
    validation: Sample,
    config: TrainConfig,
    *,
    seed: int,
    loss: keras.losses.Loss | None = None,
    jit_compile: bool | None = None,
    checkpoint: str | Path | None = None,
    name: str = "model",
) -> History:
    """Trains the model in place and leaves it with the weights of its best epoch, by validation loss.

    A `Sample` and an `EventStream` of the same events are trained in the same order.

    Args:
        model: the model; it takes raw features (n, n_features) and returns scores (n, 1).
        optimizer: its optimizer.
        training: the training events.
        validation: the validation events.
        config: number of epochs, batch size and early stopping.
        seed: of the order of events, which changes at every epoch.
        loss: the loss; None: the binary cross-entropy.
        jit_compile: whether XLA compiles the steps; None: by batch size, number of steps and device.
        checkpoint: a file that stores the state after every epoch. A training that finds it resumes there and ends
            with the same weights, to the bit, as an uninterrupted one.
        name: of the training, for the progress bar and errors.

    Returns:
        The history, epoch by epoch.

    Raises:
        TrainingError: the model, the events or the configuration cannot be trained.
        CheckpointError: the checkpoint is of another training.
        DivergenceError: the loss is not finite.
    """
    loss = loss or keras.losses.BinaryCrossentropy()
    for sample, part in ((training, "training"), (validation, "validation")):
        check_events(sample, part)
    check_trainable(model, training, config, jit_compile, loss)
    jit_compile = steps.uses_xla(jit_compile, model, config, training.n_events)
    optimizer.build(model.trainable_variables)
    file = Checkpoint.for_training(checkpoint, model, optimizer, loss, training, validation, config, seed, jit_compile)
    state = file.read(State.capture(model, optimizer, History([], [], [], training.n_events), []))
    trainer = Trainer(model, optimizer, loss, training, config.batch_size, seed, jit_compile=jit_compile)
    history, best = state.restore(model, optimizer)
    with saved_epochs(name, config.epochs, state, file) as save:
        for history, best in trainer.epochs(history, best, validation, config, name):  # noqa: B020 - starts with them
            save(State.capture(model, optimizer, history, best))
    model.set_weights(best)
    return history

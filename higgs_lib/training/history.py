"""What a training reached, epoch by epoch."""

import math
from typing import NamedTuple

import numpy as np

from higgs_lib.training.config import TrainConfig


class Measures(NamedTuple):
    """What a model reaches on a sample."""

    loss: float
    """Mean, without regularisation."""
    accuracy: float
    auc: float


class History(NamedTuple):
    """A training: one value an epoch in every list."""

    training: list[Measures]
    """Of the scores that the steps themselves computed: each with the weights before its step, and with dropout."""
    validation: list[Measures]
    """With the weights at the end of the epoch, without dropout."""
    seconds: list[float]
    """Wall-clock time of the training steps of each epoch; the first holds the compilation."""
    n_events: int
    """Training events an epoch."""

    @property
    def events_per_second(self) -> float:
        """Median over the epochs."""
        return self.n_events / float(np.median(self.seconds))

    @property
    def best_epoch(self) -> int:
        """From 1; the one whose weights the model has: the lowest validation loss."""
        return int(np.argmin([measures.loss for measures in self.validation])) + 1

    def epochs_without_decrease(self, min_delta: float) -> int:
        """Returns the epochs since the validation loss last fell by `min_delta` of the lowest before it."""
        last, lowest = 0, math.inf
        for number, measures in enumerate(self.validation, 1):
            if measures.loss < lowest * (1 - min_delta) or number == 1:
                last = number
            lowest = min(lowest, measures.loss)
        return len(self.validation) - last

    def is_over(self, config: TrainConfig) -> bool:
        """Tells whether `config` ends the training after these epochs."""
        waited = self.epochs_without_decrease(config.min_delta)
        return len(self.seconds) >= config.epochs or 0 < config.patience <= waited

    def and_epoch(self, training: Measures, validation: Measures, seconds: float) -> "History":
        """With one more epoch."""
        lists = [*self.training, training], [*self.validation, validation], [*self.seconds, seconds]
        return History(*lists, self.n_events)

    def as_dict(self) -> dict:
        """As JSON takes it."""
        return self._asdict() | {
            part: [m._asdict() for m in getattr(self, part)] for part in ("training", "validation")
        }

    @classmethod
    def of(cls, stored: dict) -> "History":
        """Back from what `as_dict` gave."""
        return cls(**stored | {part: [Measures(**m) for m in stored[part]] for part in ("training", "validation")})


class Phases(NamedTuple):
    """What one worker did with the time of an epoch: `total` is the sum of four."""

    input: float
    """Seconds that its steps waited for events."""
    compute: float
    """Seconds of the steps but for the sums over the workers."""
    all_reduce: float
    """Seconds in the sums of gradients over the workers."""
    waiting: float
    """Of `all_reduce`: seconds in which it waited for a later worker, as the shortest sum of each step tells."""
    evaluation: float
    """Seconds: the measures of training and validation events."""
    bytes_sent: float
    """In the sums of gradients, by the ring's rule: each worker sends 2 (n - 1) / n of the vector at each step."""
    losses: list[float]
    """Of each step: the mean over the whole batch, with regularisation; empty on one device alone."""

    @property
    def total(self) -> float:
        """Seconds."""
        return self.input + self.compute + self.all_reduce + self.evaluation

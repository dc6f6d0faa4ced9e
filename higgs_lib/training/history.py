"""The measures and times of a training, epoch by epoch."""

import math
from typing import Any, NamedTuple

import numpy as np

from higgs_lib.training.config import TrainConfig


class Measures(NamedTuple):
    """The performance of a model on a sample."""

    loss: float
    """The mean over the events, without regularisation."""
    accuracy: float
    """The fraction of events on the correct side of a score of 0.5."""
    auc: float
    """The area under the ROC curve."""


class History(NamedTuple):
    """The record of a training, with one value per epoch in every list."""

    training: list[Measures]
    """Measures of the scores that the steps computed, with dropout and with the weights before each step."""
    validation: list[Measures]
    """Measures with the weights at the end of the epoch, without dropout."""
    seconds: list[float]
    """Wall-clock times of the training steps; the first epoch's includes the compilation."""
    n_events: int
    """The number of training events per epoch."""

    @property
    def events_per_second(self) -> float:
        """The median training rate of the epochs."""
        return self.n_events / float(np.median(self.seconds))

    @property
    def best_epoch(self) -> int:
        """The number, from 1, of the epoch with the lowest validation loss, whose weights the model keeps."""
        return int(np.argmin([measures.loss for measures in self.validation])) + 1

    def epochs_without_decrease(self, min_delta: float) -> int:
        """Returns the epochs since the validation loss last fell below `1 - min_delta` times its lowest value."""
        last, lowest = 0, math.inf
        for number, measures in enumerate(self.validation, 1):
            if measures.loss < lowest * (1 - min_delta) or number == 1:
                last = number
            lowest = min(lowest, measures.loss)
        return len(self.validation) - last

    def is_over(self, config: TrainConfig) -> bool:
        """Tells whether `config` ends the training after these epochs."""
        done, waited = len(self.seconds), self.epochs_without_decrease(config.min_delta)
        return done >= config.epochs or (done >= config.min_epochs and 0 < config.patience <= waited)

    def with_epoch(self, training: Measures, validation: Measures, seconds: float) -> "History":
        """Returns the history with one more epoch."""
        lists = [*self.training, training], [*self.validation, validation], [*self.seconds, seconds]
        return History(*lists, self.n_events)

    def as_dict(self) -> dict[str, Any]:
        """Returns the history as a dict that JSON can store."""
        parts = {part: [m._asdict() for m in getattr(self, part)] for part in ("training", "validation")}
        return self._asdict() | parts

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "History":
        """Returns the history that `as_dict` stored."""
        return cls(**stored | {part: [Measures(**m) for m in stored[part]] for part in ("training", "validation")})


class Phases(NamedTuple):
    """The time that one worker spent in each phase of an epoch."""

    input: float
    """Seconds that the steps waited for events."""
    compute: float
    """Seconds of the steps without the gradient all-reduce."""
    all_reduce: float
    """Seconds of the gradient all-reduce, including waiting."""
    waiting: float
    """Seconds of `all_reduce` beyond the shortest of any worker at each step: the wait for slower workers."""
    evaluation: float
    """Seconds that computing the measures of training and validation events took."""
    bytes_sent: float
    """The bytes sent in a ring all-reduce, in which each of n workers sends 2 (n - 1) / n of the vector per step."""
    losses: list[float]
    """The mean over the whole batch of each step, with regularisation; empty for a single process."""

    @property
    def total(self) -> float:
        """The seconds of the epoch; `waiting` is part of `all_reduce`."""
        return self.input + self.compute + self.all_reduce + self.evaluation

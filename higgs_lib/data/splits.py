"""Splits the rows of an events file into training, validation and test."""

import hashlib
import math
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib.data.parquet import origin

MIN_EVENTS = 100  # of a file whose parts are chosen by its size


class Splits(NamedTuple):
    """Contiguous rows of each part: training, then validation, then test at the end (as Baldi et al. 2014)."""

    training: range
    validation: range
    test: range

    @classmethod
    def from_sizes(cls, n_training: int, n_validation: int, n_test: int) -> "Splits":
        """Returns parts of exactly these sizes, from the first row on; raises ValueError for negative ones."""
        _check_sizes(0, n_training=n_training, n_validation=n_validation, n_test=n_test)
        edges = np.cumsum([0, n_training, n_validation, n_test]).tolist()
        return cls(*(range(*edge) for edge in pairwise(edges)))


class Sizes(NamedTuple):
    """Numbers of events of each part."""

    n_test: int
    n_validation: int
    n_training: int = 0
    """Events for training; 0: all others."""

    def reduced(self, n_events: int) -> "Sizes":
        """Returns the sizes as far as a small file can give them.

        At most a fifth of its events is for testing and a tenth for validation, both rounded down to one digit, and at
        most all others for training. Raises ValueError for fewer than 100 events.
        """
        if n_events < MIN_EVENTS:
            raise ValueError(f"{n_events} events are too few to divide: at least {MIN_EVENTS} are needed")
        n_test = min(self.n_test, _round_down(n_events / 5))
        n_validation = min(self.n_validation, _round_down(n_events / 10))
        return Sizes(n_test, n_validation, min(self.n_training, n_events - n_test - n_validation))

    def split(self, n_events: int) -> Splits:
        """Returns the rows of a file's parts of these sizes; the errors are those of `data.split`."""
        return split(n_events, n_test=self.n_test, n_validation=self.n_validation, n_training=self.n_training)

    def describe_changes(self, asked: "Sizes") -> str:
        """States in which parts and how these sizes differ from those that were asked for; "" where they do not."""
        pairs = zip(("testing", "validation", "training"), self, asked, strict=True)
        changes = [f"{n:,} events for {part} instead of {n_asked:,}" for part, n, n_asked in pairs if n != n_asked]
        return f"The file is too small for the sizes asked for: it gives {' and '.join(changes)}." if changes else ""


def split(n_events: int, *, n_test: int, n_validation: int, n_training: int = 0) -> Splits:
    """Splits `n_events` rows: the last for testing, those before them for validation, the first for training.

    Args:
        n_events: Rows of the file.
        n_test: Rows for testing.
        n_validation: Rows for validation.
        n_training: Rows for training, or 0 for all others.

    Returns:
        The rows of each part, as many as were asked for.

    Raises:
        ValueError: A size is no whole number of at least 1, or there are too few rows; `Sizes.reduced` gives smaller
            sizes.
    """
    _check_sizes(1, n_events=n_events, n_test=n_test, n_validation=n_validation)
    _check_sizes(0, n_training=n_training)
    rest = n_events - n_test - n_validation
    if rest < 1:
        raise ValueError(
            f"{n_events:,} events are too few for {n_test:,} for testing and {n_validation:,} for validation: these "
            f"can be at most {n_events - 1:,} together, which leaves 1 for training"
        )
    if n_training > rest:
        raise ValueError(
            f"{n_events:,} events are too few for {n_training:,} for training: with {n_test:,} for testing and "
            f"{n_validation:,} for validation at most {rest:,} are left"
        )
    return Splits(range(n_training or rest), range(rest, n_events - n_test), range(n_events - n_test, n_events))


def _check_sizes(least: int, **sizes: int) -> None:
    """Raises ValueError unless every size is a whole number of at least `least`."""
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, not {size}")


def _round_down(n: float) -> int:
    """Rounds down to one digit: 8136 -> 8000."""
    digit = 10 ** math.floor(math.log10(n))
    return int(n // digit * digit)


def fingerprint(path: str | Path, splits: Splits) -> str:
    """Returns 16 hexadecimal digits that identify the events of a file and their split."""
    edges = [(rows.start, rows.stop) for rows in splits]
    return hashlib.sha256(f"{origin(path).sha256} {edges}".encode()).hexdigest()[:16]

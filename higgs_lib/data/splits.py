"""Splits the rows of an events file into training, validation and test."""

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib.data.parquet import origin


MIN_EVENTS = 100  # of a file that is split


class Splits(NamedTuple):
    """Contiguous rows of each part: training, then validation, then test at the end (as Baldi et al. 2014)."""

    training: range
    validation: range
    test: range

    @classmethod
    def from_sizes(cls, n_training: int, n_validation: int, n_test: int) -> "Splits":
        """Returns parts of exactly these sizes, from the first row on."""
        edges = np.cumsum([0, n_training, n_validation, n_test]).tolist()
        return cls(*(range(*edge) for edge in pairwise(edges)))


def split(n_events: int, *, n_test: int, n_validation: int, n_training: int = 0) -> Splits:
    """Splits `n_events` rows: the last for testing, those before them for validation, the first for training.

    Args:
        n_events: Rows of the file.
        n_test: Rows for testing; at most a fifth of the file, rounded down to one digit.
        n_validation: Rows for validation; at most a tenth of the file, rounded down to one digit.
        n_training: Rows for training, or 0 for all others.

    Returns:
        The rows of each part.

    Raises:
        ValueError: For fewer than 100 events, or negative sizes.
    """
    if n_events < MIN_EVENTS or min(n_test, n_validation) < 1 or n_training < 0:
        raise ValueError(
            f"cannot split {n_events} events into {n_test} for testing, {n_validation} for validation and "
            f"{n_training or 'the rest'} for training"
        )
    n_test = min(n_test, _round_down(n_events / 5))
    n_validation = min(n_validation, _round_down(n_events / 10))
    test = n_events - n_test
    validation = test - n_validation
    return Splits(range(min(n_training or validation, validation)), range(validation, test), range(test, n_events))


def _round_down(n: float) -> int:
    """Rounds down to one digit: 8136 -> 8000."""
    digit = 10 ** math.floor(math.log10(n))
    return int(n // digit * digit)


def fingerprint(path: str | Path, splits: Splits) -> str:
    """Returns 16 hexadecimal digits that identify the events of a file and their split."""
    edges = [(rows.start, rows.stop) for rows in splits]
    return hashlib.sha256(f"{origin(path).sha256} {edges}".encode()).hexdigest()[:16]

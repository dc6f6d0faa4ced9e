import hashlib
import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from higgs_lib.data.parquet import origin

class Splits(NamedTuple):
    """Rows of each part, contiguous: training, then validation, then test at the end (as Baldi et al. 2014)."""

    training: range
    validation: range
    test: range


def _rounded_down(n: float) -> int:
    """To one digit: 8136 -> 8000."""
    digit = 10 ** math.floor(math.log10(n))
    return int(n // digit * digit)


def split(n_events: int, *, n_test: int, n_validation: int, n_training: int = 0) -> Splits:
    """Cuts `n_events` rows: the last `n_test` for testing, the `n_validation` before them, the first `n_training` (0:
    all others) for training.

    A file too small for that gives at most a fifth to testing and a tenth to validation, rounded down to one digit.
    ValueError for fewer than 100 events or negative sizes.
    """
    if n_events < 100 or min(n_test, n_validation) < 1 or n_training < 0:
        raise ValueError(
            f"cannot split {n_events} events into {n_test} for testing, {n_validation} for validation and "
            f"{n_training or 'the rest'} for training"
        )
    n_test = min(n_test, _rounded_down(n_events / 5))
    n_validation = min(n_validation, _rounded_down(n_events / 10))
    test = n_events - n_test
    validation = test - n_validation
    return Splits(range(min(n_training or validation, validation)), range(validation, test), range(test, n_events))


def contiguous(n_training: int, n_validation: int, n_test: int) -> Splits:
    """Exactly so many rows for each part, from the first row on."""
    edges = np.cumsum([0, n_training, n_validation, n_test]).tolist()
    return Splits(*(range(*edge) for edge in pairwise(edges)))


def fingerprint(path: str | Path, splits: Splits) -> str:
    """16 hexadecimal digits that name the events of a file and how they were split."""
    edges = [(rows.start, rows.stop) for rows in splits]
    return hashlib.sha256(f"{origin(path).sha256} {edges}".encode()).hexdigest()[:16]

"""The split of an events file into training, validation and test, and its events as arrays."""

import hashlib
import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib.data import origin
from higgs_lib.features import COLUMNS, COMPLETE, LABEL


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


class Sample(NamedTuple):
    """Events as a model takes them."""

    features: np.ndarray
    """(n_events, n_features), float32, the file's units, contiguous."""
    labels: np.ndarray
    """(n_events,), float32: 1 signal, 0 background."""


def _row_groups(path: str | Path, rows: range, columns: list[str]) -> Iterator[tuple[slice, pa.Table]]:
    """The parts of `rows` in each row group, with their place in the result."""
    file = pq.ParquetFile(path)
    start = 0
    for group in range(file.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        first, last = max(start, rows.start), min(stop, rows.stop)
        if first < last:
            table = file.read_row_group(group, columns).slice(first - start, last - first)
            yield slice(first - rows.start, last - rows.start), table
        start = stop


def load(path: str | Path, features: tuple[str, ...], rows: range) -> Sample:
    """The given columns and rows of an events file; only they are read."""
    sample = Sample(np.empty((len(rows), len(features)), np.float32), np.empty(len(rows), np.float32))
    for place, table in _row_groups(path, rows, [LABEL, *features]):
        sample.labels[place] = table[LABEL].to_numpy()
        for column, name in enumerate(features):
            sample.features[place, column] = table[name].to_numpy()
    return sample


def table(path: str | Path, rows: range) -> pa.Table:
    """All 29 columns of the given rows of an events file; only they are read."""
    return pa.concat_tables(part for _, part in _row_groups(path, rows, list(COLUMNS)))


def _row_hashes(path: str | Path, rows: range) -> np.ndarray:
    """A 64-bit hash (n,) of the 28 features of each row; two of 11 million differ with a probability of 0.999997."""
    hashes = np.zeros(len(rows), np.uint64)
    for place, table in _row_groups(path, rows, list(COMPLETE)):
        for name in COMPLETE:
            bits = np.ascontiguousarray(table[name].to_numpy()).view(np.uint32).astype(np.uint64)
            mixed = (hashes[place] ^ bits) * np.uint64(0x9E3779B97F4A7C15)  # the golden ratio's bits
            hashes[place] = mixed ^ (mixed >> np.uint64(29))
    return hashes


def overlaps(path: str | Path, splits: Splits) -> dict[tuple[str, str], int]:
    """Events of each pair of parts with the same 28 features in both: {("training", "test"): n, ...}."""
    hashes = {name: np.unique(_row_hashes(path, rows)) for name, rows in splits._asdict().items()}
    return {(a, b): len(np.intersect1d(hashes[a], hashes[b], assume_unique=True)) for a, b in combinations(hashes, 2)}

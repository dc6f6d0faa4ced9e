"""The split of an events file into training, validation and test, and its events as arrays."""

import hashlib
import math
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib.data import origin
from higgs_lib.device import cores
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


class _Shard(NamedTuple):
    """Rows that lie in one row group."""

    group: int
    first: int
    """Place of the first of them in the row group."""
    rows: range
    """Their places in the file."""


@dataclass(frozen=True)
class Shards:
    """Consecutive rows of an events file, cut where its row groups end; a shard is read on its own, in any thread."""

    path: str | Path
    features: tuple[str, ...]
    shards: tuple[_Shard, ...]
    metadata: pq.FileMetaData

    @classmethod
    def of(cls, path: str | Path, features: tuple[str, ...], rows: range) -> "Shards":
        """ValueError where `rows` are not consecutive rows of the file; nothing but its end is read."""
        metadata = pq.read_metadata(path)
        if rows.step != 1 or rows.start < 0 or rows.stop > metadata.num_rows:
            raise ValueError(f"{path}: {rows} are not consecutive rows of its {metadata.num_rows:,}")
        shards, start = [], 0
        for group in range(metadata.num_row_groups):
            stop = start + metadata.row_group(group).num_rows
            wanted = range(max(start, rows.start), min(stop, rows.stop))
            if wanted:
                shards.append(_Shard(group, wanted.start - start, wanted))
            start = stop
        return cls(path, features, tuple(shards), metadata)

    def __len__(self) -> int:
        return len(self.shards)

    @property
    def rows(self) -> tuple[range, ...]:
        """Places in the file of the events of each shard."""
        return tuple(shard.rows for shard in self.shards)

    @property
    def n_events(self) -> int:
        return sum(map(len, self.rows))

    def table(self, shard: int, columns: Sequence[str]) -> pa.Table:
        """These columns of a shard; only they, and the row group that it lies in, are read."""
        group, first, rows = self.shards[shard]
        file = pq.ParquetFile(self.path, metadata=self.metadata)  # one a call: a file object serves one thread
        return file.read_row_group(group, list(columns), use_threads=False).slice(first, len(rows))

    def read(self, shard: int) -> Sample:
        """The events of a shard."""
        sample = _empty(len(self.shards[shard].rows), len(self.features))
        self._read_into(sample, shard)
        return sample

    def read_all(self) -> Sample:
        """The events of all shards, read in as many threads as there are cores."""
        sample = _empty(self.n_events, len(self.features))
        stops = np.cumsum([len(rows) for rows in self.rows])
        parts = [
            Sample(*(array[stop - len(rows) : stop] for array in sample))
            for rows, stop in zip(self.rows, stops, strict=True)
        ]
        with ThreadPoolExecutor(cores()) as pool:
            deque(pool.map(self._read_into, parts, range(len(self))), maxlen=0)  # raises what a thread raised
        return sample

    def _read_into(self, sample: Sample, shard: int) -> None:
        table = self.table(shard, (LABEL, *self.features))
        sample.labels[:] = table[LABEL].to_numpy()
        for column, name in enumerate(self.features):
            sample.features[:, column] = table[name].to_numpy()


def _empty(n_events: int, n_features: int) -> Sample:
    return Sample(np.empty((n_events, n_features), np.float32), np.empty(n_events, np.float32))


def load(path: str | Path, features: tuple[str, ...], rows: range) -> Sample:
    """The given columns and consecutive rows of an events file; only they are read. Errors as `Shards.of`'s."""
    return Shards.of(path, features, rows).read_all()


def table(path: str | Path, rows: range) -> pa.Table:
    """All 29 columns of the given rows of an events file; only they are read. Errors as `Shards.of`'s."""
    shards = Shards.of(path, COMPLETE, rows)
    return pa.concat_tables(shards.table(shard, COLUMNS) for shard in range(len(shards)))


def _row_hashes(path: str | Path, rows: range) -> np.ndarray:
    """A 64-bit hash (n,) of the 28 features of each row; two of 11 million differ with a probability of 0.999997."""
    shards = Shards.of(path, COMPLETE, rows)
    return np.concatenate([_hashes(shards.table(shard, COMPLETE)) for shard in range(len(shards))])


def _hashes(table: pa.Table) -> np.ndarray:
    hashes = np.zeros(len(table), np.uint64)
    for column in table.columns:
        bits = np.ascontiguousarray(column.to_numpy()).view(np.uint32).astype(np.uint64)
        mixed = (hashes ^ bits) * np.uint64(0x9E3779B97F4A7C15)  # the golden ratio's bits
        hashes = mixed ^ (mixed >> np.uint64(29))
    return hashes


def overlaps(path: str | Path, splits: Splits) -> dict[tuple[str, str], int]:
    """Events of each pair of parts with the same 28 features in both: {("training", "test"): n, ...}."""
    hashes = {name: np.unique(_row_hashes(path, rows)) for name, rows in splits._asdict().items()}
    return {(a, b): len(np.intersect1d(hashes[a], hashes[b], assume_unique=True)) for a, b in combinations(hashes, 2)}

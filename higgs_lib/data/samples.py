"""Reads events as arrays: into memory (`Sample`), or piecewise when they are needed (`EventStream`)."""

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

from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, COMPLETE, LABEL
from higgs_lib.data.parquet import ROW_GROUP, DamagedError, reading
from higgs_lib.data.splits import Splits
from higgs_lib.device import cores


class Sample(NamedTuple):
    """Events in memory, as a model takes them."""

    features: np.ndarray
    """(n_events, n_features), float32, normalised units, contiguous."""
    labels: np.ndarray
    """(n_events,), float32: 1 signal, 0 background."""

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "Sample":
        """Returns the events of these rows (n,)."""
        return Sample(self.features[rows], self.labels[rows])

    def slice(self, first: int, stop: int | None = None) -> "Sample":
        """Returns the events from row `first` to before `stop`, without copying."""
        return Sample(self.features[first:stop], self.labels[first:stop])

    def select(self, ranges: Sequence[range]) -> "Sample":
        """Returns the events of these ranges of rows, in this order."""
        return Sample(*(np.concatenate([array[r.start : r.stop] for r in ranges]) for array in self))

    def load(self) -> "Sample":
        """Returns the sample itself, which is in memory; `EventStream.load` reads."""
        return self

    def load_if_fits(self, n_processes: int = 1) -> "Sample":
        """Returns the sample itself, which is in memory; `EventStream.load_if_fits` may read."""
        return self

    def blocks(self) -> Iterator["Sample"]:
        """Yields all events in their order, a block at a time, without copying."""
        for first in range(0, self.n_events, ROW_GROUP):
            yield self.slice(first, first + ROW_GROUP)


class _Shard(NamedTuple):
    """Consecutive rows of one row group."""

    file: str
    group: int
    """Number of the row group in the file."""
    first: int
    """First row, counted from the start of the row group."""
    n: int
    """Number of rows."""

    def between(self, start: int, stop: int) -> "_Shard":
        """Returns the part of its rows from `start` to before `stop`, which may lie outside of it."""
        start, stop = max(start, 0), min(stop, self.n)
        return self._replace(first=self.first + start, n=max(stop - start, 0))


def _parquet_files(path: str | Path) -> tuple[fs.FileSystem, list[str]]:
    """Returns a data set's file system and files: the file itself, or a folder's Parquet files sorted by name."""
    filesystem, place = fs.FileSystem.from_uri(str(path)) if "://" in str(path) else (fs.LocalFileSystem(), str(path))
    file_type = filesystem.get_file_info(place).type
    if file_type == fs.FileType.NotFound:
        raise FileNotFoundError(f"{path}: no such events")
    if file_type != fs.FileType.Directory:
        return filesystem, [place]
    entries = filesystem.get_file_info(fs.FileSelector(place))
    return filesystem, sorted(entry.path for entry in entries if entry.extension == "parquet")


@dataclass(frozen=True)
class EventStream:
    """Rows of an events file that are read when they are needed; it can replace a `Sample`.

    The file may be a folder of Parquet files, and on any file system that pyarrow reads: hdfs://, s3://, gs://.
    """

    path: str | Path
    columns: tuple[str, ...]
    """Feature names, in the order of the model's inputs."""
    shards: tuple[_Shard, ...]
    metadata: dict[str, pq.FileMetaData]
    """Parquet metadata of each file."""
    filesystem: fs.FileSystem

    @classmethod
    def open(cls, path: str | Path, features: tuple[str, ...], rows: range | None = None) -> "EventStream":
        """Opens consecutive rows of an events file, None for all of them; only the metadata is read.

        Raises DataError if `rows` are not consecutive rows of the file, if it lacks a feature or is damaged, and
        FileNotFoundError if there is no such file.
        """
        filesystem, files = _parquet_files(path)
        with reading(path):
            metadata = {file: pq.read_metadata(file, filesystem=filesystem) for file in files}
            for file, footer in metadata.items():
                _check_columns(file, footer.schema.names, features)
        groups = [(file, group) for file, footer in metadata.items() for group in range(footer.num_row_groups)]
        shards = [_Shard(file, group, 0, metadata[file].row_group(group).num_rows) for file, group in groups]
        n_rows = sum(shard.n for shard in shards)
        rows = range(n_rows) if rows is None else rows
        if rows.step != 1 or rows.start < 0 or rows.stop > n_rows:
            raise DataError(f"{path}: {rows} are not consecutive rows of its {n_rows:,}")
        return cls(path, features, tuple(shards), metadata, filesystem).select([rows])

    def select(self, ranges: Sequence[range]) -> "EventStream":
        """Returns a stream of these ranges of its rows, in this order."""
        starts = np.cumsum([0, *(shard.n for shard in self.shards)]).tolist()
        parts = [
            shard.between(rows.start - start, rows.stop - start)
            for rows in ranges
            for shard, start in zip(self.shards, starts, strict=False)
        ]
        return replace(self, shards=tuple(part for part in parts if part.n))

    @property
    def n_events(self) -> int:
        """Number of events."""
        return sum(shard.n for shard in self.shards)

    @property
    def n_bytes(self) -> int:
        """Size of the events in memory."""
        return 4 * self.n_events * (len(self.columns) + 1)  # float32, features and label

    def load_if_fits(self, n_processes: int = 1) -> "Sample | EventStream":
        """Loads the events if they take less than half of each process' part of the free memory, else returns self."""
        return self.load() if self.n_bytes < psutil.virtual_memory().available / (2 * n_processes) else self

    def take(self, rows: np.ndarray) -> Sample:
        """Returns the events of these rows (n,), counted from the stream's first; reads each row group once."""
        lengths = np.array([shard.n for shard in self.shards], np.int64)
        starts = np.cumsum(lengths) - lengths
        row_shards = np.searchsorted(starts, rows, side="right") - 1
        needed = np.unique(row_shards)
        shift = np.zeros(len(lengths), np.int64)  # from a shard's start in the stream to its start among those read
        shift[needed] = np.cumsum(lengths[needed]) - lengths[needed] - starts[needed]
        return self._read([self.shards[shard] for shard in needed]).take(rows + shift[row_shards])

    def blocks(self) -> Iterator[Sample]:
        """Yields all events in their order, a row group at a time."""
        return (self._read([shard]) for shard in self.shards)

    def load(self) -> Sample:
        """Reads all events into memory."""
        return self._read(self.shards)

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yields these columns of all events, a row group at a time."""
        return (self._table(shard, columns) for shard in self.shards)

    def _read(self, shards: Sequence[_Shard]) -> Sample:
        """Reads the events of these shards in as many threads as there are cores."""
        edges = np.cumsum([0, *(shard.n for shard in shards)])
        sample = Sample(np.empty((edges[-1], len(self.columns)), np.float32), np.empty(edges[-1], np.float32))
        parts = [Sample(*(array[a:b] for array in sample)) for a, b in pairwise(edges)]
        with ThreadPoolExecutor(cores()) as pool:
            deque(pool.map(self._read_into, parts, shards), maxlen=0)  # raises what a thread raised
        return sample

    def _read_into(self, sample: Sample, shard: _Shard) -> None:
        """Reads the events of a shard into the arrays of `sample`."""
        table = self._table(shard, (LABEL, *self.columns))
        sample.labels[:] = table[LABEL].to_numpy()
        for column, name in enumerate(self.columns):
            sample.features[:, column] = table[name].to_numpy()

    def _table(self, shard: _Shard, columns: Sequence[str]) -> pa.Table:
        """Reads these columns of a shard, and no others; raises DataError for one that is not there."""
        _check_columns(shard.file, self.metadata[shard.file].schema.names, columns)
        with (
            reading(shard.file),
            self.filesystem.open_input_file(shard.file) as source,  # one per call: a file object serves one thread
        ):
            file = pq.ParquetFile(source, metadata=self.metadata[shard.file], page_checksum_verification=True)
            table = file.read_row_group(shard.group, list(columns), use_threads=False)
        rows = table.slice(shard.first, shard.n)
        if len(rows) != shard.n:
            raise DamagedError(f"{shard.file}: damaged or cut, as rows are missing; make it again")
        return rows


def _check_columns(file: str, names: Sequence[str], needed: Sequence[str]) -> None:
    """Raises DataError unless each of the columns that are needed is there once."""
    missing = [name for name in needed if names.count(name) != 1]
    if missing:
        what = f"the columns {', '.join(missing)} are missing, or there twice"
        raise DataError(f"{file}: {what}; `higgs-lib ingest` reads columns of other names")


def load(path: str | Path, features: tuple[str, ...], rows: range) -> Sample:
    """Reads the given features of consecutive rows of an events file; raises the errors of `EventStream.open`."""
    return EventStream.open(path, features, rows).load()


def load_table(path: str | Path, rows: range) -> pa.Table:
    """Reads all 29 columns of consecutive rows of an events file; raises the errors of `EventStream.open`."""
    return pa.concat_tables(EventStream.open(path, COMPLETE, rows).tables(COLUMNS))


def check_classes(path: str | Path, splits: Splits) -> None:
    """Raises DataError unless each part of an events file holds both classes, as trainings and their AUC need."""
    for part, rows in splits._asdict().items():
        labels = EventStream.open(path, (), rows).load().labels
        if len(labels) and labels.min() == labels.max():
            label = "signal" if labels[0] else "background"
            raise DataError(
                f"{path}: all {len(labels):,} {part} events (rows {rows.start + 1:,} to {rows.stop:,}) are {label}, "
                "where a training needs both classes; shuffle the rows of the text, e.g. with "
                "`shuf sorted.csv > shuffled.csv`, and ingest it again"
            )


def overlaps(path: str | Path, splits: Splits) -> dict[tuple[str, str], int]:
    """Counts the events of each pair of parts with the same 28 features in both: {("training", "test"): n, ...}."""
    hashes = {name: np.unique(_row_hashes(path, rows)) for name, rows in splits._asdict().items()}
    return {(a, b): len(np.intersect1d(hashes[a], hashes[b], assume_unique=True)) for a, b in combinations(hashes, 2)}


def _row_hashes(path: str | Path, rows: range) -> np.ndarray:
    """Returns a 64-bit hash (n,) of each row's 28 features; all of 11 million rows differ with probability 0.999997."""
    return np.concatenate([_hash_rows(table) for table in EventStream.open(path, COMPLETE, rows).tables(COMPLETE)])


def _hash_rows(table: pa.Table) -> np.ndarray:
    """Returns a 64-bit hash (n,) of each row of float32 columns."""
    hashes = np.zeros(len(table), np.uint64)
    for column in table.columns:
        bits = np.ascontiguousarray(column.to_numpy()).view(np.uint32).astype(np.uint64)
        mixed = (hashes ^ bits) * np.uint64(0x9E3779B97F4A7C15)  # the golden ratio's bits
        hashes = mixed ^ (mixed >> np.uint64(29))
    return hashes

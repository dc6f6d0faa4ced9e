"""The split of an events file into training, validation and test; its events as arrays, at once or when needed."""

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
from higgs_lib.data.features import COLUMNS, COMPLETE, LABEL
from higgs_lib.data.parquet import ROW_GROUP
from higgs_lib.data.splits import Splits
from higgs_lib.device import cores

class Sample(NamedTuple):
    """Events as a model takes them."""

    features: np.ndarray
    """(n_events, n_features), float32, the file's units, contiguous."""
    labels: np.ndarray
    """(n_events,), float32: 1 signal, 0 background."""

    @property
    def n_events(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "Sample":
        """The events of these rows (n,)."""
        return Sample(self.features[rows], self.labels[rows])

    def slice(self, first: int, stop: int | None = None) -> "Sample":
        """The events from `first` on to before `stop`; no copies."""
        return Sample(self.features[first:stop], self.labels[first:stop])

    def select(self, ranges: Sequence[range]) -> "Sample":
        """The events of these ranges of rows, in this order."""
        return Sample(*(np.concatenate([array[r.start : r.stop] for r in ranges]) for array in self))

    def load(self) -> "Sample":
        """All events in memory: these."""
        return self

    def load_if_fits(self, sharing: int = 1) -> "Sample":
        """In memory, whoever shares it: these."""
        return self

    def blocks(self) -> Iterator["Sample"]:
        """All events in their order, some after the others; no copies."""
        for first in range(0, self.n_events, ROW_GROUP):
            yield self.slice(first, first + ROW_GROUP)


class _Shard(NamedTuple):
    """Rows that lie in one row group."""

    file: str
    group: int
    first: int
    """Place of the first of them in the row group."""
    n: int
    """How many."""

    def between(self, start: int, stop: int) -> "_Shard":
        """Its rows from `start` to before `stop`, as far as there are such."""
        start, stop = max(start, 0), min(stop, self.n)
        return self._replace(first=self.first + start, n=max(stop - start, 0))


def _files(path: str | Path) -> tuple[fs.FileSystem, list[str]]:
    """The Parquet files of a data set, in the order of their names: of a folder its parts, else the file itself."""
    filesystem, place = fs.FileSystem.from_uri(str(path)) if "://" in str(path) else (fs.LocalFileSystem(), str(path))
    kind = filesystem.get_file_info(place).type
    if kind == fs.FileType.NotFound:
        raise FileNotFoundError(f"{path}: no such events")
    if kind != fs.FileType.Directory:
        return filesystem, [place]
    parts = filesystem.get_file_info(fs.FileSelector(place))
    return filesystem, sorted(part.path for part in parts if part.extension == "parquet")


@dataclass(frozen=True)
class EventStream:
    """Rows of an events file that stay there until they are needed; used as a `Sample` is.

    The file may be a folder of Parquet files, and in any file system that pyarrow reads: hdfs://, s3://, gs://.
    """

    path: str | Path
    columns: tuple[str, ...]
    """The features, in the order of the model's inputs."""
    shards: tuple[_Shard, ...]
    metadata: dict[str, pq.FileMetaData]
    """Of each file."""
    filesystem: fs.FileSystem

    @classmethod
    def open(cls, path: str | Path, features: tuple[str, ...], rows: range) -> "Stream":
        """ValueError where `rows` are not consecutive rows of the file; nothing but its end is read."""
        filesystem, files = _files(path)
        metadata = {file: pq.read_metadata(file, filesystem=filesystem) for file in files}
        groups = [(file, group) for file, end in metadata.items() for group in range(end.num_row_groups)]
        shards = [_Shard(file, group, 0, metadata[file].row_group(group).num_rows) for file, group in groups]
        n_rows = sum(shard.n for shard in shards)
        if rows.step != 1 or rows.start < 0 or rows.stop > n_rows:
            raise ValueError(f"{path}: {rows} are not consecutive rows of its {n_rows:,}")
        return cls(path, features, tuple(shards), metadata, filesystem).select([rows])

    def select(self, ranges: Sequence[range]) -> "Stream":
        """The same with only these of its events, in this order, counted from its first."""
        starts = np.cumsum([0, *(shard.n for shard in self.shards)]).tolist()
        cut = [
            shard.between(rows.start - start, rows.stop - start)
            for rows in ranges
            for shard, start in zip(self.shards, starts, strict=False)
        ]
        return replace(self, shards=tuple(shard for shard in cut if shard.n))

    @property
    def n_events(self) -> int:
        return sum(shard.n for shard in self.shards)

    @property
    def n_bytes(self) -> int:
        """In memory."""
        return 4 * self.n_events * (len(self.columns) + 1)  # float32, features and label

    def load_if_fits(self, sharing: int = 1) -> "Sample | Stream":
        """In memory if it takes less than half of what is free there for each of `sharing` processes, else as it is."""
        return self.load() if self.n_bytes < psutil.virtual_memory().available / (2 * sharing) else self

    def take(self, rows: np.ndarray) -> Sample:
        """The events of these rows (n,), counted from the stream's first; each of their row groups is read once."""
        lengths = np.array([shard.n for shard in self.shards], np.int64)
        starts = np.cumsum(lengths) - lengths
        of_row = np.searchsorted(starts, rows, side="right") - 1
        needed = np.unique(of_row)
        moved = np.zeros(len(lengths), np.int64)  # from a shard's place in the stream to that among those read
        moved[needed] = np.cumsum(lengths[needed]) - lengths[needed] - starts[needed]
        return self._read([self.shards[shard] for shard in needed]).take(rows + moved[of_row])

    def blocks(self) -> Iterator[Sample]:
        """All events, a row group after the other."""
        return (self._read([shard]) for shard in self.shards)

    def load(self) -> Sample:
        """All events in memory."""
        return self._read(self.shards)

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """These columns of all events, a row group after the other."""
        return (self._table(shard, columns) for shard in self.shards)

    def _read(self, shards: Sequence[_Shard]) -> Sample:
        """The events of these shards, read in as many threads as there are cores."""
        edges = np.cumsum([0, *(shard.n for shard in shards)])
        sample = Sample(np.empty((edges[-1], len(self.columns)), np.float32), np.empty(edges[-1], np.float32))
        parts = [Sample(*(array[a:b] for array in sample)) for a, b in pairwise(edges)]
        with ThreadPoolExecutor(cores()) as pool:
            deque(pool.map(self._read_into, parts, shards), maxlen=0)  # raises what a thread raised
        return sample

    def _read_into(self, sample: Sample, shard: _Shard) -> None:
        table = self._table(shard, (LABEL, *self.columns))
        sample.labels[:] = table[LABEL].to_numpy()
        for column, name in enumerate(self.columns):
            sample.features[:, column] = table[name].to_numpy()

    def _table(self, shard: _Shard, columns: Sequence[str]) -> pa.Table:
        """Only these columns of the row group are read."""
        with self.filesystem.open_input_file(shard.file) as source:  # one a call: a file object serves one thread
            file = pq.ParquetFile(source, metadata=self.metadata[shard.file])
            table = file.read_row_group(shard.group, list(columns), use_threads=False)
        return table.slice(shard.first, shard.n)


def load(path: str | Path, features: tuple[str, ...], rows: range) -> Sample:
    """The given columns and consecutive rows of an events file; only they are read. Errors as `Stream.of`'s."""
    return EventStream.open(path, features, rows).load()


def load_table(path: str | Path, rows: range) -> pa.Table:
    """All 29 columns of the given rows of an events file; only they are read. Errors as `Stream.of`'s."""
    return pa.concat_tables(EventStream.open(path, COMPLETE, rows).tables(COLUMNS))


def _row_hashes(path: str | Path, rows: range) -> np.ndarray:
    """A 64-bit hash (n,) of the 28 features of each row; two of 11 million differ with a probability of 0.999997."""
    return np.concatenate([_hashes(table) for table in EventStream.open(path, COMPLETE, rows).tables(COMPLETE)])


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

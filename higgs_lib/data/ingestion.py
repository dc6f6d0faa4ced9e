"""Converts text in UCI's format to Parquet: one thread decompresses, others parse, and every value is checked."""

import contextlib
import gzip
import hashlib
import io
import logging
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from isal import igzip, isal_zlib

from higgs_lib import progress
from higgs_lib.data import datasets, text
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS
from higgs_lib.data.parquet import EventWriter, Origin
from higgs_lib.data.samples import check_classes
from higgs_lib.data.splits import MIN_EVENTS, Sizes
from higgs_lib.device import cores
from higgs_lib.files import write_atomically
from higgs_lib.provenance import code_version

MAX_PARSERS = 4  # threads: as many as one thread that decompresses keeps busy

DECOMPRESSION_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.error)

log = logging.getLogger(__name__)


def ingest(source: str | Path, destination: str | Path) -> Origin:
    """Converts a file in UCI's format (text, also compressed by gzip; no header, 29 columns) to Parquet.

    It takes bounded memory, and warns of events that are sorted by their class. Raises DataError, with the row (from 1,
    empty lines not counted) and the text of the value, unless every row holds 29 finite numbers, the first of them 0
    or 1; then no file is left. Raises it also where `destination` is `source`.
    """
    source, destination = Path(source), Path(destination)
    recipe = file_recipe(source)
    if destination.exists() and destination.samefile(source):
        raise DataError(f"{destination}: is the source itself, which would be lost; give the Parquet file another name")
    with (
        write_atomically(destination) as path,
        contextlib.closing(_HashedFile(source)) as file,
        EventWriter(path) as writer,
        contextlib.closing(_read_events(source, file)) as blocks,
    ):
        for values in blocks:
            writer.write(values)
        event_type = "uci" if file.hash.hexdigest() == datasets.UCI.sha256 else "file"
        origin = writer.close(event_type, recipe)
    _warn_if_sorted(destination, origin.n_events)
    return origin


def _warn_if_sorted(path: Path, n_events: int) -> None:
    """Warns if the last events are of one class, as in a file that is sorted: it can be scored, but not trained on."""
    if n_events >= MIN_EVENTS:
        try:
            check_classes(path, Sizes(n_events, n_events).reduced(n_events).split(n_events))
        except DataError as error:
            log.warning("warning: %s", error)


def file_recipe(source: Path) -> dict:
    """Returns what determines the events of a user's file without reading it: which file, and the code that reads it.

    Raises DataError if there is no such file.
    """
    if source.is_dir():
        raise DataError(f"{source}: is a folder; give the file of events in it")
    if not source.is_file():
        raise DataError(f"{source}: no such file; give a .csv or .csv.gz in UCI HIGGS' format, e.g. DATA=HIGGS.csv.gz")
    status = source.stat()
    return {
        "source": str(source.resolve()),
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "code": code_version("data"),
    }


class _HashedFile(io.RawIOBase):
    """A file that hashes the bytes that are read from it, and shows the progress."""

    def __init__(self, path: Path):
        self.file, self.hash = path.open("rb", buffering=0), hashlib.sha256()
        self.progress = progress.bar(path.stat().st_size, f"reading {path.name}", "B", unit_scale=True)

    def readable(self) -> bool:
        """Returns True, as `io.RawIOBase` asks."""
        return True

    def readinto(self, buffer: memoryview) -> int:
        """Reads bytes into `buffer`, and returns their number."""
        n_bytes = self.file.readinto(buffer)
        self.hash.update(memoryview(buffer)[:n_bytes])
        self.progress.update(n_bytes)
        return n_bytes

    def close(self) -> None:
        """Closes the file and the progress bar."""
        self.file.close()
        self.progress.close()
        super().close()


def _read_events(source: Path, file: _HashedFile) -> Iterator[np.ndarray]:
    """Yields the events of `source`, opened as `file`, in blocks (n, 29) of float32, in the file's order.

    At most two blocks per thread are in memory. Raises DataError for the first invalid row, and for a damaged file or
    one without rows.
    """
    n_rows = 0
    try:
        unpacked = igzip.IGzipFile(fileobj=file) if _is_compressed(source) else file
        for values in _parse_in_threads(text.split_lines(unpacked)):
            n_rows += len(values)
            yield values
    except text.InvalidRowError as error:
        raise DataError(f"{source}, row {n_rows + error.row + 1}{error}") from error
    except text.OtherFormatError as error:
        raise DataError(f"{source}: {error}") from error
    except text.LongLineError as error:
        raise DataError(f"{source}, row {n_rows + 1}: {error}, where {len(COLUMNS)} columns are expected") from error
    except DECOMPRESSION_ERRORS as error:
        raise DataError(f"{source}: damaged or cut short after row {n_rows:,} ({error}); fetch it again") from error
    if n_rows == 0:
        raise DataError(f"{source}: the file holds no rows; 29 columns per row are expected")


def _is_compressed(source: Path) -> bool:
    """Returns whether the file is compressed by gzip, judged by its first bytes."""
    with source.open("rb") as file:
        return file.read(len(text.GZIP)) == text.GZIP


def _parse_in_threads(blocks: Iterator[bytes]) -> Iterator[np.ndarray]:
    """Yields the events of each block, in order: threads parse while this one reads the next blocks.

    What stops the reading is raised behind the events that were read before.
    """
    n_parsers = min(cores(), MAX_PARSERS)
    pending = deque()
    pool = ThreadPoolExecutor(n_parsers, "parser")
    try:
        try:
            for block in blocks:
                pending.append(pool.submit(text.parse, block))
                if len(pending) > 2 * n_parsers:
                    yield pending.popleft().result()
        except (text.LongLineError, *DECOMPRESSION_ERRORS) as error:
            pending.append(Future())
            pending[-1].set_exception(error)
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

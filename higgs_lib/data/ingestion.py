"""Converts text in UCI's format to Parquet: one thread decompresses, others parse, and every value is checked."""

import contextlib
import csv
import hashlib
import io
import math
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from isal import igzip, isal_zlib

from higgs_lib import progress
from higgs_lib.data import download
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, LABEL, SCHEMA
from higgs_lib.data.parquet import EventWriter, Origin
from higgs_lib.device import cores
from higgs_lib.files import write_atomically
from higgs_lib.provenance import code_version

CSV_BLOCK = 4 << 20  # bytes of text parsed at a time, about 5,500 events
MAX_PARSERS = 4  # threads: as many as one thread that decompresses keeps busy

DECOMPRESSION_ERRORS = (EOFError, OSError, zlib.error, isal_zlib.error)


def ingest(source: str | Path, destination: str | Path) -> Origin:
    """Converts a file in UCI's format (`.csv` or `.csv.gz`, no header, 29 columns) to Parquet, in bounded memory.

    Raises DataError, with the row (from 1) and the value, unless every row holds 29 finite numbers, the first of them
    0 or 1; then no file is left.
    """
    source = Path(source)
    recipe = file_recipe(source)
    if source.stat().st_size == 0:
        raise DataError(f"{source}: the file is empty; 29 columns per row are expected")
    with write_atomically(Path(destination)) as path, contextlib.closing(_HashedFile(source)) as file:
        writer = EventWriter(path)
        with contextlib.closing(_read_events(source, file)) as blocks:
            for values in blocks:
                writer.write(values)
        event_type = "uci" if file.hash.hexdigest() == download.SHA256 else "file"
        return writer.close(event_type, recipe)


def file_recipe(source: Path) -> dict:
    """Returns what determines the events of a user's file without reading it: which file, and the code that reads it.

    Raises DataError if there is no such file.
    """
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

    At most two blocks per thread are in memory. Raises DataError for the first row (from 1) that does not hold 29
    finite numbers, the first of them 0 or 1, and for a damaged file or one without rows.
    """
    n_rows = 0
    try:
        text = igzip.IGzipFile(fileobj=file) if _is_compressed(source) else file
        for values, bad in _parse_in_threads(_split_lines(text)):
            if bad is not None:
                row, column = bad
                raise _bad_value(source, n_rows + row + 1, column, f"{values[row, column]:g}")
            n_rows += len(values)
            yield values
    except (pa.ArrowInvalid, *DECOMPRESSION_ERRORS) as error:
        raise _diagnose(source, error) from error
    if n_rows == 0:
        raise DataError(f"{source}: the file holds no rows; 29 columns per row are expected")


def _is_compressed(source: Path) -> bool:
    """Returns whether the file is compressed by gzip, judged by its name."""
    return source.suffix == ".gz"


def _split_lines(text: igzip.IGzipFile | _HashedFile) -> Iterator[bytes]:
    """Yields the text in blocks of whole lines; only the last line of the file may lack its end."""
    rest = b""
    while block := text.read(CSV_BLOCK):
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest += block
        if len(rest) > CSV_BLOCK:
            raise pa.ArrowInvalid(f"a line of more than {CSV_BLOCK:,} bytes")
    if rest:
        yield rest


def _parse_in_threads(blocks: Iterator[bytes]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields `_parse` of each block, in order: threads parse while this one reads the next blocks."""
    n_parsers = min(cores(), MAX_PARSERS)
    pending = deque()
    pool = ThreadPoolExecutor(n_parsers, "parser")
    try:
        for block in blocks:
            pending.append(pool.submit(_parse, block))
            if len(pending) > 2 * n_parsers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _parse(block: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the values (n, 29), float32, and the row and column (2,) of the first invalid one, or None."""
    if block.isspace():  # lines without events, which pyarrow takes for a file without a header
        return np.empty((0, len(COLUMNS)), np.float32), None
    table = pa.csv.read_csv(
        pa.BufferReader(block),
        pa.csv.ReadOptions(column_names=COLUMNS, block_size=len(block) + 1, use_threads=False),
        pa.csv.ParseOptions(quote_char=False),
        pa.csv.ConvertOptions(column_types=SCHEMA, null_values=[]),
    )
    values = np.stack([column.to_numpy() for column in table.columns], 1)
    bad = ~np.isfinite(values)
    bad[:, 0] |= ~np.isin(values[:, 0], (0, 1))
    return values, np.argwhere(bad)[0] if bad.any() else None


def _bad_value(source: Path, row: int, column: int, value: str) -> DataError:
    """Returns the error for an invalid value.

    Args:
        source: The file.
        row: Number of the row, from 1.
        column: Number of the column, from 0.
        value: The value as text.
    """
    expected = "a label of 0 or 1" if COLUMNS[column] == LABEL else "a finite number"
    return DataError(f"{source}, row {row}, column {column + 1} ({COLUMNS[column]}): {value!r} is not {expected}")


def _diagnose(source: Path, error: Exception) -> DataError:
    """Reads a file that could not be parsed once more, slowly, and returns an error that names the first bad row."""
    row = 0
    try:
        with (igzip.open if _is_compressed(source) else open)(source, "rt", newline="") as text:
            for row, fields in enumerate(filter(None, csv.reader(text, quoting=csv.QUOTE_NONE)), 1):
                if len(fields) != len(COLUMNS):
                    return DataError(f"{source}, row {row}: {len(fields)} columns, where {len(COLUMNS)} are expected")
                for column, field in enumerate(fields):
                    if not _is_finite(field):
                        return _bad_value(source, row, column, field)
    except (*DECOMPRESSION_ERRORS, UnicodeDecodeError, csv.Error) as damage:
        return DataError(f"{source}: damaged or cut short after row {row} ({damage}); fetch it again")
    return DataError(f"{source}: {error}")


def _is_finite(field: str) -> bool:
    """Returns whether a text is a finite number."""
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False

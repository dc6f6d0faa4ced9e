"""Text in UCI's format, packed or not, to checked arrays: unpacked in one thread while others parse."""

import contextlib
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm
import csv
import io
import math
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
import pyarrow.csv
from isal import igzip, isal_zlib
from higgs_lib.data import download
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, LABEL, SCHEMA
from higgs_lib.data.parquet import Origin, EventWriter
from higgs_lib.device import cores
from higgs_lib.files import write_atomically
from higgs_lib.provenance import code_version

def ingest(source: str | Path, destination: str | Path) -> Origin:
    """Turns a file in UCI's format (`.csv` or `.csv.gz`, no header, 29 columns) into Parquet, in bounded memory.

    Every row must hold 29 finite numbers, the first of them 0 or 1; otherwise DataError tells the row (from 1) and
    the value, and no file is left.
    """
    source = Path(source)
    if not source.is_file():
        raise no_such_file(source)
    if source.stat().st_size == 0:
        raise DataError(f"{source}: the file is empty; 29 columns a row are expected")
    with write_atomically(Path(destination)) as path, contextlib.closing(CountedFile(source)) as counted:
        writer = EventWriter(path)
        with contextlib.closing(rows(source, counted)) as blocks:
            for values in blocks:
                writer.write(values)
        event_type = "uci" if counted.hash.hexdigest() == download.SHA256 else "file"
        return writer.close(event_type, file_recipe(source))


def no_such_file(source: Path) -> DataError:
    return DataError(f"{source}: no such file; give a .csv or .csv.gz in UCI HIGGS' format, e.g. DATA=HIGGS.csv.gz")


def file_recipe(source: Path) -> dict:
    """What determines the events of a user's file, without reading it: which file, and the code that reads it."""
    status = source.stat()
    return {
        "source": str(source.resolve()),
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "code": code_version("data"),
    }

CSV_BLOCK = 4 << 20  # bytes of text parsed at a time, about 5,500 events
MAX_PARSERS = 4  # threads: as many as one that unpacks keeps busy

DAMAGED = (EOFError, OSError, zlib.error, isal_zlib.error)  # what unpacking raises


class CountedFile(io.RawIOBase):
    """A file that shows how far it is read and hashes what it gave."""

    def __init__(self, path: Path):
        self.file, self.hash = path.open("rb", buffering=0), hashlib.sha256()
        self.progress = tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc=f"reading {path.name}")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        n = self.file.readinto(buffer)
        self.hash.update(memoryview(buffer)[:n])
        self.progress.update(n)
        return n

    def close(self) -> None:
        self.file.close()
        self.progress.close()
        super().close()


def rows(source: Path, counted: CountedFile) -> Iterator[np.ndarray]:
    """The events of `source`, read through `counted`: (n, 29) float32, in the file's order, a block at a time.

    Memory is bounded by the blocks in hand, two a thread. DataError names the first row (from 1) that does not hold 29
    finite numbers, the first of them 0 or 1, or tells that the file is damaged or holds no rows.
    """
    n_rows = 0
    try:
        for values, bad in _parsed(_blocks(igzip.IGzipFile(fileobj=counted) if _packed(source) else counted)):
            if bad is not None:
                row, column = bad
                raise _bad_value(source, n_rows + row + 1, column, f"{values[row, column]:g}")
            n_rows += len(values)
            yield values
    except (pa.ArrowInvalid, *DAMAGED) as error:
        _explain(source, error)
    if n_rows == 0:
        raise DataError(f"{source}: the file holds no rows; 29 columns a row are expected")


def _packed(source: Path) -> bool:
    return source.suffix == ".gz"


def _blocks(text: igzip.IGzipFile | CountedFile) -> Iterator[bytes]:
    """The text in blocks of whole lines, each but the last ended."""
    rest = b""
    while read := text.read(CSV_BLOCK):
        end = read.rfind(b"\n") + 1
        if end:
            yield rest + read[:end]
            rest = read[end:]
        else:
            rest += read
        if len(rest) > CSV_BLOCK:
            raise pa.ArrowInvalid(f"a line of more than {CSV_BLOCK:,} bytes")
    if rest:
        yield rest


def _parsed(blocks: Iterator[bytes]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """What `_parse` makes of each block, in order, parsed in threads while the next are read in this one."""
    n_parsers = min(cores(), MAX_PARSERS)
    waiting = deque()
    pool = ThreadPoolExecutor(n_parsers, "parser")
    try:
        for block in blocks:
            waiting.append(pool.submit(_parse, block))
            if len(waiting) > 2 * n_parsers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _parse(block: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Values (n, 29), float32, and the row and column of the first that cannot be, if any."""
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
    wanted = "a label of 0 or 1" if COLUMNS[column] == LABEL else "a finite number"
    return DataError(f"{source}, row {row}, column {column + 1} ({COLUMNS[column]}): {value!r} is not {wanted}")


def _explain(source: Path, error: Exception) -> None:
    """Reads a file that could not be parsed once more, slowly, to raise a DataError with the row that is wrong."""
    row = 0
    try:
        with (igzip.open if _packed(source) else open)(source, "rt", newline="") as text:
            for row, fields in enumerate(filter(None, csv.reader(text, quoting=csv.QUOTE_NONE)), 1):
                if len(fields) != len(COLUMNS):
                    raise DataError(f"{source}, row {row}: {len(fields)} columns, where {len(COLUMNS)} are expected")
                for column, field in enumerate(fields):
                    if not _is_number(field):
                        raise _bad_value(source, row, column, field)
    except (*DAMAGED, UnicodeDecodeError, csv.Error) as broken:
        raise DataError(f"{source}: damaged or cut short after row {row} ({broken}); fetch it again") from error
    raise DataError(f"{source}: {error}") from error


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False

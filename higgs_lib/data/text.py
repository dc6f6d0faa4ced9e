"""Reads text in UCI's format: pyarrow decides what a number is, also where the first invalid row is looked for."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv

from higgs_lib.data.features import COLUMNS, LABEL, SCHEMA

BLOCK = 4 << 20  # bytes of text parsed at a time, about 5,500 events
LONGEST_SHOWN = 40  # characters of a value in an error
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which some programs write in front of UTF-8
GZIP = b"\x1f\x8b"

UNPACK = "unpack it first ({})"
CONVERT = "write its events as text: a label and 28 features in each row, no header"
OTHER_FORMATS = {
    GZIP: ("compressed by gzip twice", UNPACK.format("gunzip")),
    rb"PK\x03\x04.{26}[^\0]{0,100}\.npy": ("a file of NumPy arrays (.npz)", CONVERT),
    rb"PK[\x03\x05]": ("a zip archive", UNPACK.format("unzip")),
    rb"\xfd7zXZ": ("compressed by xz", UNPACK.format("unxz")),
    rb"BZh[1-9]": ("compressed by bzip2", UNPACK.format("bunzip2")),
    rb"\x28\xb5\x2f\xfd": ("compressed by zstd", UNPACK.format("unzstd")),
    rb"\x04\x22\x4d\x18": ("compressed by lz4", UNPACK.format("unlz4")),
    rb"7z\xbc\xaf": ("a 7z archive", UNPACK.format("7z x")),
    rb".{257}ustar": ("a tar archive", UNPACK.format("tar -xf")),
    rb"PAR1": ("a Parquet file", f"use it as it is if this library made it, otherwise {CONVERT}"),
    rb"\x89HDF": ("an HDF5 file", CONVERT),
    rb"\x93NUMPY": ("a NumPy array (.npy)", CONVERT),
    rb"ARROW1": ("an Arrow file", CONVERT),
    rb"root\0": ("a ROOT file", CONVERT),
    rb"\s*<(?i:!doctype|html|\?xml)": ("a page of the web, not the file it leads to", "download the file itself"),
    rb"version https://git-lfs": ("a pointer of Git LFS, not the file", "fetch the file with `git lfs pull`"),
    rb"\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0": ("text in UTF-16 or UTF-32", "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"),
}
"""What a file that is no text in UCI's format begins with: what it is, and what to do."""


class OtherFormatError(Exception):
    """The file is no text in UCI's format; the message says what it is, and what to do."""


class LongLineError(Exception):
    """A line is longer than any row."""


class InvalidRowError(Exception):
    """A row does not hold 29 finite numbers, the first of them 0 or 1; the message says why."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row
        """Number of the row in its block, from 0; empty lines are not counted."""


class Readable(Protocol):
    """A file of bytes."""

    def read(self, n_bytes: int, /) -> bytes:
        """Returns the next `n_bytes` bytes or fewer, and none at the end."""


def split_lines(file: Readable) -> Iterator[bytes]:
    """Yields a file in blocks of whole lines; only the last line of the file may lack its end.

    Raises OtherFormatError where the file is no text, and LongLineError for a line of more than two blocks.
    """
    rest = file.read(BLOCK)
    _check_format(rest)
    rest = rest.removeprefix(BYTE_ORDER_MARK)
    while block := file.read(BLOCK):
        rest += block
        end = max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > 2 * BLOCK:
            raise LongLineError(f"more than {2 * BLOCK:,} bytes in a line")
    if rest:
        yield rest


def _check_format(beginning: bytes) -> None:
    """Raises OtherFormatError where the first bytes of a file are those of another format."""
    for pattern, (what, advice) in OTHER_FORMATS.items():
        if re.match(pattern, beginning, re.DOTALL):
            raise OtherFormatError(f"{what}, not text in the format of UCI HIGGS; {advice}")


def parse(block: bytes) -> np.ndarray:
    """Returns the values (n, 29), float32, of whole lines; raises InvalidRowError for the first invalid row."""
    values = _valid_values(block)
    if values is None:
        raise _first_invalid_row(block)
    return values


def _valid_values(block: bytes) -> np.ndarray | None:
    """Returns the values (n, 29), float32, or None unless each row holds 29 finite numbers, the first of them 0 or 1.

    Every question of what a number is, what a line is, and which lines are empty is decided here.
    """
    if not block.strip(b"\r\n"):  # lines without events, which pyarrow takes for a file without a header
        return np.empty((0, len(COLUMNS)), np.float32)
    values = _read_values(block)
    if values is None or not (np.isfinite(values).all() and np.isin(values[:, 0], (0, 1)).all()):
        return None
    return values


def _read_values(block: bytes) -> np.ndarray | None:
    """Returns the values (n, 29), float32, of a block with at least one row, or None unless each is read as a number.

    One that is too large for float32 is read as infinite.
    """
    if block.startswith(BYTE_ORDER_MARK):  # which pyarrow would skip: only the first of a file is none of its values
        block = b"\n" + block
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(column_names=COLUMNS, block_size=len(block) + 1, use_threads=False),
            pa.csv.ParseOptions(quote_char=False),
            pa.csv.ConvertOptions(column_types=SCHEMA, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    return np.stack([column.to_numpy() for column in table.columns], 1)


def _first_invalid_row(block: bytes) -> InvalidRowError:
    """Returns the error for the first invalid row of a block that has one."""
    lines = [line for line in re.split(rb"[\r\n]+", block) if line]
    row = bisect_left(range(len(lines)), True, key=lambda n: _valid_values(b"\n".join(lines[: n + 1])) is None)
    fields = lines[row].split(b",")
    if len(fields) != len(COLUMNS):
        return InvalidRowError(row, f": {len(fields)} columns, where {len(COLUMNS)} are expected")
    column = next(n for n, field in enumerate(fields) if _valid_values(_row_with(n, field)) is None)
    name, shown = COLUMNS[column], fields[column].decode(errors="backslashreplace")
    values = _read_values(_row_with(column, fields[column]))
    if name == LABEL:
        problem = "is not a label of 0 or 1"
    elif values is not None and np.isinf(values[0, column]) and re.search(r"\d", shown):
        problem = "does not fit into float32"
    else:
        problem = "is not a finite number"
    shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
    return InvalidRowError(row, f", column {column + 1} ({name}): {shown!r} {problem}")


def _row_with(column: int, field: bytes) -> bytes:
    """Returns a row with this text in one column, and zeros in the others."""
    return b",".join(field if n == column else b"0" for n in range(len(COLUMNS)))

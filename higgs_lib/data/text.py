"""Reads rows of text: pyarrow decides what a number is, also where the first invalid row is looked for."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv

from higgs_lib.data.features import COLUMNS, LABEL, SCHEMA

BLOCK = 4 << 20  # bytes of text parsed at a time, about 5,500 events
LONGEST_SHOWN = 40  # characters of a value in an error
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which some programs write in front of UTF-8

CONVERT = "write its events as text: a label and 28 features in each row"
UNPACK = "unpack it first"
OTHER_FORMATS = {
    rb"PK[\x03\x05]": ("a zip archive within another file", f"{UNPACK} (unzip)"),
    rb"\x1f\x8b|\xfd7zXZ|BZh[1-9]": ("compressed three times or more", UNPACK),
    rb"\x28\xb5\x2f\xfd": ("compressed by zstd", f"{UNPACK} (unzstd)"),
    rb"\x04\x22\x4d\x18": ("compressed by lz4", f"{UNPACK} (unlz4)"),
    rb"7z\xbc\xaf": ("a 7z archive", f"{UNPACK} (7z x)"),
    rb".{257}ustar": ("a tar archive", f"{UNPACK} (tar -xf)"),
    rb"PAR1|\x93NUMPY|root\0": ("a Parquet, NumPy or ROOT file that is compressed", UNPACK),
    rb"\x89HDF": ("an HDF5 file", CONVERT),
    rb"ARROW1": ("an Arrow file", "write its table as Parquet"),
    rb"\s*<(?i:!doctype|html|\?xml)": ("a page of the web, not the file it leads to", "download the file itself"),
    rb"version https://git-lfs": ("a pointer of Git LFS, not the file", "fetch the file with `git lfs pull`"),
    rb"\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0": ("text in UTF-16 or UTF-32", "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"),
}
"""What a file that is no text of events begins with: what it is, and what to do."""

MISSING = (b"", b"?", b"NA", b"nan", b"NaN", b"NAN")
"""How texts write that a value is missing."""


class FormError(Exception):
    """A file is not read as it is; the message, without the file's name, says why and what to do."""


class LongLineError(Exception):
    """A line is longer than any row."""


class InvalidRowError(Exception):
    """A row does not hold 29 finite numbers, the label 0 or 1; the message says why."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row
        """Number of the row in its block, from 0; empty lines are not counted."""


@dataclass(frozen=True)
class RowFormat:
    """What stands in a row of text, whose fields are separated by commas."""

    columns: tuple[str | None, ...] = COLUMNS
    """What each field is: each of `data.COLUMNS` once, and None for a field that is not read."""
    keeps_missing: bool = False
    """Whether missing values are read as NaN; otherwise a row with one is invalid."""


class Readable(Protocol):
    """A file of bytes."""

    def read(self, n_bytes: int, /) -> bytes:
        """Returns the next `n_bytes` bytes or fewer, and none at the end."""


def split_lines(file: Readable) -> Iterator[bytes]:
    """Yields a file in blocks of whole lines; only the last line of the file may lack its end.

    Raises FormError where the file is no text, and LongLineError for a line of more than two blocks.
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
    """Raises FormError where the first bytes of a file are those of another format."""
    for pattern, (what, advice) in OTHER_FORMATS.items():
        if re.match(pattern, beginning, re.DOTALL):
            raise FormError(f"{what}, not text of events; {advice}")


def parse(block: bytes, row_format: RowFormat = RowFormat()) -> np.ndarray:
    """Returns the values (n, 29), float32, of whole lines in the order of `data.COLUMNS`, NaN where one is missing.

    Raises InvalidRowError for the first invalid row.
    """
    values = _valid_values(block, row_format)
    if values is None:
        raise _first_invalid_row(block, row_format)
    return values


def numbers(fields: Sequence[bytes]) -> np.ndarray | None:
    """Returns the numbers (n,), float32, that fields of text hold; None unless each of them is a number."""
    values = _read_values(b"\n".join(_row_with(0, field) for field in fields), RowFormat())
    return None if values is None or len(values) != len(fields) else values[:, 0]


def are_valid(values: np.ndarray, *, keeps_missing: bool) -> bool:
    """Returns whether all values (n, 29) are finite and all labels 0 or 1, or NaN where missing values are kept."""
    if keeps_missing:
        return not np.isinf(values).any() and bool((np.isin(values[:, 0], (0, 1)) | np.isnan(values[:, 0])).all())
    return bool(np.isfinite(values).all() and np.isin(values[:, 0], (0, 1)).all())


def first_invalid_line(lines: Sequence[bytes], is_valid: Callable[[bytes], bool]) -> int:
    """Returns the number of the first line that makes the text up to it invalid, from 0; one of them does."""
    return bisect_left(range(len(lines)), True, key=lambda n: not is_valid(b"\n".join(lines[: n + 1])))


def split_rows(block: bytes) -> list[bytes]:
    """Returns the lines of a block that are not empty."""
    return [line for line in re.split(rb"[\r\n]+", block) if line]


def invalid_value(row: int, position: int, name: str, field: bytes) -> InvalidRowError:
    """Returns the error for a field of text that is no valid value of the column with this name.

    Args:
        row: of its block, from 0.
        position: of the column in the file, from 1.
        name: of the column, one of `data.COLUMNS`.
        field: its text.
    """
    value = numbers([field])
    if field.strip() in MISSING:
        problem = "is not a finite number (`higgs-lib ingest --missing drop` leaves out rows with missing values)"
    elif name == LABEL:
        problem = "is not a label of 0 or 1: write 1 for signal and 0 for background"
    elif value is not None and np.isinf(value[0]) and re.search(rb"\d", field):
        problem = "does not fit into float32"
    else:
        problem = "is not a finite number"
    return InvalidRowError(row, f", column {position} ({name}): {shown(field)} {problem}")


def shown(field: bytes) -> str:
    """Returns a field of text for an error, quoted and not too long."""
    characters = field.decode(errors="backslashreplace")
    return repr(characters if len(characters) <= LONGEST_SHOWN else f"{characters[:LONGEST_SHOWN]}...")


def _valid_values(block: bytes, row_format: RowFormat) -> np.ndarray | None:
    """Returns the values (n, 29), float32, or None unless each row is valid.

    Every question of what a number is, what a line is, and which lines are empty is decided here.
    """
    if not block.strip(b"\r\n"):  # lines without events, which pyarrow takes for a file without a header
        return np.empty((0, len(COLUMNS)), np.float32)
    values = _read_values(block, row_format)
    return values if values is not None and are_valid(values, keeps_missing=row_format.keeps_missing) else None


def _read_values(block: bytes, row_format: RowFormat) -> np.ndarray | None:
    """Returns the values (n, 29), float32, of a block with at least one row, or None unless each is read as a number.

    One that is too large for float32 is read as infinite.
    """
    if block.startswith(BYTE_ORDER_MARK):  # which pyarrow would skip: only the first of a file is none of its values
        block = b"\n" + block
    if row_format.keeps_missing and b"?" in block:
        block = re.sub(rb"[ \t]*\?[ \t]*", b"?", block)  # pyarrow strips spaces from numbers alone
    names = [name or f"not read {n}" for n, name in enumerate(row_format.columns)]
    missing = [text.decode() for text in MISSING] if row_format.keeps_missing else []
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
            pa.csv.ParseOptions(quote_char=False),
            pa.csv.ConvertOptions(column_types=SCHEMA, null_values=missing, include_columns=COLUMNS),
        )
    except pa.ArrowInvalid:
        return None
    return np.stack([column.to_numpy() for column in table.columns], 1)


def _first_invalid_row(block: bytes, row_format: RowFormat) -> InvalidRowError:
    """Returns the error for the first invalid row of a block that has one."""
    lines, columns = split_rows(block), row_format.columns
    row = first_invalid_line(lines, lambda text: _valid_values(text, row_format) is not None)
    fields = lines[row].split(b",")
    if len(fields) != len(columns):
        return InvalidRowError(row, f": {len(fields)} columns, where {len(columns)} are expected")
    for position, (name, field) in enumerate(zip(columns, fields, strict=True), 1):
        standard = RowFormat(keeps_missing=row_format.keeps_missing)
        if name is not None and _valid_values(_row_with(COLUMNS.index(name), field), standard) is None:
            return invalid_value(row, position, name, field)
    raise AssertionError("an invalid row has an invalid value")


def _row_with(column: int, field: bytes) -> bytes:
    """Returns a row with this text in one column, and zeros in the others."""
    return b",".join(field if n == column else b"0" for n in range(len(COLUMNS)))

"""The text of libsvm and svmlight: a label and INDEX:VALUE for each feature that is not zero."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.csv

from higgs_lib.data import text
from higgs_lib.data.features import COLUMNS, COMPLETE, LABEL, POSITIVE
from higgs_lib.data.readers.columns import HEPMASS, SUSY
from higgs_lib.data.readers.mapping import FIRST, Findings, Mapping

ROW = rb"[^\s:,]+(?:[ \t]+\d+:[^\s:,]+)+[ \t]*(?:#.*)?$"
COMMENT = rb"#[^\r\n]*"
LABEL_INDEX = -1  # stands for the index of the label
OTHER_SIZES = {18: SUSY, 27: HEPMASS}  # numbers of features of other data sets


def recognises(beginning: bytes) -> bool:
    """Returns whether the first line that is no comment has a label and pairs of index and value."""
    lines = (line for line in re.split(rb"[\r\n]+", beginning) if line.strip() and not line.startswith(b"#"))
    return bool(re.match(ROW, next(lines, b"").strip()))


def open_rows(
    blocks: Iterator[bytes], mapping: Mapping, findings: Findings
) -> tuple[Iterator[bytes], Callable[[bytes], np.ndarray]]:
    """Returns blocks of rows, and what parses them; raises FormError where the indices are not those of 28 features."""
    beginning = next(blocks)
    if mapping.label not in (None, FIRST):
        raise text.FormError(f"label is {mapping.label!r}, but in the text of libsvm the label is always first")
    indices = {int(index) for index in re.findall(rb"[ \t](\d+):", beginning)}
    first = 0 if 0 in indices else 1
    if max(indices) != first + len(COMPLETE) - 1:
        other = OTHER_SIZES.get(max(indices) - first + 1)
        raise text.FormError(
            f"the indices of features go from {min(indices)} to {max(indices)}, where 1 to 28 or 0 to 27 are expected"
            + (f": this seems to be {other}" if other else "")
        )
    findings.form = "libsvm" if first else "libsvm with indices from 0"
    columns = (LABEL, *mapping.order())
    findings.columns = columns
    return chain([beginning], blocks), partial(_parse, columns, first, mapping.drops_missing)


def _parse(columns: tuple[str, ...], first: int, keeps_missing: bool, block: bytes) -> np.ndarray:
    """Returns the values (n, 29), float32, of a block; raises InvalidRowError for the first invalid row.

    Args:
        columns: the label and the features in the order of their indices.
        first: the lowest index, 0 or 1.
        keeps_missing: whether NaN is valid.
        block: whole lines.
    """
    if b"#" in block:
        block = re.sub(COMMENT, b"", block)
    block = re.sub(rb"[ \t]*[\r\n]+[ \t\r\n]*", b"\n", re.sub(rb"[ \t]+", b" ", block)).strip()
    values = _valid_values(block, first, keeps_missing)
    if values is None:
        raise _first_invalid_row(columns, first, keeps_missing, block)
    absent = np.argwhere(values[:, [columns.index(name) for name in POSITIVE]] == 0)
    if len(absent):
        row, number = absent[0].tolist()
        name = POSITIVE[number]
        raise text.InvalidRowError(
            row, f": {name}, index {columns.index(name) + first - 1}, is absent or 0, which it is in no event"
        )
    return values[:, [columns.index(name) for name in COLUMNS]]


def _valid_values(block: bytes, first: int, keeps_missing: bool) -> np.ndarray | None:
    """Returns the label and the features (n, 29) in the order of their indices, or None unless each row is valid."""
    if not block:
        return np.empty((0, len(COLUMNS)), np.float32)
    pairs = b"%d:" % LABEL_INDEX + block.replace(b"\n", b"\n%d:" % LABEL_INDEX).replace(b" ", b"\n")
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(pairs),
            pa.csv.ReadOptions(column_names=["index", "value"], block_size=len(pairs) + 1, use_threads=False),
            pa.csv.ParseOptions(delimiter=":", quote_char=False),
            pa.csv.ConvertOptions(column_types={"index": pa.int32(), "value": pa.float32()}, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    index, value = table["index"].to_numpy(), table["value"].to_numpy()
    is_label = index == LABEL_INDEX
    place = np.where(is_label, 0, index - first + 1)
    row = np.cumsum(is_label) - 1
    cell = row * len(COLUMNS) + place
    if (~is_label & (place < 1)).any() or (place >= len(COLUMNS)).any() or len(np.unique(cell)) != len(cell):
        return None
    values = np.zeros((int(is_label.sum()), len(COLUMNS)), np.float32)
    values.flat[cell] = value
    return values if text.are_valid(values, keeps_missing=keeps_missing) else None


def _first_invalid_row(columns: tuple[str, ...], first: int, keeps_missing: bool, block: bytes) -> text.InvalidRowError:
    """Returns the error for the first invalid row of a block that has one."""
    lines = text.split_rows(block)
    row = text.first_invalid_line(lines, lambda part: _valid_values(part, first, keeps_missing) is not None)
    label, *pairs = lines[row].split(b" ")
    if _valid_values(label, first, keeps_missing) is None:
        return text.invalid_value(row, 1, LABEL, label)
    for pair in pairs:
        index, _, value = pair.partition(b":")
        if not re.fullmatch(rb"\d{1,9}", index) or not first <= int(index) < first + len(COMPLETE):
            shown = text.shown(pair)
            return text.InvalidRowError(row, f": {shown} is no INDEX:VALUE with an index of {first} to {first + 27}")
        if _valid_values(b"0 " + pair, first, keeps_missing) is None:
            position = int(index) - first + 2
            return text.invalid_value(row, position, columns[position - 1], value)
    return text.InvalidRowError(row, ": an index stands twice")

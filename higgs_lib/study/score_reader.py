"""Reads scores: the Parquet files of this library, and what other programs write as Parquet, CSV or numpy's .npy."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from higgs_lib.study.score_files import KEY, digest, pack


class ScoreFileError(ValueError):
    """A file holds no scores, or damaged ones; the message names it and says what is wrong."""


class ScoredEvents(NamedTuple):
    """The scores of a file; arrays are (n,), and None where the file lacks the column."""

    row: np.ndarray | None
    """The rows of the events in their file, from 0, in ascending order."""
    part: np.ndarray | None
    """The part of the model's own events that each is in: "training", "validation" or "test"."""
    label: np.ndarray | None
    """1 for signal and 0 for background."""
    score: np.ndarray
    """Finite scores, higher for signal."""
    record: dict[str, Any]
    """What made the scores; {} where the file does not tell."""

    def take(self, chosen: np.ndarray) -> "ScoredEvents":
        """Returns the events for which `chosen` (n,), bool, is true, or those of these indices."""
        columns = (None if column is None else column[chosen] for column in self[:-1])
        return ScoredEvents(*columns, self.record)


def read_scores(path: str | Path) -> ScoredEvents:
    """Reads a file of scores: of the command `score`, of the folder `scores` of a run, or of another program.

    These are Parquet or, by their names, `.csv` with a header, or `.npy`. Where the file tells the rows of the events,
    they are put in this order. Raises ScoreFileError if it is no such file, a value is impossible, or values or record
    are not those whose hash the record has.
    """
    if not Path(path).is_file():
        raise ScoreFileError(f"{path}: no such scores; `higgs-lib score` makes them")
    read = {".csv": _read_csv, ".npy": _read_npy}.get(Path(path).suffix, _read_parquet)
    table = read(path)
    if not table.num_rows:
        raise ScoreFileError(f"{path}: holds no scores")
    record = _record(table.schema.metadata or {}, path)
    scored = _in_order(ScoredEvents(*(_column(table, name) for name in TYPES), record), path)
    if "sha256" in record and record["sha256"] != _digest(scored):
        raise ScoreFileError(f"{path}: its values or its record are not those that were written, as their hash tells")
    return scored


def _in_order(scored: ScoredEvents, path: str | Path) -> ScoredEvents:
    """Returns scores in the order of their rows; raises ScoreFileError for impossible values."""
    score, label, row = scored.score, scored.label, scored.row
    if len(bad := np.flatnonzero(~np.isfinite(score))):
        raise ScoreFileError(f"{path}, score {bad[0]} from 0: {score[bad[0]]:g} is no finite number")
    if label is not None and not np.isin(label, (0, 1)).all():
        raise ScoreFileError(f"{path}: labels must be 0 or 1")
    if row is None or (row[1:] > row[:-1]).all():
        return scored
    if len(np.unique(row)) < len(row):
        raise ScoreFileError(f"{path}: holds several scores of one event (row); each event needs one")
    return scored.take(np.argsort(row))


def _digest(scored: ScoredEvents) -> str:
    """Returns the hash that the record of scores has if nothing was changed."""
    columns = {"row": scored.row, "label": scored.label, "score": scored.score}
    values = pack({name: column for name, column in columns.items() if column is not None})
    return digest(hashlib.sha256(values), scored.record)


def _is_text(kind: pa.DataType) -> bool:
    """Tells whether a column holds text, as such or by a dictionary."""
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(values) or pa.types.is_large_string(values)


TYPES: dict[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "row": ("whole numbers", pa.types.is_integer),
    "part": ("text", _is_text),
    "label": ("0 or 1", lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind)),
    "score": ("numbers of 32 or 64 bits", lambda kind: kind in (pa.float32(), pa.float64())),
}
"""What the columns of scores hold, and how one sees that by the type of Arrow."""


def _read_parquet(path: str | Path) -> pa.Table:
    """Reads the columns of a Parquet file, with its record in the metadata."""
    with _refusing(path, "a Parquet file"):
        columns = _check_names(path, pq.read_schema(path).names)
        table = pq.read_table(path, columns=columns).replace_schema_metadata(pq.read_metadata(path).metadata)
        table.validate(full=True)
    return _check_types(path, table)


def _read_csv(path: str | Path) -> pa.Table:
    """Reads the columns of a text file whose first line names them."""
    types = {"row": pa.int64(), "part": pa.string(), "label": pa.float64(), "score": pa.float64()}
    with _refusing(path, "a text file with a header and a line for each event"):
        with csv.open_csv(path) as file:
            columns = _check_names(path, file.schema.names)
        table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types, include_columns=columns))
    return _check_types(path, table)


def _read_npy(path: str | Path) -> pa.Table:
    """Reads a one-dimensional array of numbers, which are scores."""
    try:
        scores = np.lib.format.open_memmap(path, mode="r")  # without pickle, and no header takes memory
    except MemoryError:
        raise
    except Exception as error:  # numpy parses the header by Python's own parser, which stumbles in any way
        raise _unreadable(path, "an array of numpy", error) from error
    if scores.ndim != 1 or scores.dtype.kind not in "iuf":
        raise ScoreFileError(f"{path}: must hold one array of numbers, one for each test row")
    return pa.table({"score": np.array(scores, np.float32 if scores.dtype == np.float32 else np.float64)})


@contextmanager
def _refusing(path: str | Path, kind: str) -> Iterator[None]:
    """Turns what Arrow says of a file that it cannot read into a ScoreFileError."""
    try:
        yield
    except ScoreFileError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, kind, error) from error


def _unreadable(path: str | Path, kind: str, error: Exception) -> ScoreFileError:
    """Returns the error for a file that cannot be read as what it seems to be."""
    reason = " ".join(f"{error}".split())
    return ScoreFileError(f"{path}: not {kind}, or damaged ({reason}); `higgs-lib score` makes scores")


def _check_names(path: str | Path, names: list[str]) -> list[str]:
    """Returns those names that are columns of scores; raises ScoreFileError without a score, or for one twice."""
    columns = [name for name in names if name in TYPES]
    if "score" not in columns or len(set(columns)) < len(columns):
        raise ScoreFileError(f"{path}: has no column score, or two; `higgs-lib score` makes a file that has one")
    return columns


def _check_types(path: str | Path, table: pa.Table) -> pa.Table:
    """Returns a table whose columns are of the right types and without missing values, or raises ScoreFileError."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        expected, is_right = TYPES[name]
        if not is_right(column.type) or column.null_count:
            missing = f", and {column.null_count} values missing" if column.null_count else ""
            raise ScoreFileError(
                f"{path}: the column {name} must hold {expected}, but is of type {column.type}{missing}"
            )
    return table


def _column(table: pa.Table, name: str) -> np.ndarray | None:
    """Returns a column (n,); None where there is none."""
    return table[name].to_numpy() if name in table.column_names else None


def _record(metadata: dict[bytes, bytes], path: str | Path) -> dict[str, Any]:
    """Returns what made scores; {} where their file does not tell."""
    try:
        record = json.loads(metadata.get(KEY, b"{}"))
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and _is_record(record):
        return record
    raise ScoreFileError(f"{path}: its record of what made the scores is wrong; `higgs-lib score` makes the file anew")


def _is_record(record: dict[str, Any]) -> bool:
    """Tells whether the parts of a record that are there have the right types."""
    model, events, splits, claims = (record.get(name, {}) for name in ("model", "events", "splits", "claims"))
    return (
        all(isinstance(part, dict) for part in (model, events, splits, claims))
        and isinstance(record.get("split", ""), str)
        and isinstance(events.get("sha256", ""), str)
        and type(events.get("n_events", 0)) is int
        and all(_is_range(rows) for rows in splits.values())
        and all(isinstance(value, float | int) and math.isfinite(value) for value in claims.values())
    )


def _is_range(rows: Any) -> bool:
    """Tells whether a value of JSON's types is a first row and one behind the last."""
    return isinstance(rows, list) and len(rows) == 2 and all(type(n) is int for n in rows) and 0 <= rows[0] <= rows[1]

"""The files of classifiers: a model with a record of what made it, and scores with the record of their model."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib.commands.parsing import FEATURE_SETS, PARTS, CommandError
from higgs_lib.files import write_atomically
from higgs_lib.models import archive

KEY = b"higgs_lib_scores"  # of the record in the metadata of a Parquet file


def save_model(model, destination: Path, record: dict) -> None:
    """Writes a Keras model with the record of what made it, which Keras ignores."""
    with write_atomically(destination) as path:
        model.save(path)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(archive.RECORD, json.dumps(record, indent=1))


def read_model_file(path: str | Path) -> tuple[dict, dict | None]:
    """Returns Keras' own metadata of a `.keras` file, and the record of what made it; None where there is none.

    Raises ModelFileError if it is not a `.keras` file, and CommandError if its record is not one of `save_model`.
    """
    metadata, record = archive.read_keras(Path(path))
    if record is not None and not _is_record(record):
        raise CommandError(f"{path}: its record of what made it ({archive.RECORD}) is wrong; train or save it again")
    return metadata, record


def _is_record(record: dict) -> bool:
    """Tells whether the record of a model names a known feature set, and whole parts of its events."""
    events, splits = record.get("events"), record.get("splits")
    if record.get("features") not in FEATURE_SETS or not isinstance(events, dict) or not isinstance(splits, dict):
        return False
    edges = [edge for rows in splits.values() for edge in (rows if isinstance(rows, list) else [None])]
    return (
        list(splits) == list(PARTS)
        and all(type(edge) is int for edge in [*edges, events.get("n_events")])
        and len(edges) == 2 * len(PARTS)
        and edges[0] >= 0
        and edges == sorted(edges)
        and edges[-1] <= events["n_events"]
    )


class ScoredEvents(NamedTuple):
    """The scores of a file of scores; arrays are (n,), and None where the file lacks the column."""

    row: np.ndarray | None
    """The rows of the events in their file, from 0."""
    part: np.ndarray | None
    """The part of the model's own events that each is in: "training", "validation" or "test"."""
    label: np.ndarray | None
    """1 for signal and 0 for background."""
    score: np.ndarray
    """Scores in [0, 1], higher for signal."""
    record: dict
    """What made the scores; {} where the file does not tell."""

    def take(self, chosen: np.ndarray) -> "ScoredEvents":
        """Returns the events for which `chosen` (n,), bool, is true."""
        columns = (None if column is None else column[chosen] for column in self[:-1])
        return ScoredEvents(*columns, self.record)


@contextmanager
def score_writer(destination: Path, columns: list[str], record: dict) -> Iterator[pq.ParquetWriter]:
    """Yields the writer of a file of scores, which is there whole or not at all.

    Args:
        destination: the file.
        columns: those of `ScoredEvents` that it holds.
        record: what made the scores.
    """
    types = {"row": pa.int64(), "part": pa.string(), "label": pa.int8(), "score": pa.float32()}
    schema = pa.schema([(name, types[name]) for name in columns], {KEY: json.dumps(record)})
    with write_atomically(destination) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield writer


def read_scores(path: str | Path) -> ScoredEvents:
    """Reads a file of scores: that of the command `score`, or one of the folder `scores` of a run.

    Where the file tells the rows of the events, they are put in this order. Raises CommandError if it is no such file,
    or a value is impossible.
    """
    if not Path(path).is_file():
        raise CommandError(f"{path}: no such scores; `higgs-lib score` makes them")
    table = _read_table(path)
    if not table.num_rows:
        raise CommandError(f"{path}: holds no scores")
    score = _column(table, "score")
    if len(bad := np.flatnonzero(~((score >= 0) & (score <= 1)))):
        raise CommandError(f"{path}, score {bad[0]} from 0: {score[bad[0]]:g} does not lie in [0, 1]")
    label, row = _column(table, "label"), _column(table, "row")
    if label is not None and not np.isin(label, (0, 1)).all():
        raise CommandError(f"{path}: labels must be 0 or 1")
    scored = ScoredEvents(row, _column(table, "part"), label, score, _record(table.schema.metadata or {}, path))
    if row is None or (row[1:] > row[:-1]).all():
        return scored
    if len(np.unique(row)) < len(row):
        raise CommandError(f"{path}: holds several scores of one event (row); each event needs one")
    return scored.take(np.argsort(row))


def _is_text(kind: pa.DataType) -> bool:
    """Tells whether a column holds text, as such or by a dictionary."""
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(values) or pa.types.is_large_string(values)


TYPES = {
    "row": ("whole numbers", pa.types.is_integer),
    "part": ("text", _is_text),
    "label": ("0 or 1", lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind)),
    "score": ("numbers of 32 or 64 bits", lambda kind: kind in (pa.float32(), pa.float64())),
}
"""What the columns of scores hold, and how one sees that by the type of Arrow."""


def _read_table(path: str | Path) -> pa.Table:
    """Reads the columns of scores, each of the right type and without missing values."""
    try:
        schema = pq.read_schema(path)
        columns = [name for name in schema.names if name in TYPES]
        if "score" not in columns or len(set(columns)) < len(columns):
            raise CommandError(f"{path}: has no column score, or two; `higgs-lib score` makes a file that has one")
        table = pq.read_table(path, columns=columns)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CommandError(
            f"{path}: not a Parquet file, or damaged ({' '.join(f'{error}'.split())}); `higgs-lib score` makes one"
        ) from error
    for name, column in zip(table.column_names, table.columns, strict=True):
        expected, is_right = TYPES[name]
        if not is_right(column.type) or column.null_count:
            missing = f", and {column.null_count} values missing" if column.null_count else ""
            raise CommandError(f"{path}: the column {name} must hold {expected}, but is of type {column.type}{missing}")
    return table


def _column(table: pa.Table, name: str) -> np.ndarray | None:
    """Returns a column (n,); None where there is none."""
    return table[name].to_numpy() if name in table.column_names else None


def _record(metadata: dict[bytes, bytes], path: str | Path) -> dict:
    """Returns what made scores; {} where their file does not tell."""
    try:
        record = json.loads(metadata.get(KEY, b"{}"))
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and all(isinstance(record.get(name, {}), dict) for name in ("model", "events")):
        return record
    raise CommandError(f"{path}: its record of what made the scores is wrong; `higgs-lib score` makes the file anew")

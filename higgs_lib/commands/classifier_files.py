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

from higgs_lib.commands.parsing import CommandError
from higgs_lib.data import DataError, Origin, origin
from higgs_lib.files import write_atomically

RECORD = "higgs_lib.json"  # the file in the archive that a .keras file is
KEY = b"higgs_lib_scores"  # of the record in the metadata of a Parquet file


def read_origin(path: str | Path) -> Origin:
    """Returns the origin of an events file; raises DataError also where the file is no Parquet."""
    try:
        return origin(path)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path}: not a Parquet file; `higgs-lib ingest` makes one from text in UCI's format"
        ) from error


def save_model(model, destination: Path, record: dict) -> None:
    """Writes a Keras model with the record of what made it, which Keras ignores."""
    with write_atomically(destination) as path:
        model.save(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(RECORD, json.dumps(record, indent=1))


def read_model_file(path: str | Path) -> tuple[dict, dict | None]:
    """Returns Keras' own metadata of a `.keras` file, and the record of what made it; None where there is none.

    Raises CommandError if it is not a `.keras` file.
    """
    if not Path(path).is_file():
        raise CommandError(f"{path}: no such model; `higgs-lib train` makes one")
    try:
        with zipfile.ZipFile(path) as archive:
            record = json.loads(archive.read(RECORD)) if RECORD in archive.namelist() else None
            return json.loads(archive.read("metadata.json")), record
    except (zipfile.BadZipFile, KeyError) as error:
        raise CommandError(f"{path}: not a model that Keras saved (.keras)") from error


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

    Raises CommandError if it is no such file, or a score or a label has an impossible value.
    """
    if not Path(path).is_file():
        raise CommandError(f"{path}: no such scores; `higgs-lib score` makes them")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path}: not a Parquet file") from error
    if "score" not in table.column_names:
        raise CommandError(f"{path}: has no column score; `higgs-lib score` makes a file that has one")
    columns = [table[name].to_numpy() if name in table.column_names else None for name in ("row", "part", "label")]
    score = table["score"].to_numpy()
    if not np.all((score >= 0) & (score <= 1)):
        raise CommandError(f"{path}: scores must lie in [0, 1]")
    if columns[2] is not None and not np.isin(columns[2], (0, 1)).all():
        raise CommandError(f"{path}: labels must be 0 or 1")
    record = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
    return ScoredEvents(*columns, score, record)

"""Writes the scores of a classifier as a Parquet file that others can check: with rows, labels, a record and a hash."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import higgs_lib
from higgs_lib import metrics, provenance
from higgs_lib.data import Origin, Splits, named_split
from higgs_lib.files import canonical_json, write_atomically
from higgs_lib.metrics import Interval

KEY = b"higgs_lib_scores"  # of the record in the metadata of a Parquet file

TYPES = {"row": pa.int64(), "part": pa.string(), "label": pa.int8(), "score": pa.float32()}
"""The columns that a file of scores may have, and their types."""

HASHED = {"row": "<i8", "label": "<i1", "score": "<f8"}
"""The columns whose values are hashed, and as what; float32 and float64 of one value are the same."""


class ScoreWriter:
    """Writes blocks of scored events, and hashes and keeps what their record needs."""

    def __init__(self, file: pq.ParquetWriter, record: Mapping[str, Any]) -> None:
        self.file = file
        self.record = dict(record)
        self.hash = hashlib.sha256()
        self.tested: list[pa.Table] = []

    def write(self, events: pa.Table) -> None:
        """Appends events, whose rows ascend, with the columns of the file."""
        block = events.select(self.file.schema.names).cast(self.file.schema)
        self.file.write_table(block)
        self.hash.update(pack({name: block[name].to_numpy() for name in HASHED if name in block.column_names}))
        if {"part", "label"} <= set(block.column_names):
            self.tested.append(block.filter(pc.equal(block["part"], "test")).select(["label", "score"]))

    def close(self) -> None:
        """Adds the record: what was given, the code and versions that wrote it, the claims, and the hash of it all."""
        stamp = provenance.stamp()
        versions = {name: stamp[name] for name in ("python", *provenance.packages())}
        record = self.record | {
            "versions": {"higgs_lib": higgs_lib.__version__, "commit": provenance.commit(), **versions},
            "claims": self._claims(),
        }
        record = json.loads(json.dumps(record))  # as it is read back
        self.file.add_key_value_metadata({KEY: json.dumps(record | {"sha256": digest(self.hash, record)})})

    def _claims(self) -> dict[str, float]:
        """Returns the measures of the test events; {} for fewer than two of a class."""
        if not self.tested:
            return {}
        labels, scores = (pa.concat_tables(self.tested)[name].to_numpy() for name in ("label", "score"))
        n_signal = np.count_nonzero(labels == 1)
        enough = min(n_signal, len(labels) - n_signal) >= 2
        return {name: measured.value for name, measured in measure(labels, scores).items()} if enough else {}


@contextmanager
def score_writer(destination: Path, columns: list[str], record: Mapping[str, Any]) -> Iterator[ScoreWriter]:
    """Yields the writer of a file of scores, which is there whole or not at all.

    Args:
        destination: the file.
        columns: those of `TYPES` that it holds.
        record: what made the scores, as of `make_record`.
    """
    schema = pa.schema([(name, TYPES[name]) for name in columns])
    with write_atomically(destination) as path, pq.ParquetWriter(path, schema, compression="zstd") as file:
        writer = ScoreWriter(file, record)
        yield writer
        writer.close()


def make_record(model: Mapping[str, Any], origin: Origin, splits: Splits | None) -> dict[str, Any]:
    """Returns the record of scores, which names no folder.

    Args:
        model: what made the classifier.
        origin: that of the events.
        splits: the parts of these events for this classifier; None where it was trained on others.
    """
    events = {"description": origin.description, "n_events": origin.n_events, "sha256": origin.sha256}
    record = {"model": model, "events": events}
    if splits:
        edges = {part: [rows.start, rows.stop] for part, rows in splits._asdict().items()}
        record |= {"splits": edges, "split": named_split(origin, splits)}
    return record


def measure(labels: np.ndarray, scores: np.ndarray) -> dict[str, Interval]:
    """Returns the AUC with its interval and, if all scores (n,) lie in [0, 1], the accuracy with its own."""
    measured = {"auc": metrics.auc_interval(labels, scores)}
    if are_probabilities(scores):
        measured["accuracy"] = metrics.accuracy_interval(labels, scores)
    return measured


def are_probabilities(scores: np.ndarray) -> bool:
    """Tells whether all scores (n,) lie in [0, 1]."""
    return bool(((scores >= 0) & (scores <= 1)).all())


def pack(columns: Mapping[str, np.ndarray]) -> bytes:
    """Returns the values of columns (n,), event by event, as they are hashed: those of `HASHED` that there are."""
    names = [name for name in HASHED if name in columns]
    packed = np.empty(len(columns["score"]), [(name, HASHED[name]) for name in names])
    for name in names:
        packed[name] = columns[name]
    return packed.tobytes()


def digest(values: "hashlib._Hash", record: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of all values, whose hash is given, followed by the record without its own `sha256`."""
    whole = values.copy()
    whole.update(canonical_json({name: value for name, value in record.items() if name != "sha256"}))
    return whole.hexdigest()

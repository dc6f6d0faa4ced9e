"""Generates and scores events with the executors of a Spark session."""

import json
import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from higgs_lib import device, processes, simulation
from higgs_lib.data import COLUMNS, LABEL, ROW_GROUP, DataError
from higgs_lib.simulation import SimulationParameters, recipe
from higgs_lib.spark import java_errors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCORE = "score"


def generate(
    session: "SparkSession",
    destination: str,
    n_events: int,
    seed: int,
    *,
    physics: SimulationParameters = SimulationParameters(),
) -> None:
    """Writes built-in events as a Parquet data set; every task writes one part.

    The parts contain, in the order of their names, the events of `simulation.generate(n_events, seed)`, 65,536 each.
    The metadata of the column `label` record how the events were made.

    Args:
        session: the Spark session.
        destination: a new folder, in any file system that all executors reach.
        n_events: the number of events.
        seed: of the random numbers.
        physics: the parameters of the simulation.

    Raises:
        DataError: `destination` exists, or `n_events` is not positive.
        ClusterError: Spark cannot write there, or a task fails.
    """
    from pyspark.sql.types import FloatType, StructField, StructType

    if n_events < 1:
        raise DataError(f"cannot generate {n_events} events; give n_events a positive number")
    metadata = {"higgs_lib": json.dumps(recipe(n_events, seed, physics))}
    schema = StructType([StructField(name, FloatType(), True, metadata if name == LABEL else None) for name in COLUMNS])

    def simulate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch["id"].to_pylist():
                start = part * ROW_GROUP
                n = min(ROW_GROUP, n_events - start)
                yield from simulation.generate(n, seed, first_event=start, physics=physics).to_batches()

    n_parts = -(-n_events // ROW_GROUP)
    events = session.range(0, n_parts, numPartitions=n_parts).mapInArrow(simulate, schema)
    _write(events, destination)


def score(session: "SparkSession", model: str | Path, source: str, destination: str, features: tuple[str, ...]) -> None:
    """Writes the events of a Parquet data set with one more column: the scores of a saved Keras model.

    Args:
        session: the Spark session.
        model: the model's file, which only this program has to reach.
        source: the data set, in a file system that all executors reach.
        destination: a new folder, likewise.
        features: the columns that are the model's inputs, in their order.

    Raises:
        DataError: `destination` exists, or `source` is no data set with these columns and without scores.
        ClusterError: Spark cannot read or write there, or a task fails.
    """
    from pyspark.sql.types import FloatType, StructField, StructType

    saved = Path(model).read_bytes()
    events = _read(session, source, features)
    cores = session.conf.get("spark.task.cpus", "1")

    def predict(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", cores)  # before TensorFlow starts in this process
        processes.import_keras()
        from higgs_lib import training

        model = _load_model(saved)
        for batch in batches:
            inputs = np.stack([batch[name].to_numpy() for name in features], 1).astype(np.float32)
            scores = pa.array(training.predict(model, inputs), pa.float32())
            yield pa.RecordBatch.from_arrays([*batch.columns, scores], names=[*batch.schema.names, SCORE])

    schema = StructType([*events.schema.fields, StructField(SCORE, FloatType(), False)])
    _write(events.mapInArrow(predict, schema), destination)


@lru_cache(maxsize=1)
def _load_model(saved: bytes):
    """Returns a Keras model from the bytes of its file; a worker process keeps it for its next part."""
    from higgs_lib import models

    device.use("cpu")  # executors of one machine would share its GPUs
    with tempfile.NamedTemporaryFile(suffix=".keras") as file:
        file.write(saved)
        file.flush()
        return models.load(file.name)


def _read(session, source: str, columns: tuple[str, ...]):
    """Returns the data frame of a Parquet data set; DataError if it lacks `columns` or already has scores."""
    from pyspark.errors import AnalysisException

    with java_errors.one_sentence(source):
        try:
            events = session.read.parquet(source)
        except AnalysisException as error:
            raise DataError(f"{source}: not a Parquet data set ({error.getCondition()})") from None
    missing = [name for name in columns if name not in events.columns]
    if missing:
        raise DataError(f"{source}: the columns {', '.join(missing)} are missing")
    if SCORE in events.columns:
        raise DataError(f"{source}: there is a column {SCORE} already")
    return events


def _write(frame, destination: str) -> None:
    """Writes a data frame as a Parquet data set; DataError if something exists there."""
    from pyspark.errors import AnalysisException

    with java_errors.one_sentence(destination):
        try:
            frame.write.parquet(destination)
        except AnalysisException as error:
            if error.getCondition() != "PATH_ALREADY_EXISTS":
                raise
            raise DataError(f"{destination}: exists already; use another folder or remove it") from None

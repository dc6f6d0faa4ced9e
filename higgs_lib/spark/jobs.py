"""Events made and scored by the executors of a Spark session."""

import json
import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from higgs_lib import device, simulation
from higgs_lib.data import COLUMNS, LABEL, ROW_GROUP
from higgs_lib.data.parquet import DataError
from higgs_lib.simulation import SimulationParameters, recipe

SCORE = "score"


def generate(
    spark, destination: str, n_events: int, seed: int, *, physics: SimulationParameters = SimulationParameters()
) -> None:
    """Writes `n_events` built-in events as a Parquet data set, each task its own part.

    The parts hold, in the order of their names, the events of `simulation.generate(n_events, seed)`, 65,536 each.
    `destination` is a folder that is not there yet, in any file system that all executors reach. What made the events
    is in the metadata of the column `label`. DataError where there is something at `destination`, or nothing to make.
    """
    from pyspark.sql.types import FloatType, StructField, StructType

    if n_events < 1:
        raise DataError(f"cannot generate {n_events} events; give n_events a positive number")
    made = {"higgs_lib": json.dumps(recipe(n_events, seed, physics))}
    schema = StructType([StructField(name, FloatType(), True, made if name == LABEL else None) for name in COLUMNS])

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch["id"].to_pylist():
                start = part * ROW_GROUP
                n = min(ROW_GROUP, n_events - start)
                yield from simulation.generate(n, seed, first_event=start, physics=physics).to_batches()

    n_parts = -(-n_events // ROW_GROUP)
    events = spark.range(0, n_parts, numPartitions=n_parts).mapInArrow(make, schema)
    _write(events, destination)


def score(session, model: str | Path, source: str, destination: str, features: tuple[str, ...]) -> None:
    """Writes the events of a Parquet data set with a column more: the scores of a saved Keras model, by the executors.

    The model's file is read here and takes raw `features` in this order; `source` and `destination` are places that all
    executors reach. DataError where there is something at `destination`, or no such events at `source`.
    """
    from pyspark.sql.types import FloatType, StructField, StructType

    saved = Path(model).read_bytes()
    events = _read(session, source, features)
    cores = session.conf.get("spark.task.cpus", "1")

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", cores)  # before TensorFlow starts in this process
        from higgs_lib import training

        net = _model(saved)
        for batch in batches:
            inputs = np.stack([batch[name].to_numpy() for name in features], 1).astype(np.float32)
            scores = pa.array(training.predict(net, inputs), pa.float32())
            yield pa.RecordBatch.from_arrays([*batch.columns, scores], names=[*batch.schema.names, SCORE])

    schema = StructType([*events.schema.fields, StructField(SCORE, FloatType(), False)])
    _write(events.mapInArrow(scored, schema), destination)


@lru_cache(maxsize=1)
def _model(saved: bytes):
    """A Keras model from the bytes of its file; a worker's process keeps it for its next part."""
    import keras

    device.use("cpu")  # executors of one machine would share its GPUs
    with tempfile.NamedTemporaryFile(suffix=".keras") as file:
        file.write(saved)
        file.flush()
        return keras.saving.load_model(file.name)


def _read(session, source: str, columns: tuple[str, ...]):
    from pyspark.errors import AnalysisException

    try:
        events = session.read.parquet(source)
    except AnalysisException as error:
        raise DataError(f"{source}: no Parquet data set ({error.getCondition()})") from error
    missing = [name for name in columns if name not in events.columns]
    if missing or SCORE in events.columns:
        raise DataError(f"{source}: has no {', '.join(missing)}" if missing else f"{source}: has scores already")
    return events


def _write(frame, destination: str) -> None:
    from pyspark.errors import AnalysisException

    try:
        frame.write.parquet(destination)
    except AnalysisException as error:
        if error.getCondition() != "PATH_ALREADY_EXISTS":
            raise
        raise DataError(f"{destination}: there is something already; give another folder or remove it") from error

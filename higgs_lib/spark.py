"""The Spark session, and built-in events made by its executors."""

import json
import os
import sys
from collections.abc import Iterator

import pyarrow as pa

from higgs_lib import java, simulation
from higgs_lib.data import ROW_GROUP, DataError, simulation_recipe
from higgs_lib.features import COLUMNS, LABEL
from higgs_lib.physics import Physics


def session(master: str = "local[*]", name: str = "higgs_lib"):
    """A Spark session on `master`, with Arrow on, quiet, whose workers run this environment's Python.

    JavaError where there is no Java.
    """
    from pyspark.sql import SparkSession

    os.environ["JAVA_HOME"] = str(java.ensure_java())
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(master).appName(name).config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true")
    if master.startswith("local"):
        builder = builder.config("spark.driver.host", "localhost").config("spark.driver.bindAddress", "127.0.0.1")
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def generate(spark, destination: str, n_events: int, seed: int, *, physics: Physics = Physics()) -> None:
    """Writes `n_events` built-in events as a Parquet data set, each task its own part.

    The parts hold, in the order of their names, the events of `simulation.generate(n_events, seed)`, 65,536 each.
    `destination` is a folder that is not there yet, in any file system that all executors reach. What made the events
    is in the metadata of the column `label`. DataError where there is something at `destination`, or nothing to make.
    """
    from pyspark.errors import AnalysisException
    from pyspark.sql.types import FloatType, StructField, StructType

    if n_events < 1:
        raise DataError(f"cannot generate {n_events} events; give n_events a positive number")
    made = {"higgs_lib": json.dumps(simulation_recipe(n_events, seed, physics))}
    schema = StructType([StructField(name, FloatType(), True, made if name == LABEL else None) for name in COLUMNS])

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch["id"].to_pylist():
                start = part * ROW_GROUP
                n = min(ROW_GROUP, n_events - start)
                yield from simulation.generate(n, seed, first_event=start, physics=physics).to_batches()

    n_parts = -(-n_events // ROW_GROUP)
    events = spark.range(0, n_parts, numPartitions=n_parts).mapInArrow(make, schema)
    try:
        events.write.parquet(destination)
    except AnalysisException as error:
        if error.getCondition() != "PATH_ALREADY_EXISTS":
            raise
        raise DataError(f"{destination}: there is something already; give another folder or remove it") from error

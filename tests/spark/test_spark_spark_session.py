import os
import sys
import tarfile

import pytest

from higgs_lib import spark
from higgs_lib.data import origin
from higgs_lib.spark import spark_session


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session with two executors, processes of their own with one core each, whose Python is shipped."""
    folder = tmp_path_factory.mktemp("shipped")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nHIGGS_SHIPPED=yes exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with tarfile.open(folder / "shipped.tar.gz", "w:gz") as archive:
        archive.add(python, "bin/python")
    settings = {"spark.archives": f"{folder}/shipped.tar.gz#environment"}
    with spark.session("local-cluster[2,1,1024]", settings=settings) as session:
        yield session


def test_executors_read_the_events_with_the_python_that_was_shipped(session, events):
    assert session.read.parquet(str(events)).count() == origin(events).n_events
    places = session.sparkContext.parallelize([0], 1).map(lambda _: (os.environ["HIGGS_SHIPPED"], os.getpid()))
    ((shipped, process),) = places.collect()
    assert shipped == "yes"
    assert process != os.getpid()


def test_a_session_returns_with_all_its_executors(session):
    assert spark.slots(session) == 2
    executors = session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
    assert len(executors) == 1 + 2  # the driver is one of them


def test_workers_run_the_python_of_what_is_shipped():
    local = "local-cluster[1,1,1024]"
    assert spark_session._worker_python(local, {}) == sys.executable
    assert spark_session._worker_python(local, {"spark.pyspark.python": "/opt/python"}) == "/opt/python"
    assert spark_session._worker_python(local, {"spark.archives": "hdfs:///e.tgz#e,b.zip"}) == "./e/bin/python"
    assert spark_session._worker_python("yarn", {"spark.archives": "/tmp/e.tgz"}) == "./e.tgz/bin/python"
    assert spark_session._worker_python("local[2]", {"spark.archives": "/tmp/e.tgz"}) == sys.executable

import json
import os
import sys
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from higgs_lib import data, models, simulation, spark, training
from higgs_lib.data import COMPLETE, SCHEMA, EventStream, origin
from higgs_lib.data.parquet import DataError
from higgs_lib.models import ModelSpec
from higgs_lib.simulation import SimulationParameters
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


def test_two_executors_make_the_events_of_one_process(session, tmp_path):
    physics = SimulationParameters(m_heavy_higgs=500.0)
    n = data.ROW_GROUP + 3000
    folder = tmp_path / "events"
    spark_session.generate(session, str(folder), n, seed=4, physics=physics)
    written = session.read.parquet(str(folder))
    assert json.loads(written.schema["label"].metadata["higgs_lib"])["physics"] == {"m_heavy_higgs": 500.0}
    with pytest.raises(DataError, match="there is something already"):
        spark_session.generate(session, str(folder), n, seed=4)
    assert len(list(folder.glob("part-*.parquet"))) == 2
    made = pa.dataset.dataset(folder, format="parquet").to_table().cast(SCHEMA)
    assert made.equals(simulation.generate(n, seed=4, physics=physics).combine_chunks())


def test_workers_run_the_python_of_what_is_shipped():
    local = "local-cluster[1,1,1024]"
    assert spark_session._workers_python(local, {}) == sys.executable
    assert spark_session._workers_python(local, {"spark.pyspark.python": "/opt/python"}) == "/opt/python"
    assert spark_session._workers_python(local, {"spark.archives": "hdfs:///e.tgz#e,b.zip"}) == "./e/bin/python"
    assert spark_session._workers_python("yarn", {"spark.archives": "/tmp/e.tgz"}) == "./e.tgz/bin/python"
    assert spark_session._workers_python("local[2]", {"spark.archives": "/tmp/e.tgz"}) == sys.executable


def test_executors_score_events_as_this_process_does(session, events, tmp_path):
    spec = ModelSpec((20, 20))
    model = models.build(spec, models.standardisation(EventStream.open(events, COMPLETE, range(5000))), seed=1)
    model.save(tmp_path / "model.keras")
    places = str(events), str(tmp_path / "scores")
    spark_session.score(session, tmp_path / "model.keras", *places, COMPLETE)
    scored = pa.dataset.dataset(places[1], format="parquet").to_table()
    table = pq.read_table(events)
    assert scored.column_names == [*table.column_names, "score"]
    assert scored.drop_columns("score").cast(table.schema).equals(table.replace_schema_metadata())
    features = np.stack([table[name].to_numpy() for name in COMPLETE], 1)
    assert scored["score"].to_numpy() == pytest.approx(training.predict(model, features), abs=1e-6)
    with pytest.raises(DataError, match="scores: there is something already"):
        spark_session.score(session, tmp_path / "model.keras", *places, COMPLETE)
    with pytest.raises(DataError, match=r"scores: has scores already"):
        spark_session.score(session, tmp_path / "model.keras", places[1], str(tmp_path / "again"), COMPLETE)
    with pytest.raises(DataError, match=r"has no m_zz"):
        spark_session.score(session, tmp_path / "model.keras", str(events), str(tmp_path / "again"), ("m_bb", "m_zz"))
    with pytest.raises(DataError, match=r"nowhere: no Parquet data set \(PATH_NOT_FOUND\)"):
        spark_session.score(
            session, tmp_path / "model.keras", str(tmp_path / "nowhere"), str(tmp_path / "again"), COMPLETE
        )


def test_nothing_to_generate_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot generate 0 events"):
        spark_session.generate(None, str(tmp_path / "events"), 0, seed=1)

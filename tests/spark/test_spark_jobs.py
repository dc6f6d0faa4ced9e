import json
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from pyspark import cloudpickle

from higgs_lib import data, models, simulation, spark, training
from higgs_lib.data import COMPLETE, SCHEMA, DataError, EventStream
from higgs_lib.models import ModelSpec
from higgs_lib.simulation import SimulationParameters
from higgs_lib.spark import ClusterError


@pytest.fixture(scope="module")
def session():
    """A session with two executors."""
    with spark.session("local-cluster[2,1,1024]") as session:
        yield session


def test_two_executors_make_the_events_of_one_process(session, tmp_path):
    physics = SimulationParameters(m_heavy_higgs=500.0)
    n = data.ROW_GROUP + 3000
    folder = tmp_path / "events"
    spark.generate(session, str(folder), n, seed=4, physics=physics)
    written = session.read.parquet(str(folder))
    assert json.loads(written.schema["label"].metadata["higgs_lib"])["physics"] == {"m_heavy_higgs": 500.0}
    with pytest.raises(DataError, match="exists already"):
        spark.generate(session, str(folder), n, seed=4)
    assert len(list(folder.glob("part-*.parquet"))) == 2
    generated = pa.dataset.dataset(folder, format="parquet").to_table().cast(SCHEMA)
    assert generated.equals(simulation.generate(n, seed=4, physics=physics).combine_chunks())


def test_executors_score_events_as_this_process_does(session, events, tmp_path):
    spec = ModelSpec((20, 20))
    model = models.build(spec, models.standardisation(EventStream.open(events, COMPLETE, range(5000))), seed=1)
    model.save(tmp_path / "model.keras")
    places = str(events), str(tmp_path / "scores")
    spark.score(session, tmp_path / "model.keras", *places, COMPLETE)
    scored = pa.dataset.dataset(places[1], format="parquet").to_table()
    table = pq.read_table(events)
    assert scored.column_names == [*table.column_names, "score"]
    assert scored.drop_columns("score").cast(table.schema).equals(table.replace_schema_metadata())
    features = np.stack([table[name].to_numpy() for name in COMPLETE], 1)
    assert scored["score"].to_numpy() == pytest.approx(training.predict(model, features), abs=1e-6)
    with pytest.raises(DataError, match="scores: exists already"):
        spark.score(session, tmp_path / "model.keras", *places, COMPLETE)
    with pytest.raises(DataError, match=r"scores: there is a column score already"):
        spark.score(session, tmp_path / "model.keras", places[1], str(tmp_path / "again"), COMPLETE)
    with pytest.raises(DataError, match=r"the columns m_zz are missing"):
        spark.score(session, tmp_path / "model.keras", str(events), str(tmp_path / "again"), ("m_bb", "m_zz"))
    with pytest.raises(DataError, match=r"nowhere: not a Parquet data set \(PATH_NOT_FOUND\)"):
        spark.score(session, tmp_path / "model.keras", str(tmp_path / "nowhere"), str(tmp_path / "again"), COMPLETE)


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("hdfs://127.0.0.1:1/x", "Connection refused"),
        ("hdfs://nowhere.invalid:8020/x", "UnknownHostException: nowhere.invalid"),
        ("foo://x/y", 'No FileSystem for scheme "foo"'),
        ("s3a://bucket/x", "ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found"),
    ],
)
def test_a_place_that_spark_cannot_reach_is_one_sentence(session, events, tmp_path, place, problem, capfd):
    models.build(ModelSpec((5,)), models.Standardisation(np.zeros(28), np.ones(28)), 1).save(tmp_path / "model.keras")
    capfd.readouterr()  # TensorFlow's notes
    for work in (
        lambda: spark.generate(session, place, 1000, seed=1),
        lambda: spark.score(session, tmp_path / "model.keras", place, str(tmp_path / "scores"), COMPLETE),
        lambda: spark.score(session, tmp_path / "model.keras", str(events), place, COMPLETE),
    ):
        with pytest.raises(ClusterError) as error:
            work()
        assert str(error.value).startswith(f"{place}: ")
        assert problem in str(error.value)
        assert "\n" not in str(error.value)
        assert error.value.__suppress_context__
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("raise MemoryError('Unable to allocate 8 GiB')", "MemoryError: Unable to allocate 8 GiB; if memory ran out, "),
        ("__import__('os')._exit(137)", r"Python worker exited unexpectedly \(crashed\); if memory ran out, give"),
    ],
)
def test_a_task_that_runs_out_of_memory_is_one_sentence(session, monkeypatch, tmp_path, end, message):
    def generate(*_, **__):
        exec(end)

    monkeypatch.setattr("higgs_lib.spark.jobs.simulation", SimpleNamespace(generate=generate))
    cloudpickle.register_pickle_by_value(sys.modules[spark.generate.__module__])
    try:
        with pytest.raises(ClusterError, match=f"events: .*{message}") as error:
            spark.generate(session, str(tmp_path / "events"), 1000, seed=1)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[spark.generate.__module__])
    assert "\n" not in str(error.value)


def test_nothing_to_generate_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot generate 0 events"):
        spark.generate(None, str(tmp_path / "events"), 0, seed=1)

import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from higgs_lib import data, models, simulation, spark, training
from higgs_lib.data import COMPLETE, SCHEMA, DataError, EventStream
from higgs_lib.models import ModelSpec
from higgs_lib.simulation import SimulationParameters


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


def test_nothing_to_generate_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot generate 0 events"):
        spark.generate(None, str(tmp_path / "events"), 0, seed=1)

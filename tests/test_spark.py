import json
import os
import sys

import pyarrow as pa
import pyarrow.dataset
import pytest

from higgs_lib import data, simulation, spark
from higgs_lib.data import DataError, origin
from higgs_lib.features import SCHEMA
from higgs_lib.physics import Physics


def test_a_session_reads_the_events_with_this_python(events):
    with spark.session("local-cluster[1,1,1024]") as session:
        frame = session.read.parquet(str(events))
        assert frame.count() == origin(events).n_events
        places = session.sparkContext.parallelize([0], 1).map(lambda _: (sys.executable, os.getpid())).collect()
    assert places[0][0] == sys.executable
    assert places[0][1] != os.getpid()


def test_two_executors_make_the_events_of_one_process(tmp_path):
    physics = Physics(m_heavy_higgs=500.0)
    n = data.ROW_GROUP + 3000
    folder = tmp_path / "events"
    with spark.session("local-cluster[2,1,1024]") as session:
        spark.generate(session, str(folder), n, seed=4, physics=physics)
        written = session.read.parquet(str(folder))
        assert json.loads(written.schema["label"].metadata["higgs_lib"])["physics"] == {"m_heavy_higgs": 500.0}
        executors = session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
        assert len(executors) == 1 + 2  # the driver is one of them
        with pytest.raises(DataError, match="there is something already"):
            spark.generate(session, str(folder), n, seed=4)
    assert len(list(folder.glob("part-*.parquet"))) == 2
    made = pa.dataset.dataset(folder, format="parquet").to_table().cast(SCHEMA)
    assert made.equals(simulation.generate(n, seed=4, physics=physics).combine_chunks())


def test_nothing_to_generate_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot generate 0 events"):
        spark.generate(None, str(tmp_path / "events"), 0, seed=1)

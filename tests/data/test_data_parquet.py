import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from higgs_lib import data
from higgs_lib.data import SCHEMA, DataError, parquet


def write(path, rows, n_blocks=1) -> data.Origin:
    writer = parquet.EventWriter(path)
    for block in np.array_split(rows, n_blocks):
        writer.write(block)
    return writer.close("file", {"source": "/somewhere/mine.csv"})


@pytest.mark.parametrize("n_blocks", [1, 7, 500])
def test_blocks_become_row_groups_of_one_size(tmp_path, rows, monkeypatch, n_blocks):
    monkeypatch.setattr(parquet, "ROW_GROUP", 200)
    origin = write(tmp_path / "events.parquet", rows, n_blocks)
    metadata = pq.read_metadata(tmp_path / "events.parquet")
    assert [metadata.row_group(group).num_rows for group in range(3)] == [200, 200, 100]
    table = pq.read_table(tmp_path / "events.parquet")
    assert np.array_equal(np.stack([column.to_numpy() for column in table.columns], 1), rows)
    assert origin.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()


def test_the_origin_is_read_back(tmp_path, rows):
    origin = write(tmp_path / "events.parquet", rows)
    assert data.origin(tmp_path / "events.parquet") == origin
    assert origin.description == "500 events of mine.csv, a file in the format of UCI HIGGS"


def test_the_origin_of_an_older_version_is_read(tmp_path, rows):
    """Version 0.3.0 called the event type kind."""
    origin = write(tmp_path / "new.parquet", rows)
    record = {"kind": "file", "n_events": 500, "recipe": origin.recipe, "sha256": origin.sha256}
    table = pa.table(list(rows.T), SCHEMA.with_metadata({"higgs_lib": json.dumps(record)}))
    pq.write_table(table, tmp_path / "old.parquet")
    assert data.origin(tmp_path / "old.parquet") == origin


def test_a_file_without_an_origin_is_an_error(tmp_path, rows):
    with pytest.raises(DataError, match="no such file"):
        data.origin(tmp_path / "events.parquet")
    pq.write_table(pa.table(list(rows.T), SCHEMA), tmp_path / "events.parquet")
    with pytest.raises(DataError, match="not a file of events made by higgs_lib; ingest the original"):
        data.origin(tmp_path / "events.parquet")

import gzip
import hashlib
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest

from higgs_lib import data
from higgs_lib.data import COLUMNS, DataError, download, ingestion, parquet


def as_csv(rows) -> str:
    return "".join(",".join(f"{value:.18e}" for value in row) + "\n" for row in rows)


def table(path) -> np.ndarray:
    return np.stack([column.to_numpy() for column in pq.read_table(path).columns], 1)


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_ingest_keeps_every_value_to_the_bit(tmp_path, rows, name):
    source = tmp_path / name
    text = as_csv(rows).encode()
    source.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    origin = data.ingest(source, tmp_path / "events.parquet")
    assert origin.n_events == len(rows)
    assert origin.event_type == "file"
    assert np.array_equal(table(tmp_path / "events.parquet"), rows)
    assert pq.read_schema(tmp_path / "events.parquet").names == list(COLUMNS)
    assert data.origin(tmp_path / "events.parquet") == origin


def test_ingest_of_uci_events_agrees_with_numpy(uci_csv, uci_events):
    with gzip.open(uci_csv, "rt") as text:
        expected = np.loadtxt(text, delimiter=",", max_rows=2000).astype(np.float32)
    assert np.array_equal(table(uci_events)[:2000], expected)
    assert data.origin(uci_events).n_events == 40_681


def test_the_hash_of_the_values_is_independent_of_blocks(tmp_path, rows, monkeypatch):
    (tmp_path / "events.csv").write_text(as_csv(rows))
    first = data.ingest(tmp_path / "events.csv", tmp_path / "a.parquet")
    monkeypatch.setattr(ingestion, "CSV_BLOCK", 4096)
    monkeypatch.setattr(parquet, "ROW_GROUP", 100)
    second = data.ingest(tmp_path / "events.csv", tmp_path / "b.parquet")
    assert first.sha256 == second.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()
    assert pq.ParquetFile(tmp_path / "b.parquet").num_row_groups == 5


def with_bad_row(rows, *, row, column=None, value=None) -> str:
    lines = as_csv(rows).splitlines()
    fields = lines[row - 1].split(",")
    if column is None:
        fields.pop()
    else:
        fields[column - 1] = value
    lines[row - 1] = ",".join(fields)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": 321}, "row 321: 28 columns, where 29 are expected"),
        (
            {"row": 17, "column": 5, "value": "nan"},
            r"row 17, column 5 \(missing_energy\): 'nan' is not a finite number",
        ),
        ({"row": 17, "column": 5, "value": "inf"}, "row 17, column 5 .*'inf'"),
        ({"row": 44, "column": 1, "value": "2.0"}, r"row 44, column 1 \(label\): '2' is not a label of 0 or 1"),
        ({"row": 500, "column": 29, "value": "abc"}, r"row 500, column 29 \(m_wwbb\): 'abc' is not a finite number"),
        ({"row": 8, "column": 2, "value": '"1.0'}, "row 8, column 2 .*is not a finite number"),
        ({"row": 3, "column": 9, "value": ""}, "row 3, column 9 .*'' is not a finite number"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_left(tmp_path, rows, change, message):
    (tmp_path / "bad.csv").write_text(with_bad_row(rows, **change))
    with pytest.raises(DataError, match=message):
        data.ingest(tmp_path / "bad.csv", tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_truncated_gzip_file_is_detected_and_nothing_is_left(tmp_path, rows):
    compressed = gzip.compress(as_csv(rows).encode())
    (tmp_path / "truncated.csv.gz").write_bytes(compressed[: len(compressed) * 2 // 3])
    with pytest.raises(DataError, match=r"truncated.csv.gz: damaged or cut short after row \d+"):
        data.ingest(tmp_path / "truncated.csv.gz", tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("n_kept", [30, -4])
def test_a_corrupt_gzip_file_is_detected(tmp_path, rows, n_kept):
    compressed = bytearray(gzip.compress(as_csv(rows).encode()))
    compressed[n_kept:] = bytes(reversed(compressed[n_kept:]))  # of the text, and of its length alone
    (tmp_path / "damaged.csv.gz").write_bytes(compressed)
    with pytest.raises(DataError, match=r"damaged.csv.gz: damaged or cut short after row \d+"):
        data.ingest(tmp_path / "damaged.csv.gz", tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_all_members_of_a_gzip_file_are_read(tmp_path, rows):
    text = as_csv(rows).encode()
    parts = [text[:5000], text[5000:9000], b"", text[9000:]]  # as bgzip and pigz write, cut within rows
    (tmp_path / "parts.csv.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    origin = data.ingest(tmp_path / "parts.csv.gz", tmp_path / "events.parquet")
    assert origin.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("\n", "\n\n"), ("\n", "\n" * 5000)])
@pytest.mark.parametrize("block", [2048, 4 << 20])
def test_line_ends_do_not_matter(tmp_path, rows, monkeypatch, change, block):
    monkeypatch.setattr(ingestion, "CSV_BLOCK", block)
    (tmp_path / "events.csv").write_bytes(as_csv(rows).replace(*change).rstrip("\r\n").encode())
    origin = data.ingest(tmp_path / "events.csv", tmp_path / "events.parquet")
    assert origin.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()


def test_an_endless_line_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(ingestion, "CSV_BLOCK", 2048)
    (tmp_path / "line.csv").write_bytes(b"1," * 200_000)
    with pytest.raises(DataError, match="row 1: 200001 columns"):
        data.ingest(tmp_path / "line.csv", tmp_path / "events.parquet")


def test_an_interrupted_ingestion_leaves_neither_file_nor_thread(tmp_path, rows, monkeypatch):
    def interrupt(self, values):
        raise KeyboardInterrupt

    monkeypatch.setattr(ingestion, "CSV_BLOCK", 2048)
    monkeypatch.setattr(parquet.EventWriter, "write", interrupt)
    (tmp_path / "events.csv").write_text(as_csv(rows))
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        data.ingest(tmp_path / "events.csv", tmp_path / "out" / "events.parquet")
    assert threading.active_count() == before
    assert list((tmp_path / "out").iterdir()) == []


def test_empty_and_missing_files_are_errors(tmp_path):
    for name, content in (("empty.csv", b""), ("empty.csv.gz", gzip.compress(b"")), ("blank.csv", b"\n\n\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"empty|no rows"):
            data.ingest(tmp_path / name, tmp_path / "events.parquet")
    with pytest.raises(DataError, match="no such file"):
        data.ingest(tmp_path / "missing.csv", tmp_path / "events.parquet")


@pytest.mark.parametrize("name", ["HIGGS.csv", "HIGGS.csv.gz"])
def test_ucis_own_file_is_recognised_by_its_sha256(tmp_path, rows, monkeypatch, name):
    text = as_csv(rows).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    sha256 = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    monkeypatch.setattr(download, "SHA256", sha256)
    origin = data.ingest(tmp_path / name, tmp_path / "events.parquet")
    assert origin.event_type == "uci"
    assert "UCI HIGGS (doi:10.24432/C5V312)" in origin.description


def test_a_failed_ingestion_keeps_the_old_file(tmp_path, rows):
    (tmp_path / "good.csv").write_text(as_csv(rows))
    (tmp_path / "bad.csv").write_text(with_bad_row(rows, row=9))
    origin = data.ingest(tmp_path / "good.csv", tmp_path / "events.parquet")
    with pytest.raises(DataError):
        data.ingest(tmp_path / "bad.csv", tmp_path / "events.parquet")
    assert data.origin(tmp_path / "events.parquet") == origin

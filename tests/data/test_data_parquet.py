import gzip
import hashlib
import os
import platform
import subprocess
import sys
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest

from higgs_lib import data, files, simulation, study
from higgs_lib.data import COLUMNS, parquet
from higgs_lib.data.parquet import DataError
from higgs_lib.simulation import SimulationParameters


def as_csv(rows) -> str:
    return "".join(",".join(f"{value:.18e}" for value in row) + "\n" for row in rows)


def table(path) -> np.ndarray:
    return np.stack([column.to_numpy() for column in pq.read_table(path).columns], 1)


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_ingest_keeps_every_value_to_the_bit(tmp_path, rows, name):
    source = tmp_path / name
    text = as_csv(rows).encode()
    source.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    made = data.ingest(source, tmp_path / "events.parquet")
    assert made.n_events == len(rows)
    assert made.event_type == "file"
    assert np.array_equal(table(tmp_path / "events.parquet"), rows)
    assert pq.read_schema(tmp_path / "events.parquet").names == list(COLUMNS)
    assert data.origin(tmp_path / "events.parquet") == made


def test_ingest_of_real_events_agrees_with_numpy(real_csv, real_events):
    with gzip.open(real_csv, "rt") as text:
        wanted = np.loadtxt(text, delimiter=",", max_rows=2000).astype(np.float32)
    assert np.array_equal(table(real_events)[:2000], wanted)
    assert data.origin(real_events).n_events == 40_681


def test_the_hash_of_the_values_is_independent_of_blocks(tmp_path, rows, monkeypatch):
    (tmp_path / "events.csv").write_text(as_csv(rows))
    first = data.ingest(tmp_path / "events.csv", tmp_path / "a.parquet")
    monkeypatch.setattr(parquet.ingestion, "CSV_BLOCK", 4096)
    monkeypatch.setattr(parquet, "ROW_GROUP", 100)
    second = data.ingest(tmp_path / "events.csv", tmp_path / "b.parquet")
    assert first.sha256 == second.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()
    assert pq.ParquetFile(tmp_path / "b.parquet").num_row_groups == 5


def spoilt(rows, *, row, column=None, value=None) -> str:
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
    (tmp_path / "bad.csv").write_text(spoilt(rows, **change))
    with pytest.raises(DataError, match=message):
        data.ingest(tmp_path / "bad.csv", tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_packed_file_cut_short_is_found_and_nothing_is_left(tmp_path, rows):
    packed = gzip.compress(as_csv(rows).encode())
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(DataError, match=r"cut.csv.gz: damaged or cut short after row \d+"):
        data.ingest(tmp_path / "cut.csv.gz", tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("n_kept", [30, -4])
def test_a_packed_file_with_other_bytes_is_found(tmp_path, rows, n_kept):
    packed = bytearray(gzip.compress(as_csv(rows).encode()))
    packed[n_kept:] = bytes(reversed(packed[n_kept:]))  # of the text, and of its length alone
    (tmp_path / "damaged.csv.gz").write_bytes(packed)
    with pytest.raises(DataError, match=r"damaged.csv.gz: damaged or cut short after row \d+"):
        data.ingest(tmp_path / "damaged.csv.gz", tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_packed_in_parts_is_read_whole(tmp_path, rows):
    text = as_csv(rows).encode()
    parts = [text[:5000], text[5000:9000], b"", text[9000:]]  # as bgzip and pigz write; cut within rows
    (tmp_path / "parts.csv.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    made = data.ingest(tmp_path / "parts.csv.gz", tmp_path / "events.parquet")
    assert made.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("\n", "\n\n"), ("\n", "\n" * 5000)])
@pytest.mark.parametrize("block", [2048, 4 << 20])
def test_line_ends_do_not_matter(tmp_path, rows, monkeypatch, change, block):
    monkeypatch.setattr(parquet.ingestion, "CSV_BLOCK", block)
    (tmp_path / "events.csv").write_bytes(as_csv(rows).replace(*change).rstrip("\r\n").encode())
    made = data.ingest(tmp_path / "events.csv", tmp_path / "events.parquet")
    assert made.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()


def test_an_endless_line_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet.ingestion, "CSV_BLOCK", 2048)
    (tmp_path / "line.csv").write_bytes(b"1," * 200_000)
    with pytest.raises(DataError, match="row 1: 200001 columns"):
        data.ingest(tmp_path / "line.csv", tmp_path / "events.parquet")


def test_an_interrupt_leaves_neither_file_nor_thread(tmp_path, rows, monkeypatch):
    def interrupted(self, values):
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet.ingestion, "CSV_BLOCK", 2048)
    monkeypatch.setattr(parquet._EventWriter, "write", interrupted)
    (tmp_path / "events.csv").write_text(as_csv(rows))
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        data.ingest(tmp_path / "events.csv", tmp_path / "out" / "events.parquet")
    assert threading.active_count() == before
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    here = platform.node()
    gone, alive = (tmp_path / f".partial-{here}-{pid}-events.parquet" for pid in (killed.pid, os.getppid()))
    other = tmp_path / f".partial-{here}-{killed.pid}-other.parquet"
    for path in (gone, alive, other):
        path.touch()
    with files.write_atomically(tmp_path / "events.parquet") as path:
        path.touch()
    assert sorted(tmp_path.iterdir()) == sorted([alive, other, tmp_path / "events.parquet"])


def test_empty_and_missing_files_are_refused(tmp_path):
    for name, content in (("empty.csv", b""), ("empty.csv.gz", gzip.compress(b"")), ("blank.csv", b"\n\n\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"empty|no rows"):
            data.ingest(tmp_path / name, tmp_path / "events.parquet")
    with pytest.raises(DataError, match="no such file"):
        data.ingest(tmp_path / "missing.csv", tmp_path / "events.parquet")
    with pytest.raises(DataError, match="no such file"):
        data.origin(tmp_path / "events.parquet")


@pytest.mark.parametrize("name", ["HIGGS.csv", "HIGGS.csv.gz"])
def test_ucis_own_file_is_known_by_its_sha256(tmp_path, rows, monkeypatch, name):
    text = as_csv(rows).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    sha256 = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    monkeypatch.setattr(parquet.download, "SHA256", sha256)
    made = data.ingest(tmp_path / name, tmp_path / "events.parquet")
    assert made.event_type == "uci"
    assert "UCI HIGGS (doi:10.24432/C5V312)" in made.description


def test_an_old_file_stays_when_a_new_one_fails(tmp_path, rows):
    (tmp_path / "good.csv").write_text(as_csv(rows))
    (tmp_path / "bad.csv").write_text(spoilt(rows, row=9))
    made = data.ingest(tmp_path / "good.csv", tmp_path / "events.parquet")
    with pytest.raises(DataError):
        data.ingest(tmp_path / "bad.csv", tmp_path / "events.parquet")
    assert data.origin(tmp_path / "events.parquet") == made


def test_simulated_files_do_not_depend_on_the_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 8192)
    one, two = (simulation.simulate(tmp_path / f"{n}.parquet", 20_000, seed=3, workers=n) for n in (1, 2))
    assert one == two
    assert one.n_events == 20_000
    assert "not UCI's and not an experiment's" in one.description


def test_other_physics_is_another_file_and_says_so(tmp_path):
    path = tmp_path / "events.parquet"
    usual = study.prepare(path, n_events=200, seed=1)
    assert usual.physics == SimulationParameters()
    heavier = study.prepare(path, n_events=200, seed=1, physics={"m_heavy_higgs": 600.0})
    assert heavier.sha256 != usual.sha256
    assert heavier.physics.m_heavy_higgs == 600
    assert "(seed 1, m_heavy_higgs 600), not UCI's" in heavier.description
    for physics, message in (({"m_heavy": 1.0}, "unknown m_heavy; known are"), ({"m_w": -1.0}, "m_w must be")):
        with pytest.raises(DataError, match=message):
            study.prepare(path, physics=physics)
    assert data.origin(path) == heavier


def test_prepare_makes_events_only_when_they_would_differ(tmp_path, rows):
    path = tmp_path / "data" / "events.parquet"
    made = study.prepare(path, n_events=1000, seed=1)
    first = path.stat().st_ino
    assert study.prepare(path, n_events=1000, seed=1) == made
    assert path.stat().st_ino == first
    assert study.prepare(path, n_events=1000, seed=2) != made
    (tmp_path / "mine.csv").write_text(as_csv(rows))
    assert study.prepare(path, source=str(tmp_path / "mine.csv")).n_events == 500
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        study.prepare(path, source=str(tmp_path / "gone.csv"))

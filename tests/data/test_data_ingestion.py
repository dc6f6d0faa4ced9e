import bz2
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import threading
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from higgs_lib import data
from higgs_lib.data import COLUMNS, DataError, datasets, parquet


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
    monkeypatch.setattr(data.text, "BLOCK", 4096)
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
        ({"row": 44, "column": 1, "value": "2.0"}, r"row 44, column 1 \(label\): '2.0' is not a label of 0 or 1"),
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
    monkeypatch.setattr(data.text, "BLOCK", block)
    (tmp_path / "events.csv").write_bytes(as_csv(rows).replace(*change).rstrip("\r\n").encode())
    origin = data.ingest(tmp_path / "events.csv", tmp_path / "events.parquet")
    assert origin.sha256 == hashlib.sha256(rows.tobytes()).hexdigest()


def test_an_endless_line_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(data.text, "BLOCK", 2048)
    (tmp_path / "line.csv").write_bytes(b"1," * 200_000)
    with pytest.raises(DataError, match="row 1: more than 4,096 bytes in a line, where 29 columns are expected"):
        data.ingest(tmp_path / "line.csv", tmp_path / "events.parquet")


def test_an_interrupted_ingestion_leaves_neither_file_nor_thread(tmp_path, rows, monkeypatch):
    def interrupt(self, values):
        raise KeyboardInterrupt

    monkeypatch.setattr(data.text, "BLOCK", 2048)
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
    monkeypatch.setattr(datasets, "UCI", datasets.UCI._replace(sha256=sha256))
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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"1_000.5", r"'1_000\.5' is not a finite number"),  # a number in Python alone
        (b"0x1p3", r"'0x1p3' is not a finite number"),
        ("１".encode(), "'１' is not a finite number"),  # a digit in Python alone
        (b"1.5\0", r"'1\.5\\x00' is not a finite number"),
        (b"\xff", r"'\\\\xff' is not a finite number"),
        (b"-1e39", "'-1e39' does not fit into float32"),
        (b"1e400", "'1e400' does not fit into float32"),
        (b"-Infinity", "'-Infinity' is not a finite number"),
        (b"9" * 100, f"'{'9' * 40}...' does not fit into float32"),
    ],
)
@pytest.mark.parametrize("n_blocks", [1, 40])
def test_an_invalid_value_is_named_as_it_stands_in_the_file(tmp_path, rows, monkeypatch, text, problem, n_blocks):
    lines = as_csv(rows).encode().splitlines()
    monkeypatch.setattr(data.text, "BLOCK", sum(map(len, lines)) // n_blocks)
    for bad, column in ((321, 4), (400, 1)):  # the first is named
        fields = lines[bad - 1].split(b",")
        fields[column - 1] = text
        lines[bad - 1] = b",".join(fields)
    lines[100] += b"\n\r\n"  # empty lines are no rows
    (tmp_path / "bad.csv").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    with pytest.raises(DataError, match=rf"bad\.csv, row 321, column 4 \(lepton_phi\): {problem}$"):
        data.ingest(tmp_path / "bad.csv", tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("begin", "end"), [(b"\xef\xbb\xbf", b"\n"), (b"\n\r\n", b"\r\n"), (b"", b"\r"), (b" ", b" \n")]
)
def test_marks_and_line_ends_of_other_systems_do_not_matter(tmp_path, rows, monkeypatch, begin, end):
    monkeypatch.setattr(data.text, "BLOCK", 3000)
    (tmp_path / "events.csv").write_bytes(begin + as_csv(rows).encode().replace(b"\n", end))
    assert np.array_equal(ingested(tmp_path / "events.csv"), rows)


def ingested(source) -> np.ndarray:
    destination = source.with_name("ingested.parquet")
    data.ingest(source, destination)
    return table(destination)


def test_a_byte_order_mark_within_the_file_is_no_number(tmp_path, rows, monkeypatch):
    """Two files, each with its mark, one behind the other."""
    lines = as_csv(rows).encode().splitlines(keepends=True)
    monkeypatch.setattr(data.text, "BLOCK", len(b"".join(lines[:250])))
    (tmp_path / "two.csv").write_bytes(b"".join([*lines[:250], b"\xef\xbb\xbf", *lines[250:]]))
    with pytest.raises(DataError, match=r"row 251, column 1 \(label\): '\\ufeff[01].*' is not a label of 0 or 1"):
        data.ingest(tmp_path / "two.csv", tmp_path / "events.parquet")


@pytest.mark.parametrize("name", ["events.CSV.GZ", "packed.csv", "packed", "plain.csv.gz"])
def test_what_is_compressed_is_judged_by_content(tmp_path, rows, name):
    text = as_csv(rows).encode()
    (tmp_path / name).write_bytes(text if name.startswith("plain") else gzip.compress(text))
    assert np.array_equal(ingested(tmp_path / name), rows)


def zipped(*members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for n, member in enumerate(members):
            archive.writestr(f"HIGGS{n}.csv", member)
    return file.getvalue()


def tarred(text: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("HIGGS.csv"), io.BytesIO(text))
    return file.getvalue()


def saved(save, values) -> bytes:
    file = io.BytesIO()
    save(file, values)
    return file.getvalue()


OTHERS = {
    "two.zip": (lambda text: zipped(text, text), "the zip archive holds 2 files (HIGGS0.csv, HIGGS1.csv), .*(unzip)"),
    "empty.zip": (lambda text: zipped(), "the zip archive holds no file"),
    "zip.csv.gz": (lambda text: gzip.compress(zipped(text)), "a zip archive within another file, .*(unzip)"),
    "parquet.gz": (lambda text: gzip.compress(b"PAR1"), "a Parquet, NumPy or ROOT file that is compressed"),
    "HIGGS.csv.zst": (lambda text: pa.compress(text, "zstd", asbytes=True), "compressed by zstd, .*(unzstd)"),
    "HIGGS.tar": (tarred, "a tar archive, .*(tar -xf)"),
    "HIGGS.tar.gz": (lambda text: gzip.compress(tarred(text)), "a tar archive, .*(tar -xf)"),
    "thrice.csv.gz": (lambda text: gzip.compress(bz2.compress(lzma.compress(text))), "compressed three times"),
    "arrays.npz": (lambda text: saved(np.savez, np.ones((3, 29))), "NumPy arrays (.npz); save each array as .npy"),
    "HIGGS.h5": (lambda text: b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
    "HIGGS.root": (
        lambda text: b"root\0\0\xf3\x5c" + bytes(100),
        "one tree is expected in a ROOT file, and this has none",
    ),
    "notepad.csv": (lambda text: text.decode().encode("utf-16"), "text in UTF-16 .*; save it as UTF-8 (iconv"),
    "big_endian.csv": (lambda text: text.decode().encode("utf-16-be"), "text in UTF-16"),
    "error.csv": (lambda text: b"\n<!DOCTYPE html>\n<html>404</html>", "a page of the web, .*; download the file"),
    "HIGGS.csv.gz": (lambda text: b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS, .*`git lfs pull`"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_named_with_what_to_do(tmp_path, rows, name):
    convert, message = OTHERS[name]
    (tmp_path / name).write_bytes(convert(as_csv(rows).encode()))
    message = message.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(DataError, match=f"{re.escape(name)}: .*{message}"):
        data.ingest(tmp_path / name, tmp_path / "out" / "events.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_rows_before_the_damage_are_checked_first(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(data.text, "BLOCK", 3000)
    text = with_bad_row(rows, row=2, column=3, value="abc").encode()
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text)[:-30])
    with pytest.raises(DataError, match="row 2, column 3"):
        data.ingest(tmp_path / "cut.csv.gz", tmp_path / "events.parquet")


@pytest.mark.parametrize("link", ["the same", "symbolic", "hard", "other path"])
def test_the_source_is_never_replaced(tmp_path, rows, link):
    source = destination = tmp_path / "x.csv"
    source.write_text(as_csv(rows))
    if link == "symbolic":
        destination = tmp_path / "events.parquet"
        destination.symlink_to(source)
    elif link == "hard":
        destination = tmp_path / "events.parquet"
        destination.hardlink_to(source)
    elif link == "other path":
        destination = tmp_path / "folder" / ".." / "x.csv"
        (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="is the source itself, which would be lost"):
        data.ingest(source, destination)
    assert source.read_text() == as_csv(rows)


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_events_that_are_sorted_by_class_are_noticed(tmp_path, rows, caplog, order):
    in_order = rows[np.argsort(rows[:, 0] if order == "ascending" else -rows[:, 0], kind="stable")]
    (tmp_path / "sorted.csv").write_text(as_csv(in_order))
    assert np.array_equal(ingested(tmp_path / "sorted.csv"), in_order)  # which can be scored
    assert re.search(r"warning: .*events \(rows .*\) are (signal|background), .*shuf sorted.csv", caplog.text)


def test_a_folder_is_no_source(tmp_path):
    with pytest.raises(DataError, match="is a folder; give the file of events in it"):
        data.ingest(tmp_path, tmp_path / "events.parquet")

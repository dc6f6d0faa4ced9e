import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_server import serving

from higgs_lib import data, simulation, study
from higgs_lib.data import DataError, Sizes, datasets, named_splits
from higgs_lib.simulation import SimulationParameters


def test_prepare_makes_events_only_when_they_would_differ(tmp_path, rows):
    path = tmp_path / "data" / "events.parquet"
    origin = study.prepare(path, n_events=1000, seed=1)
    first = path.stat().st_ino
    assert study.prepare(path, n_events=1000, seed=1) == origin
    assert path.stat().st_ino == first
    assert study.prepare(path, n_events=1000, seed=2) != origin
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",")
    assert study.prepare(path, source=str(tmp_path / "mine.csv")).n_events == 500
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        study.prepare(path, source=str(tmp_path / "gone.csv"))


def test_events_of_any_form_are_read_once(tmp_path, rows):
    path, source = tmp_path / "run" / "events.parquet", tmp_path / "mine.parquet"
    pq.write_table(pa.table(list(rows.T), list(data.COLUMNS)), source)
    origin = study.prepare(path, source=str(source))
    assert origin.recipe["found"] == {"form": "Parquet"}
    first = path.stat().st_ino
    assert study.prepare(path, source=str(source)) == origin
    assert path.stat().st_ino == first
    pq.write_table(pa.table(list(rows[:400].T), list(data.COLUMNS)), source)
    assert study.prepare(path, source=str(source)).n_events == 400


def test_a_file_of_built_in_events_keeps_its_run(tmp_path):
    path = tmp_path / "run" / "events.parquet"
    origins = [simulation.simulate(tmp_path / f"{seed}.parquet", 300, seed=seed, workers=1) for seed in (1, 2)]
    for _ in range(2):
        assert study.prepare(path, source=f"{tmp_path}/1.parquet") == origins[0]
    with pytest.raises(DataError, match=r"and not those of .*/2\.parquet; use another folder"):
        study.prepare(path, source=f"{tmp_path}/2.parquet")


def test_files_of_one_name_never_share_a_run_but_a_moved_file_keeps_it(tmp_path, rows):
    path = tmp_path / "events.parquet"
    for folder, numbers in (("a", rows), ("b", rows[:300])):
        (tmp_path / folder).mkdir()
        np.savetxt(tmp_path / folder / "mine.csv", numbers, delimiter=",")
    first = study.prepare(path, source=f"{tmp_path}/a/mine.csv")
    with pytest.raises(
        DataError, match=r"holds the events of .*/a/mine\.csv, and not those of .*/b/mine\.csv; use ano"
    ):
        study.prepare(path, source=f"{tmp_path}/b/mine.csv")
    assert data.origin(path) == first
    assert not [file for file in tmp_path.iterdir() if file.name not in ("a", "b", "events.parquet")]
    (tmp_path / "a" / "mine.csv").rename(tmp_path / "moved.csv")
    moved = study.prepare(path, source=f"{tmp_path}/moved.csv")
    assert (moved.sha256, moved.recipe["source"]) == (first.sha256, f"{tmp_path}/moved.csv")
    inode = path.stat().st_ino
    assert study.prepare(path, source=f"{tmp_path}/moved.csv") == moved
    assert path.stat().st_ino == inode
    np.savetxt(tmp_path / "moved.csv", rows[:100], delimiter=",")  # the same file, with other events
    assert study.prepare(path, source=f"{tmp_path}/moved.csv").n_events == 100


def test_other_physics_makes_another_file_that_says_so(tmp_path):
    path = tmp_path / "events.parquet"
    default = study.prepare(path, n_events=200, seed=1)
    assert simulation.parameters_of(default) == SimulationParameters()
    heavier = study.prepare(path, n_events=200, seed=1, physics={"m_heavy_higgs": 600.0})
    assert heavier.sha256 != default.sha256
    assert simulation.parameters_of(heavier).m_heavy_higgs == 600
    assert "(seed 1, m_heavy_higgs 600), not UCI's" in heavier.description
    for physics, message in (({"m_heavy": 1.0}, "unknown m_heavy; known are"), ({"m_w": -1.0}, "m_w must be")):
        with pytest.raises(DataError, match=message):
            study.prepare(path, physics=physics)
    assert data.origin(path) == heavier


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_in_the_middle(content: bytes) -> bytes:
    return content[:30_000] + bytes([content[30_000] ^ 1]) + content[30_001:]


def flip_in_the_footer(content: bytes) -> bytes:
    return content[:-2000] + bytes(255 - byte for byte in content[-2000:-1900]) + content[-1900:]


def empty(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [truncate, flip_in_the_middle, flip_in_the_footer, empty])
def test_damaged_events_are_made_again_with_a_word(tmp_path, caplog, damage):
    path = tmp_path / "events.parquet"
    origin = study.prepare(path, n_events=1000, seed=1)
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert study.prepare(path, n_events=1000, seed=1) == origin
    assert path.read_bytes() == content
    assert "events.parquet: damaged" in caplog.text
    assert "the events are made again" in caplog.text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"mine,own,text\n", None])
def test_a_file_of_someone_else_is_not_replaced(tmp_path, content):
    path = tmp_path / "events.parquet"
    if content:
        path.write_bytes(content)
    else:
        pq.write_table(pa.table({"x": [1.0]}), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"not a Parquet file|not a file of events made by higgs_lib"):
        study.prepare(path, n_events=1000, seed=1)
    assert path.read_bytes() == before


def test_events_that_are_sorted_by_class_are_refused_at_once(tmp_path, rows):
    np.savetxt(tmp_path / "sorted.csv", rows[np.argsort(rows[:, 0])], delimiter=",")
    for _ in range(2):  # also where they are there already
        with pytest.raises(DataError, match=r"all 50 validation events .* are signal, .* `shuf sorted.csv"):
            study.prepare(tmp_path / "events.parquet", source=str(tmp_path / "sorted.csv"))


def test_two_processes_may_prepare_the_same_events_at_once(tmp_path):
    code = f"from higgs_lib import study; study.prepare({str(tmp_path / 'events.parquet')!r}, n_events=3000, seed=1)"
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert list(tmp_path.iterdir()) == [tmp_path / "events.parquet"]
    made = (tmp_path / "events.parquet").stat().st_ino
    assert study.prepare(tmp_path / "events.parquet", n_events=3000, seed=1).n_events == 3000
    assert (tmp_path / "events.parquet").stat().st_ino == made


OPENML_NAMES = (
    *("lepton_pT", "lepton_eta", "lepton_phi", "missing_energy_magnitude", "missing_energy_phi"),
    *(f"jet{jet}{quantity}" for jet in (1, 2, 3, 4) for quantity in ("pt", "eta", "phi", "b-tag")),
    *data.HIGH,
)


def arff(rows: np.ndarray) -> bytes:
    """Returns events as OpenML has them: the names of its columns, and a last row that ends in nine missing values."""
    head = "".join(f"@ATTRIBUTE {name} NUMERIC\n" for name in OPENML_NAMES)
    lines = [f"{int(row[0])}," + ",".join(f"{value:.9g}" for value in row[1:]) for row in rows]
    last = ",".join(lines[0].split(",")[:20] + ["?"] * 9)
    return (
        f"% stand-in\n@RELATION higgs\n@ATTRIBUTE class {{0,1}}\n{head}@DATA\n".encode()
        + "\n".join([*lines, last, ""]).encode()
    )


@pytest.fixture
def openml(monkeypatch, tmp_path, rows):
    """A server of 500 built-in events that stand for OpenML's, and what answers."""
    with serving(arff(rows)) as (server, handler):
        small = datasets.OPENML._replace(
            url=server, path=tmp_path / "higgs.arff", n_rows=500, n_signal=int(rows[:, 0].sum())
        )
        split = named_splits.RTDL._replace(dataset=small, sizes=Sizes(100, 80, 320))
        monkeypatch.setitem(data.DATASETS, "openml", small)
        monkeypatch.setitem(data.NAMED_SPLITS, "rtdl", split)
        monkeypatch.setattr(named_splits, "RTDL", split)
        monkeypatch.setattr("higgs_lib.data.download.BLOCK", 10_000)
        monkeypatch.setattr("higgs_lib.data.contents.MEAN_OF_POSITIVE", (0.8, 1.2))
        monkeypatch.setattr("higgs_lib.data.contents.MEAN_OF_DIRECTIONS", (-0.2, 0.2))
        monkeypatch.setattr("higgs_lib.data.contents.SPREAD_OF_DIRECTIONS", (0.8, 1.2))
        yield server, handler


def test_openml_s_file_is_fetched_resumed_checked_and_put_in_order(tmp_path, openml, rows, caplog):
    path, handler = tmp_path / "run" / "events.parquet", openml[1]
    handler.cut = len(handler.content) // 2
    with pytest.raises(DataError, match="could not be fetched"):
        study.prepare(path, source="openml", split="rtdl")
    assert not path.exists()
    handler.cut = None
    origin = study.prepare(path, source="openml", split="rtdl")
    assert handler.requests[1] > 0
    assert "1 of 501 rows left out for missing values" in caplog.text
    assert (origin.event_type, origin.n_events) == ("openml", 500)
    order = data.row_order("rtdl", rows[:, 0])
    stored = data.load(path, data.COMPLETE, range(500))
    np.testing.assert_array_equal(stored.features, rows[order, 1:])
    np.testing.assert_array_equal(stored.labels, rows[order, 0])
    inode = path.stat().st_ino
    assert study.prepare(path, source="openml", split="rtdl") == origin
    assert path.stat().st_ino == inode
    assert len(handler.requests) == 2


def test_the_rows_of_a_split_may_be_given_and_a_file_that_is_there_is_used(tmp_path, openml, rows):
    path, mine = tmp_path / "events.parquet", tmp_path / "mine.arff"
    mine.write_bytes(openml[1].content)
    (tmp_path / "indices").mkdir()
    order = np.random.default_rng(2).permutation(500)
    for file, part in zip(named_splits.INDEX_FILES, np.split(order, [320, 400]), strict=True):
        np.save(tmp_path / "indices" / file, part)
    origin = study.prepare(path, source=str(mine), split="rtdl", split_indices=str(tmp_path / "indices"))
    assert np.array_equal(data.load(path, data.COMPLETE, range(500)).features, rows[order, 1:])
    assert study.prepare(path, source=str(mine), split="rtdl") != origin
    assert openml[1].requests == []
    sizes = {"n_test": 100, "n_validation": 80}
    assert data.named_split(data.origin(path), study.Study.open(str(tmp_path), str(path), **sizes).splits) == "rtdl"
    for open_study in (study.Study.open, study.Study.open_reduced):
        with pytest.raises(
            DataError, match="the sizes must be its own, n_test: 100 and n_validation: 80, not 90 and 80"
        ):
            open_study(str(tmp_path), str(path), n_test=90, n_validation=80)


def test_openml_s_file_without_a_split_keeps_its_order(tmp_path, openml, rows):
    origin = study.prepare(tmp_path / "events.parquet", source="openml", mirror=openml[0])
    assert origin.name == "UCI events (OpenML's excerpt)"
    stored = data.load(tmp_path / "events.parquet", data.COMPLETE, range(500))
    np.testing.assert_array_equal(stored.features, rows[:, 1:])


def test_another_file_at_the_mirror_is_refused(tmp_path, openml, rows):
    openml[1].content = arff(rows[:400])
    with pytest.raises(DataError, match=r"higgs\.arff: 400 events, but OpenML's .*; delete it and fetch it again"):
        study.prepare(tmp_path / "events.parquet", source="openml", split="rtdl")
    assert not (tmp_path / "events.parquet").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "rtdl"}, "built-in events have no split 'rtdl'"),
        ({"mirror": "http://127.0.0.1/x"}, "a mirror of 'built-in' cannot be used: only uci and openml are downloaded"),
        ({"source": "mine.csv", "split_indices": "rows"}, "rows: name the split whose rows these are"),
        ({"source": "mine.csv", "split": "rtd"}, "unknown split 'rtd'"),
    ],
)
def test_options_that_the_source_does_not_have_are_refused(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        study.prepare(tmp_path / "events.parquet", **options)

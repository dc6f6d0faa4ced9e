import numpy as np
import pytest

from higgs_lib import data, simulation, study
from higgs_lib.data import DataError
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

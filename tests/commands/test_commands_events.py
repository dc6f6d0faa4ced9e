"""The commands that make files of events."""

import shlex

import numpy as np
import pytest

from higgs_lib import data
from higgs_lib.__main__ import main
from higgs_lib.commands.parsing import SPLITS


@pytest.fixture
def mine(tmp_path, rows):
    """A file of the user's."""
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",")
    return tmp_path / "mine.csv"


def refused(capsys, command: str) -> str:
    """Returns the one line that a command ends with."""
    assert main(shlex.split(command)) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("command", ["ingest {mine} {mine}", "simulate {mine} --n-events 10 --seed 1"])
@pytest.mark.parametrize("force", ["", "--force"])
def test_a_file_that_is_no_parquet_is_never_replaced(capsys, mine, command, force):
    before = mine.read_bytes()
    assert "mine.csv: the name must end with .parquet" in refused(capsys, command.format(mine=mine) + f" {force}")
    assert mine.read_bytes() == before


@pytest.mark.parametrize("command", ["ingest {mine} {events}", "simulate {events} --n-events 10 --seed 1"])
def test_an_existing_file_is_replaced_only_by_force(capsys, tmp_path, mine, command):
    events = tmp_path / "events.parquet"
    events.write_text("something else")
    command = command.format(mine=mine, events=events)
    assert "events.parquet: exists already; --force replaces it" in refused(capsys, command)
    assert events.read_text() == "something else"
    assert main(shlex.split(f"{command} --force")) == 0
    assert data.origin(events).n_events in (10, 500)


def test_a_split_is_used_or_refused(capsys, tmp_path, mine):
    assert tuple(data.NAMED_SPLITS) == SPLITS
    line = f"ingest {mine} {tmp_path}/events.parquet"
    assert "mine.csv: 500 events, but OpenML's data set 23512" in refused(capsys, f"{line} --split rtdl")
    assert "--split-indices: name the split" in refused(capsys, f"{line} --split-indices {tmp_path}")
    assert f"{tmp_path}/idx_train.npy: no such file" in refused(
        capsys, f"{line} --split rtdl --split-indices {tmp_path}"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


def test_the_source_is_not_replaced_by_force(capsys, tmp_path, mine):
    (tmp_path / "link.parquet").symlink_to(mine)
    assert "is the source itself" in refused(capsys, f"ingest {mine} {tmp_path}/link.parquet --force")
    assert (tmp_path / "link.parquet").is_symlink()


def test_ingest_takes_a_mapping(capsys, tmp_path, rows):
    np.savetxt(tmp_path / "mine.csv", rows[:, ::-1], delimiter=",")
    command = f"ingest {tmp_path}/mine.csv {tmp_path}/events.parquet"
    assert "higgs-lib ingest --label last" in refused(capsys, command)
    assert "unknown: 'x'" in refused(capsys, f"{command} --label last --columns x")
    names = ", ".join(data.COMPLETE[::-1])
    assert main(shlex.split(f"{command} --label last --columns '{names}' --missing drop")) == 0
    table = data.load_table(tmp_path / "events.parquet", range(len(rows)))
    assert np.array_equal(np.stack([column.to_numpy() for column in table.columns], 1), rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--n-events 0 --seed 1", "cannot simulate 0 events"),
        ("--n-events 10 --seed -1", "cannot simulate with seed -1; give a seed of 0 or more"),
        ("--n-events 10 --seed 1 --physics m_heavy_higgs=nan", "m_heavy_higgs must be finite, not nan"),
        ("--n-events 10 --seed 1 --physics m_w=-5", "m_w must be at least 0"),
        ("--n-events 10 --seed 1 --physics m_heavy_higgs=400", "kinematically forbidden"),
        ("--n-events 10 --seed 1 --physics m_w=80 m_w=81", "--physics: m_w is given more than once"),
        ("--n-events 10 --seed 1 --physics lepton_pt_min=1e9", "passed the selection; loosen it"),
        ("--n-events 10 --seed 1 --force --master local[1]", "with --master give a new folder"),
    ],
)
def test_what_cannot_be_simulated_is_one_line(capsys, tmp_path, arguments, message):
    assert message in refused(capsys, f"simulate {tmp_path}/events.parquet {arguments}")
    assert list(tmp_path.iterdir()) == []

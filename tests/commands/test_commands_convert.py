"""The command that turns events into four-vectors, and back."""

import json
import shlex

import pytest

from higgs_lib import data
from higgs_lib.__main__ import main


def refused(capsys, command: str) -> str:
    """Returns the one line that a command ends with."""
    assert main(shlex.split(command)) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    return line


def test_there_and_back(capsys, tmp_path, events):
    assert main(shlex.split(f"convert {events} {tmp_path}/four_vectors.feather --to four-vectors")) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("20,000 events of the built-in simulation (seed 7), not UCI's")
    assert "described by four_vectors.feather.croissant.json" in shown
    assert "m_bb 100.0%" in shown
    assert (
        main(shlex.split(f"convert {tmp_path}/four_vectors.feather {tmp_path}/again.parquet --to events --json")) == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert result["origin"]["sha256"] == data.origin(events).sha256
    assert (tmp_path / "again.parquet").read_bytes() == events.read_bytes()


def test_the_result_as_json(capsys, tmp_path, events):
    assert main(shlex.split(f"convert {events} {tmp_path}/four_vectors.parquet --to four-vectors --json")) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["four_vectors"] == f"{tmp_path}/four_vectors.parquet"
    assert result["n_events"] == 20_000
    assert list(result["agreement"]) == list(data.HIGH)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "{events} {place}/new.csv --to four-vectors",
            "new.csv: the name must end with .parquet or .arrow or .feather",
        ),
        ("{events} {place}/new.feather --to events", "new.feather: the name must end with .parquet"),
        ("{events} {place}/old.parquet --to four-vectors", "old.parquet: exists already; --force replaces it"),
        (
            "{events} {place}/half.parquet --to four-vectors",
            "half.parquet.croissant.json: exists already; --force replaces it",
        ),
        ("{events} {events} --to four-vectors --force", "is part of the source itself"),
        ("{place}/none.parquet {place}/new.parquet --to four-vectors", "none.parquet: no such events"),
        ("{place}/none.parquet {place}/new.parquet --to events", "none.parquet: no such file"),
        ("{events} {place}/new.parquet --to events", "are missing, so these are no records of four-vectors"),
    ],
)
def test_what_cannot_be_converted_is_one_line(capsys, tmp_path, events, command, message):
    for name in ("old.parquet", "half.parquet.croissant.json"):
        (tmp_path / name).write_text("something else")
    before = events.read_bytes()
    assert message in refused(capsys, "convert " + command.format(events=events, place=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.parquet.croissant.json", "old.parquet"]
    assert events.read_bytes() == before


def test_an_unknown_target_is_wrong_usage(capsys, events):
    with pytest.raises(SystemExit, match="2"):
        main(shlex.split(f"convert {events} new.parquet --to gev"))
    assert "invalid choice: 'gev'" in capsys.readouterr().err

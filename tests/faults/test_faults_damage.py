"""Damaged files of a finished run: the next call makes them again, or names them in one sentence."""

import os
import shutil
import warnings
from pathlib import Path

import pytest
import tiny

from higgs_lib.__main__ import main
from higgs_lib.report import pages

FILES = [
    *("data/events.parquet", "metrics/step-seed3.json", "scores/ours.parquet"),
    *("notebooks/01_steps.ipynb", "notebooks/01_steps.json", "notebooks/02_sum.ipynb"),
    *("report.json", "report/index.html", "summary.json"),
]

DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "flipped": lambda content: _flipped(content, len(content) // 2),
    "flipped end": lambda content: _flipped(content, len(content) - 40),
}

WHOLE = bool(os.environ.get("HIGGS_FAULTS"))  # all of them, in `make test-faults`; otherwise one damage of each file


def _flipped(content: bytes, start: int) -> bytes:
    return content[:start] + bytes(byte ^ 0xFF for byte in content[start : start + 32]) + content[start + 32 :]


def _cases():
    for file in FILES:
        for damage in DAMAGES if WHOLE else ("cut",):
            yield pytest.param(file, damage, id=f"{file}, {damage}")


def _call(capfd) -> tuple[int, list[str]]:
    capfd.readouterr()
    # Sphinx and its theme use what later versions of each other deprecate.
    with warnings.catch_warnings(action="ignore"):
        status = main(["reproduce", "--profile", "tiny.yaml", "--run", "run"])
    return status, capfd.readouterr().err.splitlines()


@pytest.mark.parametrize(("file", "damage"), list(_cases()))
def test_a_damaged_file_is_made_again_or_named(file, damage, finished, tmp_path, monkeypatch, capfd):
    folder = shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(folder)
    if not file.startswith("report"):
        monkeypatch.setattr(pages, "build", lambda *_: None)
    path = folder / "run" / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    status, lines = _call(capfd)
    if status:
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == 1, lines
        assert path.name in errors[0]
        assert not any("Traceback" in line for line in lines)
        path.unlink()  # as the sentence says, or as one would try
        status, _ = _call(capfd)
    assert status == 0
    assert tiny.is_complete(folder)
    events = Path("run", "data", "events.parquet")
    assert (folder / events).read_bytes() == (finished / events).read_bytes()


def test_times_of_files_in_the_future_play_no_part(finished, tmp_path, monkeypatch, capfd):
    folder = shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(folder)
    for path in folder.rglob("*"):
        os.utime(path, (4e9, 4e9))
    main(["reproduce", "--profile", "tiny.yaml", "--run", "run"])
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["events", "total", "Report:"]

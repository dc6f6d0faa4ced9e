"""A full disk and a read-only one: one line that names the file, and the next call finishes the run."""

import contextlib
import os
import subprocess

import pytest
import tiny
from reproduction import python

from higgs_lib.report import pages

ROOM = 20 << 20  # bytes, enough for a whole run


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, with the tiny profile."""
    folder = tmp_path / "disk"
    folder.mkdir()
    answer = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder], capture_output=True, check=False
    )
    if answer.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield tiny.write(folder, tiny.STEPS.replace(str(tiny.SECONDS), "0.01"))
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def call(folder):
    """Runs the tiny profile; returns its status and what it writes to standard error."""
    command = python("reproduce", "--profile", "tiny.yaml", "--run", "run")
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return answer.returncode, answer.stderr.splitlines()


@contextlib.contextmanager
def room(folder, n_bytes):
    """Leaves only so much room on a disk."""
    state = os.statvfs(folder)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(state.f_bavail * state.f_bsize - n_bytes))
    try:
        yield
    finally:
        ballast.unlink()


def test_a_full_disk_stops_a_run_with_one_line_and_the_next_call_finishes_it(disk):
    stopped_at = []
    kibs = (0, 12, 44, 2000) if os.environ.get("HIGGS_FAULTS") else (0, 12, 44)
    for kib in kibs:
        with room(disk, kib << 10):
            status, lines = call(disk)
        errors = [line for line in lines if line.startswith("error: ")]
        assert (status, len(errors)) == (1, 1), lines
        assert "No space left on device" in errors[0]
        assert {line.partition(":")[0] for line in lines} <= {"error", "The notebook so far", "The log"}, lines
        stopped_at.append(errors[0].split()[1])
    places = ("run/.lock:", "run/data/events.parquet:", "running-01_steps.ipynb:", "run/.report-partial/")
    assert all(place in name for place, name in zip(places, stopped_at, strict=False)), stopped_at
    assert not list((disk / "run").glob(".report-*"))
    tiny.finish(disk)
    assert tiny.is_complete(disk)


def test_a_read_only_disk_is_named_and_a_writable_one_resumes(disk):
    with_log = disk / "run"
    with_log.mkdir()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    status, lines = call(disk)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert status == 1
    assert lines == ["error: run/.lock: Read-only file system"]


def test_pages_are_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    html, report = tmp_path / "html", tmp_path / "report"
    for folder, text in ((html, "new"), (report, "old")):
        folder.mkdir()
        (folder / "index.html").write_text(text)
    monkeypatch.setattr(pages.shutil, "copytree", _full)
    with pytest.raises(OSError, match=r"report-partial/index.html: \[Errno 28\]"):
        pages._replace(report, html)
    assert (report / "index.html").read_text() == "old"
    monkeypatch.undo()
    pages._replace(report, html)
    assert (report / "index.html").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["html", "report"]


def _full(source, destination):
    destination.mkdir()
    names = [str(folder / "index.html") for folder in (source, destination)]
    raise pages.shutil.Error([(*names, "[Errno 28] No space left on device")])

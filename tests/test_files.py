import errno
import fcntl
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from higgs_lib import files
from higgs_lib.files import LockedError, locked


def _write_half(path):
    with files.write_atomically(path) as temporary:
        temporary.write_text("half of the sec")
        raise KeyboardInterrupt


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "result.txt"
    with files.write_atomically(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt):
        _write_half(path)
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
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


def test_a_locked_folder_says_who_works_there_until_the_process_ends(tmp_path):
    code = "import sys, time\nfrom pathlib import Path\nfrom higgs_lib.files import locked\n"
    code += "with locked(Path(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path / "run"], stdout=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(LockedError, match=rf"run: another process works there, PID {holder.pid} on .* since \d\d:\d\d"):
        locked(tmp_path / "run").__enter__()
    holder.kill()
    holder.communicate()
    with locked(tmp_path / "run"), pytest.raises(LockedError, match=f"PID {os.getpid()}"), locked(tmp_path / "run"):
        pass
    with locked(tmp_path / "run"):
        pass


def test_a_folder_without_locks_is_used_with_a_word(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    caplog.set_level("INFO")
    with locked(tmp_path):
        assert "cannot be locked (No locks available)" in caplog.text


def test_a_failed_write_names_the_file(tmp_path):
    def fill():
        with files.write_atomically(tmp_path / "name.json"), Path("/dev/full").open("w") as file:
            print("text", file=file, flush=True)

    with pytest.raises(OSError, match=r"No space left on device: '.*/name\.json'"):
        fill()
    assert not list(tmp_path.iterdir())

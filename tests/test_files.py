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


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (b"", "empty"),
        (b" ", "damaged"),
        (b"{", "damaged"),
        (b"\xff", "damaged"),
        (b"[1]", "damaged"),
        (b"[" * 99_999, "damaged"),
    ],
)
def test_json_that_cannot_be_read_is_named(tmp_path, content, state):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(files.StoredFileError, match=rf"/a\.json: the file is {state}; call someone$"):
        files.read_json(tmp_path / "a.json", "call someone")
    (tmp_path / "a.json").write_text('{"a": NaN}')
    assert files.read_json(tmp_path / "a.json").keys() == {"a"}
    with pytest.raises(FileNotFoundError, match=r"b\.json"):
        files.read_json(tmp_path / "b.json")


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


FULL = """
import resource, sys
from higgs_lib import files, simulation
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    simulation.simulate(sys.argv[1], 2000, seed=1, workers=1)
except OSError as error:
    print(error.filename, error.strerror)
"""


def test_a_file_without_space_is_named_and_nothing_is_left(tmp_path):
    """The limit of a file's size stands for a full disk."""
    path = tmp_path / "events.parquet"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment["TQDM_DISABLE"] = "1"
    answer = subprocess.run(
        [sys.executable, "-c", FULL, path], env=environment, capture_output=True, text=True, check=True
    )
    assert (answer.stdout, answer.stderr) == (f"{path} File too large\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(IsADirectoryError) as error, files.write_atomically(tmp_path):
        raise AssertionError("the work was done")
    assert error.value.filename == str(tmp_path)


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

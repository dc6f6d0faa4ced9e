"""Processes that the library starts from a user's script."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from higgs_lib import processes


def test_a_script_without_a_guard_simulates_in_two_processes(tmp_path):
    """Its own code runs once, and nothing but it prints; the progress bar is switched off."""
    (tmp_path / "script.py").write_text(
        "print('once')\n"
        "from higgs_lib import simulation\n"
        "from higgs_lib.simulation import event_files\n"
        "event_files.ROW_GROUP = 4096\n"
        "print(simulation.simulate('events.parquet', 4097, seed=1, workers=2).n_events)\n"
    )
    answer = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (answer.stdout, answer.stderr) == ("once\n4097\n", "")


def end_abruptly(number):
    os.kill(os.getpid(), signal.SIGKILL)


def start_another(number):
    with processes.pool(1) as pool:
        return list(pool.map(abs, [number]))


def test_a_process_that_is_killed_is_an_error_with_a_reason():
    with pytest.raises(processes.ProcessError, match="ended abruptly, as happens when memory is short; give fewer"):  # noqa: SIM117
        with processes.pool(1) as pool:
            list(pool.map(end_abruptly, [1]))


def test_a_process_of_a_pool_of_multiprocessing_cannot_start_others():
    with (
        processes.CONTEXT.Pool(1) as pool,
        pytest.raises(processes.ProcessError, match="call this outside of it, or with workers=1"),
    ):
        pool.map(start_another, [1])


def test_the_number_of_processes_is_used_or_refused(monkeypatch):
    monkeypatch.setattr(processes, "cores", lambda: 6)
    assert [processes.count(workers, 4) for workers in (None, 1, 3, 9)] == [4, 1, 3, 4]
    for workers in (0, -1):
        with pytest.raises(ValueError, match=f"cannot work with {workers} processes; give workers a positive number"):
            processes.count(workers, 4)


def test_a_full_shared_memory_is_not_called_a_full_disk(monkeypatch):
    """As with `mount -t tmpfs -o size=4k tmpfs /dev/shm`, filled up: the locks of a pool are files there."""

    def no_lock(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", no_lock)
    message = r"2 processes cannot share locks in /dev/shm, .*\(No space left on device\): make room there"
    with pytest.raises(processes.ProcessError, match=message), processes.pool(2):
        pass


def test_keras_alone_leaves_other_libraries_to_be_imported_later():
    """Keras works as ever, and what it was imported without is found by the next import."""
    code = (
        "import sys\n"
        "from higgs_lib import processes\n"
        "processes.import_keras()\n"
        "others = ['jax', 'matplotlib', 'pandas', 'sklearn']\n"
        "print([name for name in others if name in sys.modules])\n"
        "import jax, matplotlib.pyplot, pandas, sklearn.base, keras, numpy\n"
        "processes.import_keras()\n"
        "model = keras.Sequential([keras.layers.Dense(1, kernel_initializer='ones')])\n"
        "print(float(keras.ops.sum(model(numpy.ones((3, 2))))))\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n6.0\n"

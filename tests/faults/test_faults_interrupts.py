"""Runs that are killed at random moments: they end in order, nothing outlives them, and the next call finishes them."""

import os
import random
import signal
import subprocess
import time

import pytest
import tiny
from reproduction import END_LIMIT, describe, interrupted, python

from higgs_lib.__main__ import main
from higgs_lib.files import locked

SEED = 3

WAYS = {
    "Ctrl-C": (lambda call: call.press("c"), 130),
    "SIGINT to the main process": (lambda call: call.main().send_signal(signal.SIGINT), 130),
    "SIGTERM": (lambda call: call.main().terminate(), 143),
    "SIGKILL": (lambda call: call.main().kill(), -9),
    "a closed terminal": (lambda call: call.close_terminal(), 129),
    "SIGKILL to the kernel": (lambda call: kernel(call).kill(), 1),
}


def kernel(call):
    return next(process for process in call.others() if describe(process) == "kernel")


def wait_until(what, limit=60):
    until = time.monotonic() + limit
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_run_that_is_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path):
    folder, drawn = tiny.write(tmp_path), random.Random(SEED)
    ways = list(WAYS) if os.environ.get("HIGGS_FAULTS") else ["SIGTERM", "SIGKILL", "SIGKILL to the kernel"]
    steps, kept = folder / "run" / "metrics", {}
    for way in drawn.sample(ways, len(ways)):
        call = tiny.start(folder)
        wait_until(lambda call=call: "01_steps" in call.text and any(describe(p) == "kernel" for p in call.others()))
        moment = drawn.uniform(0, 2.5)
        time.sleep(moment)
        print(f"{way} after {moment:.2f} s: {call.step}")
        end, expected = WAYS[way]
        end(call)
        status = call.wait(END_LIMIT)
        assert status == expected, call.lines
        if status > 1 and way != "a closed terminal":
            assert interrupted(status, call.lines), call.lines
        if status == 1:
            assert sum(line.startswith("error: 01_steps.ipynb: Kernel died") for line in call.lines) == 1, call.lines
        assert call.survivors(10) == []
        assert not (folder / "run" / "notebooks" / "01_steps.ipynb").exists()
        now = {path.name: path.stat().st_mtime_ns for path in steps.glob("step*.json")}
        assert kept.items() <= now.items()
        kept = now
    call = tiny.start(folder)
    wait_until(lambda: "01_steps" in call.text)
    call.main().suspend()  # as Ctrl-Z does, and fg
    time.sleep(2)
    call.main().resume()
    assert call.wait(tiny.RUN_LIMIT) == 0, call.lines
    assert call.survivors(10) == []
    assert tiny.is_complete(folder)
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in steps.glob("step*.json")}.items()


def test_a_reader_that_goes_away_ends_a_run_quietly(finished):
    command = " ".join(map(str, python("reproduce", "--profile", "tiny.yaml", "--run", "run")))
    words = ["bash", "-o", "pipefail", "-c", f"{command} | head -1"]
    answer = subprocess.run(words, cwd=finished, capture_output=True, text=True, check=False)
    assert answer.stdout.count("\n") == 1
    assert (answer.returncode, answer.stderr) in [(0, ""), (141, "interrupted: the same call resumes here\n")]


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_request_that_the_caller_ignores_stays_ignored(name, tmp_path):
    code = "import os, signal; from higgs_lib.commands import interrupts\nwith interrupts.ends_in_order():\n"
    code += f"    os.kill(os.getpid(), signal.{name}); print('on')"
    command = f"trap '' {name[3:]}; exec {python()[0]} -c \"$CODE\""
    answer = subprocess.run(["bash", "-c", command], env=os.environ | {"CODE": code}, capture_output=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, b"on\n")


def test_a_second_call_in_the_same_folder_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tiny.write(tmp_path))
    options = ["--profile", "tiny.yaml", "--run", "run"]
    with locked(tmp_path / "run"):
        for words in (["reproduce"], ["events"], ["report"], ["notebook", "notebooks/01_steps.ipynb"]):
            assert main([*words, *options]) == 1
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith(f"error: run: another process works there, PID {os.getpid()} on ")
    assert not (tmp_path / "run" / "notebooks").exists()


def test_memory_that_runs_out_is_one_sentence_and_the_next_call_resumes(tmp_path, monkeypatch, capfd):
    limit = "import resource\nlimit = resource.getrlimit(resource.RLIMIT_AS)\n"
    limit += "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, limit[1]))\nhalf = bytearray(8 << 30)"
    monkeypatch.chdir(tiny.write(tmp_path, tiny.STEPS.replace(str(tiny.SECONDS), "0.01") + limit))
    assert main(["reproduce", "--profile", "tiny.yaml", "--run", "run"]) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert errors == ["error: 01_steps.ipynb, cell 3: MemoryError: "]
    tiny.write(tmp_path)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "metrics").iterdir()}
    tiny.finish(tmp_path)
    assert tiny.is_complete(tmp_path)
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "metrics").iterdir()}

"""What a user types: `make` and `python -m higgs_lib`, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

from higgs_lib.data import origin
from higgs_lib.simulation import parameters_of


def higgs_lib(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "higgs_lib", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


def make(*arguments):
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["make", "ENV=active", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": places}, capture_output=True, text=True, check=False
    )


def test_make_alone_lists_the_targets():
    answer = make()
    assert answer.returncode == 0
    for target in [
        "env",
        "data",
        "reproduce",
        "report",
        "check",
        "lab",
        "cluster",
        "cluster-stop",
        "test",
        "lint",
        "format",
        "clean",
        "lock",
    ]:
        assert f"make {target} " in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce", "PROFILE=unknown"], "params/unknown.yaml: no such profile; PROFILE can be one of: "),
        (["reproduce", "PROFILE=smoke", "DATA=missing.csv.gz"], "missing.csv.gz: no such file"),
        (["reproduce", "DATA=two words.csv"], "without spaces"),
        (["check", "PROFILE=unknown"], "params/unknown.yaml: no such profile; PROFILE can be one of: "),
    ],
)
def test_a_mistake_is_one_clear_error(arguments, message):
    answer = make(*arguments)
    assert answer.returncode != 0
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_ingest_reports_a_bad_row(tmp_path):
    (tmp_path / "bad.csv").write_text("1.0,2.0\n")
    answer = higgs_lib("ingest", tmp_path / "bad.csv", tmp_path / "events.parquet")
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == f"error: {tmp_path}/bad.csv, row 1: 2 columns, where 29 are expected"
    assert not (tmp_path / "events.parquet").exists()


def test_events_at_other_masses_are_made(tmp_path):
    path = tmp_path / "events.parquet"
    what = ("simulate", path, "--n-events", 300, "--seed", 2, "--physics")
    answer = higgs_lib(*what, "m_heavy_higgs=600")
    assert answer.returncode == 0
    assert "300 built-in events (seed 2)" in answer.stdout
    assert parameters_of(origin(path)).m_heavy_higgs == 600
    answer = higgs_lib(*what, "m_heavy_higgs=400")
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith(
        "error: SimulationParameters: a process is kinematically forbidden: choose m_heavy_higgs >"
    )
    assert higgs_lib(*what, "m_heavy_higgs").returncode == 2


def test_events_are_made_by_the_profile_and_not_again(tmp_path):
    (tmp_path / "mine.yaml").write_text("events: {n_events: 500, seed: 4}\n")
    arguments = ("events", "--profile", tmp_path / "mine.yaml", "--run", tmp_path)
    first = higgs_lib(*arguments)
    assert first.returncode == 0
    assert "500 events of the built-in simulation (seed 4)" in first.stdout
    made = (tmp_path / "data" / "events.parquet").stat().st_ino
    assert higgs_lib(*arguments).returncode == 0
    assert (tmp_path / "data" / "events.parquet").stat().st_ino == made


def test_importing_the_library_loads_neither_tensorflow_nor_spark():
    code = "import sys, higgs_lib.study; sys.exit('tensorflow' in sys.modules or 'pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

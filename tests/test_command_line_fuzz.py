"""Calls that nobody would type: each does what it says, or ends with one line and leaves all files as they were."""

import argparse
import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from higgs_lib import data, models, simulation, training
from higgs_lib.__main__ import main, parser
from higgs_lib.commands import classifier_files
from higgs_lib.models import ModelSpec, Standardisation
from higgs_lib.report import lab
from higgs_lib.spark import java, local_cluster

FILES = (
    *("events.parquet", "cut.parquet", "text.parquet", "empty.parquet", "folder", "missing.parquet", "good.keras"),
    *("cut.keras", "text.keras", "scores.parquet", "words.parquet", "good.csv", "bad.csv", "one.csv", "other.txt"),
    *("four_vectors.parquet", "four_vectors.arrow"),
    *(
        "good.yaml",
        "bad.yaml",
        "latin1.yaml",
        "new.keras",
        "new.parquet",
        "new.arrow",
        "new",
        "run",
        "run/data/events.parquet",
    ),
)
ODD = (
    "",
    "-",
    "--",
    "-1",
    "0",
    "1",
    "nan",
    "inf",
    "1e999",
    "9" * 30,
    "9" * 5000,
    "1.5",
    "x",
    "ü",
    "a b",
    "é'\"",
    "a=b",
)
ODD += (
    "\udcff.parquet",
    "\udcff",
    "low",
    "all",
    "test",
    "cpu",
    "gpu:7",
    "tpu",
    "2g",
    "m_top=1",
    "m_w=nan",
    "$(x)",
    "*",
)
COUNTS = ("--n-events", "-3", "--n-events", "0", "--n-events", "20", "--seed", "1", "--seed", "-1")
LEFT_OUT = ("java",)  # it may install one


def commands(root, words=()):
    """Yields the words of each command and its parser."""
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                if not any(isinstance(part, argparse._SubParsersAction) for part in inner._actions):
                    yield (*words, word), inner
                yield from commands(inner, (*words, word))


COMMANDS = [(words, inner._actions) for words, inner in commands(parser()) if words[0] not in LEFT_OUT]
anything = (
    st.sampled_from(FILES)
    | st.sampled_from(ODD)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0/\n"), max_size=6)
)


@st.composite
def calls(draw):
    """The words of a command, of which some are left out, doubled, exchanged or of another kind."""
    words, actions = draw(st.sampled_from(COMMANDS))
    words = list(words)
    for action in actions:
        if action.option_strings and (action.option_strings[0] == "--master" or not draw(st.integers(0, 2))):
            continue
        words += [draw(st.sampled_from(action.option_strings))] if action.option_strings else []
        if action.nargs != 0:
            words.append(str(draw(st.sampled_from(tuple(action.choices)) if action.choices else anything)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(words)))
        words[place : place + draw(st.integers(0, 1))] = draw(
            st.lists(anything, max_size=2)
            | st.just(list(COUNTS[:2]))
            | st.just(["--run", "run", "--profile", "good.yaml"])
        )
    return [word for word in words if "--master" not in word and not word.startswith("--ma")]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with a file of every kind, good and damaged."""
    place = tmp_path_factory.mktemp("template")
    simulation.simulate(place / "events.parquet", 300, seed=1, workers=1)
    for name in ("four_vectors.parquet", "four_vectors.arrow"):
        data.convert_to_four_vectors(place / "events.parquet", place / name)
    columns = simulation.generate(300, seed=1)
    standard = Standardisation(np.zeros(21, np.float32), np.ones(21, np.float32))
    model = models.build(ModelSpec(hidden=(2,)), standard, seed=1)
    classifier_files.save_model(model, place / "good.keras", {"features": "low"})
    rng = np.random.default_rng(1)
    parts = np.repeat(["validation", "test"], 150)
    scores = {"part": parts, "label": pa.array(columns["label"]).cast(pa.int8()), "score": rng.random(300, np.float32)}
    pq.write_table(pa.table(scores), place / "scores.parquet")
    pq.write_table(pa.table({"score": ["a", None], "label": [1, 0]}), place / "words.parquet")
    for name in ("events.parquet", "good.keras"):
        (place / name.replace("events", "cut").replace("good", "cut")).write_bytes((place / name).read_bytes()[:-40])
    for name in ("text.parquet", "text.keras", "other.txt", "one.csv"):
        (place / name).write_text("1.0,2.0\n")
    (place / "empty.parquet").touch()
    rows = np.stack([column.to_numpy() for column in columns.columns], 1)
    np.savetxt(place / "good.csv", rows[:50], delimiter=",")
    rows[3, 4] = np.nan
    np.savetxt(place / "bad.csv", rows[:50], delimiter=",")
    (place / "good.yaml").write_text("events: {n_events: 30, seed: 2}\n")
    (place / "bad.yaml").write_text("events: {n_events: 30, seed: -2}\n")
    (place / "latin1.yaml").write_bytes("# Müller\nevents: {seed: 2}\n".encode("latin-1"))
    (place / "folder").mkdir()
    (place / "params").mkdir()
    return place


def contents(place):
    """Returns what each file holds, but for the logs and locks of runs and what was made whole."""
    files = [path for path in place.rglob("*") if path.is_file() and path.name not in ("log.txt", ".lock")]
    return {path.relative_to(place): path.read_bytes() for path in files}


class StartedError(Exception):
    """Something was started that would take long; the module's name makes it an expected error."""


StartedError.__module__ = "higgs_lib"


def start(*_, **__):
    raise StartedError("started")


@examples
@given(words=calls())
def test_a_call_succeeds_or_ends_with_one_line_and_leaves_all_files(template, tmp_path, capfd, monkeypatch, words):
    place = tmp_path / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    monkeypatch.chdir(place)
    for owner, name in ((training, "fit"), (lab.os, "execv"), (lab.os, "execve"), (local_cluster, "start")):
        monkeypatch.setattr(owner, name, start)
    monkeypatch.setattr(java, "find_java", lambda *_: None)
    monkeypatch.setattr("higgs_lib.data.fetch", start)
    before = contents(place)
    capfd.readouterr()
    try:
        status = main([os.fsdecode(os.fsencode(word)) for word in words])
    except SystemExit as stopped:
        status = stopped.code
    shown = capfd.readouterr()
    assert "Traceback" not in shown.err
    errors = [line for line in shown.err.splitlines() if line.startswith("error: ") or ": error: " in line]
    assert status in (0, 1, 2)
    assert len(errors) == (status != 0)
    assert status == 2 or not errors or "error: " in shown.err.splitlines()[-1] or "log.txt" in shown.err
    assert not [path for path in place.rglob("*") if ".partial" in path.name]
    if status == 0 and "--json" in words and "-h" not in words and "--help" not in words:
        json.loads(shown.out, parse_constant=pytest.fail)
    if status != 0:
        assert {path: content for path, content in contents(place).items() if path.parts[0] != "run"} == before

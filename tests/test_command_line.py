"""What a user types: `make` and `higgs-lib`; in processes of their own, where it matters that they are."""

import argparse
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
from repository import ROOT
from sklearn.metrics import accuracy_score, roc_auc_score

from higgs_lib import data
from higgs_lib.__main__ import main, parser
from higgs_lib.commands import errors, parsing
from higgs_lib.data import origin
from higgs_lib.files import StoredFileError
from higgs_lib.simulation import parameters_of, simulate
from higgs_lib.study.score_files import KEY
from higgs_lib.training.checkpoint import Checkpoint


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
        "verify",
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
        (["reproduce", "PROFILE=smoke", "DATA=two words.csv"], "two words.csv: no such file"),
        (["check", "PROFILE=../smoke"], "PROFILE: the name of a file of params/ without folder and suffix is expected"),
        (["clean", "PROFILE=.."], "PROFILE: the name of a file of params/ without folder and suffix is expected"),
        (["clean", "PROFILE="], "PROFILE is empty"),
        (["clean", "PROFILE=a b"], "PROFILE: make cannot take a name with space, only with letters, digits and"),
        (["help", "ENV=a(b:c%d"], "ENV: make cannot take a name with : % (, only with"),
        (["help", "EXTRAS=$(x)"], "EXTRAS: make cannot take a name with ( ) $, only with"),
        (["cluster", "WORKERS=2;ls"], "WORKERS: make cannot take a name with ;, only with"),
        (["reproduce", "DATA=two\nlines.csv"], "DATA: make cannot take a path with a tab or a line break"),
        (["check", "PROFILE=unknown"], "params/unknown.yaml: no such profile; PROFILE can be one of: "),
        (["verify"], "SCORES is empty: give a file of scores"),
        (["verify", "SCORES=a\tb"], "SCORES: make cannot take a path with a tab or a line break"),
    ],
)
def test_a_mistake_is_one_clear_error(arguments, message):
    answer = make(*arguments)
    assert answer.returncode != 0
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


ODD = [
    "a b",
    "a:b",
    "(a)",
    "a&b;c",
    "it's",
    "50%",
    "$HOME",
    "$(x)",
    "#1",
    'say "a"',
    "`a`",
    "a\\b",
    "ü",
    "*",
    "-a",
    "a=b",
]


@pytest.mark.parametrize(("profile", "downloaded"), [((), "full"), (("PROFILE=openml",), "openml")])
def test_data_are_those_of_the_profile_or_all_of_uci_s(profile, downloaded):
    answer = subprocess.run(["make", "-n", "ENV=active", *profile, "data"], cwd=ROOT, capture_output=True, text=True)
    assert f"events --profile params/{downloaded}.yaml --run runs/{downloaded} " in answer.stdout


SUFFIXES = [".csv.bz2", ".csv.xz", ".csv.zip", ".zip", ".arff", ".parquet", ".root:tree", "/"]
PATHS = [*itertools.product(ODD, [".csv", ".csv.gz"]), *(("a b", suffix) for suffix in SUFFIXES)]


@pytest.mark.parametrize(("name", "suffix"), PATHS)
def test_a_path_of_any_characters_reaches_the_command_and_names_the_run(tmp_path, name, suffix):
    """`python3` is a stand-in that prints its arguments; the checkout's own path has such characters too."""
    checkout, bin_ = tmp_path / f"{name} repo's (1) & 5%", tmp_path / "bin"
    for folder in (checkout, bin_):
        folder.mkdir()
    shutil.copy(ROOT / "Makefile", checkout)
    (bin_ / "python3").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (bin_ / "python3").chmod(0o755)
    environment = os.environ | {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    path, mirror = f"/data of mine/{name}{suffix}", f"https://host/{name}?a=1&b"
    command = ["make", "-s", "-C", checkout, "ENV=active", "PROFILE=smoke", f"DATA={path}", f"MIRROR={mirror}"]
    answer = subprocess.run([*command, "reproduce"], env=environment, capture_output=True, text=True, check=True)
    words = ["-m", "higgs_lib", "reproduce", "--profile", "params/smoke.yaml", f"--run=runs/smoke-{name}"]
    assert answer.stdout.splitlines() == [*words, f"--data={path}", f"--mirror={mirror}"]
    (checkout / "runs" / f"smoke-{name}").mkdir(parents=True)
    (checkout / "runs" / "smoke").mkdir()
    subprocess.run([*command, "clean"], env=environment, check=True)
    assert [run.name for run in (checkout / "runs").iterdir()] == ["smoke"]


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
    assert "exists already; --force replaces it" in higgs_lib(*what, "m_heavy_higgs=500").stderr
    answer = higgs_lib(*what, "m_heavy_higgs=400", "--force")
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


HEAVY = {"numpy", "tensorflow", "keras", "jax", "pyspark", "pyarrow", "pandas", "sklearn", "scipy", "matplotlib"}
HELP = f"""
import runpy, sys
sys.argv = ["higgs-lib", *sys.argv[1:]]
try:
    runpy.run_module("higgs_lib", run_name="__main__")
finally:
    print(sorted({HEAVY} & set(sys.modules)))
"""


@pytest.mark.parametrize("command", [[], ["train"], ["simulate"]])
def test_the_help_imports_nothing_that_is_slow(command):
    words = [sys.executable, "-c", HELP, *command, "--help"]
    answer = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "EXAMPLES" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "[]"


def parsers(root, name=""):
    """Yields the parser of each command, also of those within others."""
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield f"{name} {word}".strip(), inner
                yield from parsers(inner, f"{name} {word}".strip())


COMMANDS = dict(parsers(parser()))


def examples_of(described):
    return [line.strip() for line in described.format_help().splitlines() if line.startswith("  higgs-lib ")]


def test_the_commands_are_those_that_the_makefile_and_the_guides_use():
    study = {"reproduce", "events", "notebook", "report", "check", "ingest", "simulate", "cluster", "java"}
    assert {*study, "train", "score", "evaluate", "verify", "info", "cluster start", "cluster stop"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_describes_it_and_holds_examples_that_can_be_parsed(name):
    text = COMMANDS[name].format_help()
    assert parsing.EXIT_STATUS in text
    assert len(COMMANDS[name].description) > 50
    assert "%%" not in text
    examples = examples_of(COMMANDS[name])
    assert examples
    for example in examples:
        program, *words = shlex.split(example)
        assert program == "higgs-lib"
        assert words[: len(name.split())] == name.split()
        assert callable(parser().parse_args(words).function)


def test_the_examples_of_the_program_can_be_parsed():
    examples = examples_of(parser())
    assert len(examples) == 4
    for example in examples:
        parser().parse_args(shlex.split(example)[1:])


def test_choices_are_those_of_the_library():
    assert tuple(data.FEATURE_SETS) == parsing.FEATURE_SETS
    assert data.Splits._fields == parsing.PARTS


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["unknown"],
        *(
            ["train", "e", "m.keras", *option.split()]
            for option in (
                *("--epochs 0", "--hidden 0", "--batch-size -1", "--patience -1", "--n-test 0", "--epochs 1.5"),
                *("--dropout 1", "--dropout -0.1", "--dropout nan", "--learning-rate nan", "--learning-rate -1"),
                *("--learning-rate inf", "--seed -1", "--seed 4294967296", "--seed x", f"--epochs {'9' * 5000}"),
            )
        ),
        *(
            ["evaluate", "s", *option.split()]
            for option in (
                "--signal -1",
                "--background 0",
                "--background nan",
                "--background-uncertainty -1",
                "--seed -1",
            )
        ),
        *(
            ["cluster", "start", *option.split()]
            for option in ("--workers 0", "--cores -1", "--memory 2", "--memory 0g")
        ),
    ],
)
def test_wrong_usage_has_status_2(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert len(error) < 300


# ------------------------------------------------------------------------------------ one classifier, step by step
@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with 4,000 built-in events, two networks that were trained on them, and the scores of both."""
    place = tmp_path_factory.mktemp("command_line")
    assert main(shlex.split(f"simulate {place}/events.parquet --n-events 4_000 --seed 1")) == 0
    for name, options in (("high", "--classifier shallow --features high"), ("low", "--hidden 16 16 --dropout 0.1")):
        assert main(shlex.split(f"train {place}/events.parquet {place}/{name}.keras --epochs 1 {options}")) == 0
        assert main(shlex.split(f"score {place}/{name}.keras {place}/events.parquet {place}/{name}.parquet")) == 0
    simulate(place / "others.parquet", 500, seed=2, workers=1)
    (place / "text.txt").write_text("1.0,2.0\n")
    (place / "text.parquet").write_text("1.0,2.0\n")
    (place / "text.keras").write_text("1.0,2.0\n")
    return place


def call(folder, line, capsys):
    """Runs a command in which names without a folder stand for files of `folder`; returns what it printed as JSON."""
    capsys.readouterr()
    assert main([str(folder / word) if "." in word else word for word in shlex.split(line)] + ["--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_scores_are_those_that_keras_gives(folder):
    scores = pq.read_table(folder / "high.parquet")
    events = data.load(folder / "events.parquet", data.HIGH, range(4_000))
    expected = keras.models.load_model(folder / "high.keras").predict(events.features, verbose=0)[:, 0]
    assert scores.column_names == ["row", "part", "label", "score"]
    assert scores["row"].to_pylist() == list(range(4_000))
    assert scores["part"].to_pylist() == ["training"] * 2_800 + ["validation"] * 400 + ["test"] * 800
    np.testing.assert_array_equal(scores["label"], events.labels)
    np.testing.assert_allclose(scores["score"], expected, atol=1e-6)


def test_the_evaluation_agrees_with_scikit_learn(folder, capsys):
    result = call(folder, "evaluate high.parquet low.parquet --signal 200 --background 500", capsys)
    aucs = []
    for name, file in zip(("high", "low"), result["files"], strict=True):
        test = pq.read_table(folder / f"{name}.parquet", filters=[("part", "=", "test")])
        labels, scores = test["label"].to_numpy(), test["score"].to_numpy()
        aucs.append(roc_auc_score(labels, scores))
        assert file["auc"]["value"] == pytest.approx(aucs[-1], abs=1e-12)
        assert file["accuracy"]["value"] == pytest.approx(accuracy_score(labels, scores > 0.5))
        assert (file["part"], file["n_signal"], file["n_background"]) == ("test", labels.sum(), (1 - labels).sum())
        for efficiency, rejection in file["background_rejection"].items():
            cut = np.quantile(scores[labels == 1], 1 - float(efficiency))
            assert rejection["value"] == pytest.approx(np.mean(scores[labels == 0] < cut), abs=0.01)
            assert rejection["low"] < rejection["value"] < rejection["high"]
        cut = file["significance"]["asimov"]["cut"]
        signal, background = (n * np.mean(scores[labels == c] >= cut) for c, n in ((1, 200), (0, 500)))
        expected = np.sqrt(2 * ((signal + background) * np.log(1 + signal / background) - signal))
        assert file["significance"]["asimov"]["value"] == pytest.approx(expected)
        assert file["cut_chosen_on"] == "validation events"
    difference = result["auc_difference"]
    assert difference["value"] == pytest.approx(aucs[0] - aucs[1], abs=1e-12)
    assert difference["low"] < difference["value"] < difference["high"]


def test_the_scores_of_a_trained_network_are_verified_and_those_of_another_program_compared(folder, capsys):
    result = call(folder, "verify high.parquet low.parquet --events events.parquet", capsys)
    evaluated = call(folder, "evaluate high.parquet low.parquet", capsys)
    for verified, file in zip(result["files"], evaluated["files"], strict=True):
        assert verified["measures"] == {name: file[name] for name in ("auc", "accuracy")}
        assert verified["claims"] == {name: file[name]["value"] for name in ("auc", "accuracy")}
        assert verified["model"] == file["model"]
        assert len(verified["sha256"]) == 64
    assert str(folder) not in pq.read_metadata(folder / "high.parquet").metadata[KEY].decode()
    assert result["test_rows"] == [3_200, 4_000]
    assert result["labels_from"] == str(folder / "events.parquet")
    difference = {name: result["differences"]["auc"][name] for name in ("value", "low", "high")}
    assert difference == pytest.approx(evaluated["auc_difference"])
    test = pq.read_table(folder / "low.parquet", filters=[("part", "=", "test")])
    np.save(folder / "low.npy", test["score"])
    assert (
        call(folder, "verify high.parquet low.npy --events events.parquet", capsys)["differences"]
        == (result["differences"])
    )
    call(folder, "score high.keras others.parquet of_others.parquet", capsys)
    assert call(folder, "verify of_others.parquet", capsys)["test_rows"] == [0, 500]


def test_the_text_of_a_verification_says_what_was_checked(folder, capsys):
    np.save(folder / "logits.npy", np.linspace(-3, 3, 800))
    words = f"verify {folder}/high.parquet {folder}/logits.npy --events {folder}/events.parquet"
    assert main(shlex.split(words)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "all 800 test rows 3,200:4,000"
    assert lines[1].startswith("events: 4,000 events of the built-in simulation (seed 1)")
    assert lines[2] == f"labels are those of {folder}/events.parquet"
    assert lines[3:5] == [f"{folder}/high.parquet (shallow, high)", f"  unchanged, sha256 {lines[4].split()[-1]}"]
    assert [line.endswith(", as claimed") for line in lines[5:7]] == [True, True]
    assert lines[8] == "  without a record, of another program"
    assert lines[10] == "  accuracy is left out, as the scores do not lie in [0, 1]"
    assert lines[11:] == ["the first less the second, paired", lines[12]]
    assert lines[12].endswith("(DeLong)")


def test_make_verifies_files_of_any_name(folder):
    shutil.copy(folder / "high.parquet", folder / "it's $(1) & 5%.parquet")
    scores, others = f"SCORES={folder}/it's $(1) & 5%.parquet", f"OTHER={folder}/low.parquet"
    answer = make("verify", scores, others, f"EVENTS={folder}/events.parquet", "SPLIT=3200:4000")
    assert answer.returncode == 0, answer.stderr
    assert "all 800 test rows 3,200:4,000" in answer.stdout
    assert "it's $(1) & 5%.parquet (shallow, high)" in answer.stdout
    assert "(McNemar)" in answer.stdout


def test_without_validation_events_the_cut_is_chosen_on_half_of_the_others(folder, capsys):
    call(folder, "score high.keras events.parquet tested.parquet --part test", capsys)
    (file,) = call(folder, "evaluate tested.parquet", capsys)["files"]
    assert file["cut_chosen_on"] == "every other event, judged on the rest"
    (whole,) = call(folder, "evaluate high.parquet", capsys)["files"]
    assert file["auc"] == whole["auc"]


def test_other_events_have_no_parts_and_need_no_labels(folder, capsys):
    table = pq.read_table(folder / "others.parquet").drop_columns(["label"])
    pq.write_table(table, folder / "unlabelled.parquet")
    call(folder, "score high.keras others.parquet scored.parquet", capsys)
    call(folder, "score high.keras unlabelled.parquet blind.parquet", capsys)
    scored, blind = (pq.read_table(folder / f"{name}.parquet") for name in ("scored", "blind"))
    assert scored.column_names == ["row", "label", "score"]
    assert blind.column_names == ["row", "score"]
    assert blind["score"] == scored["score"]
    assert call(folder, "evaluate scored.parquet", capsys)["files"][0]["part"] == "all"


def test_the_same_seed_gives_the_same_bytes_of_scores_also_after_an_interrupt(folder, capsys, monkeypatch):
    training = "train events.parquet {}.keras --classifier deep --epochs 2 --seed {}"
    write, epochs = Checkpoint.write, []

    def interrupted(checkpoint, state):
        write(checkpoint, state)
        epochs.append(len(state.history["seconds"]))
        raise KeyboardInterrupt

    for name, seed in (("one", 3), ("same", 3), ("another", 4)):
        if name == "same":
            with monkeypatch.context() as patch:
                patch.setattr(Checkpoint, "write", interrupted)
                words = shlex.split(
                    training.format(folder / name, seed).replace("events.parquet", f"{folder}/events.parquet")
                )
                assert main(words) == 130
            assert capsys.readouterr().err.splitlines()[-1] == "interrupted: the same call resumes here"
            assert (folder / "same.checkpoint.npz").exists()
            assert not (folder / "same.keras").exists()
        call(folder, training.format(name, seed), capsys)
        call(folder, f"score {name}.keras events.parquet {name}.parquet", capsys)
    assert epochs == [1]
    assert not list(folder.glob("*.npz"))
    one, same, another = ((folder / f"{name}.parquet").read_bytes() for name in ("one", "same", "another"))
    assert one == same
    assert one != another


def test_info_tells_what_made_a_file(folder, capsys):
    events = call(folder, "info events.parquet", capsys)
    assert (events["type"], events["n_events"], events["recipe"]["seed"]) == ("events", 4_000, 1)
    model = call(folder, "info low.keras", capsys)
    assert (model["type"], model["features"], model["spec"]["hidden"]) == ("model", "low", [16, 16])
    assert model["events"]["sha256"] == events["sha256"]
    scores = call(folder, "info low.parquet", capsys)
    assert (scores["type"], scores["parts"]["test"], scores["model"]["seed"]) == ("scores", 800, 1)
    assert main(["info", str(folder / "low.keras")]) == 0
    assert "dropout            0.1" in capsys.readouterr().out


def test_info_tells_the_versions_and_the_machine(capsys):
    machine = call(ROOT, "info", capsys)
    assert machine["keras"] == keras.__version__
    assert machine["backend"] == keras.backend.backend()
    assert machine["cores"] >= 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train missing.parquet new.keras", "missing.parquet: no such file of events"),
        ("train text.txt new.keras", "text.txt: not a Parquet file"),
        ("train high.parquet new.keras", "high.parquet: not a file of events"),
        ("train events.parquet new.h5", "new.h5: the name must end with .keras"),
        ("train events.parquet low.keras", "low.keras: exists already; --force replaces it"),
        ("train events.parquet new.keras --classifier kinematic --features high", "needs all low-level columns"),
        ("train events.parquet new.keras --batch-size 5000", "in batches of 5000 on 2800 training events"),
        ("train events.parquet new.keras --device tpu", "unknown device 'tpu'"),
        ("score missing.keras events.parquet new.parquet", "missing.keras: no such model"),
        ("score text.keras events.parquet new.parquet", "text.keras: not a model that was saved as .keras"),
        ("score low.keras missing.parquet new.parquet", "missing.parquet: no such events"),
        ("score low.keras text.parquet new.parquet", "text.parquet: not Parquet"),
        ("score low.keras high.parquet new.parquet", "high.parquet: the columns lepton_pt, lepton_eta"),
        ("score low.keras events.parquet high.parquet", "high.parquet: exists already; --force replaces it"),
        ("score low.keras events.parquet new.parquet --features high", "low.keras: takes low features, not high"),
        ("score low.keras others.parquet new.parquet --part test", "others.parquet: no known split"),
        ("score foreign.keras events.parquet new.parquet", "give --features low, high or complete"),
        ("score foreign.keras events.parquet new.parquet --features low", "takes 3 features, but 21 were given"),
        ("evaluate missing.parquet", "missing.parquet: no such scores"),
        ("evaluate text.parquet", "text.parquet: not a Parquet file"),
        ("evaluate events.parquet", "events.parquet: has no column score"),
        ("evaluate unjudged.parquet", "unjudged.parquet: has no labels"),
        ("evaluate high.parquet elsewhere.parquet", "not scores of the same events"),
        ("verify missing.csv", "missing.csv: no such scores"),
        ("verify high.parquet low.keras", "low.keras: not a Parquet file"),
        ("verify high.parquet --events others.parquet", "its scores are of other events than"),
        ("verify high.parquet --split 3200:4001", "4,000 events have no test rows 3,200:4,001"),
        ("verify high.parquet --split 3200-4000", "unknown split '3200-4000': choose one of"),
        ("info missing.parquet", "missing.parquet: no such file"),
        ("info text.txt", "text.txt: not a file of events or scores (.parquet), and not a model (.keras)"),
    ],
)
def test_an_expected_error_is_one_line_and_leaves_no_file(folder, line, message, capsys):
    if "foreign" in line:
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(folder / "foreign.keras")
    if "unjudged" in line:
        pq.write_table(pq.read_table(folder / "high.parquet").drop_columns(["label"]), folder / "unjudged.parquet")
    if "elsewhere" in line:
        assert main(shlex.split(f"score {folder}/low.keras {folder}/others.parquet {folder}/elsewhere.parquet")) == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert main([str(folder / word) if "." in word else word for word in shlex.split(line)]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_an_error_that_is_not_expected_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("higgs_lib.commands.info._machine", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError) as fault:
        main(["info"])
    assert fault.value.__notes__ == [errors.REPORT]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "a/b"), "a/b: No space left on device"),
        (OSError("the disk is gone"), "the disk is gone"),
        (MemoryError(), "there is not enough memory; take fewer events"),
        (MemoryError("Unable to allocate 3 TiB"), "there is not enough memory (Unable to allocate 3 TiB); take fewer"),
        (ModuleNotFoundError("", name="papermill"), "the package papermill is not installed in this environment"),
        (parsing.CommandError("no"), "no"),
        (parsing.CommandError("a\x1b[31m\rb\u2028\udcff: gone"), r"a\x1b[31m\rb\u2028\udcff: gone"),
        (StoredFileError("a.json: the file is empty"), "a.json: the file is empty"),
    ],
)
def test_an_error_that_is_expected_is_one_line(monkeypatch, capsys, error, message):
    def fail():
        raise error

    monkeypatch.setattr("higgs_lib.commands.info._machine", fail)
    assert main(["info", "--json"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert shown.err.startswith(f"error: {message}")


def test_a_missing_module_of_the_library_itself_is_a_fault():
    assert not errors.is_expected(ModuleNotFoundError("", name="higgs_lib.gone"))
    assert not errors.is_expected(KeyError("a"))


def test_a_text_of_others_does_not_control_the_terminal(capsys):
    parsing.show({}, "events: a\x1b[31m\rb\nü", as_json=False)
    assert capsys.readouterr().out == "events: a\\x1b[31m\\rb\nü\n"


def test_a_number_that_is_not_finite_is_null_in_json(capsys):
    parsing.show({"a": float("nan"), "b": [1.5, float("inf"), {"c": (-float("inf"), 2)}]}, "", as_json=True)
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": None,
        "b": [1.5, None, {"c": [None, 2]}],
    }

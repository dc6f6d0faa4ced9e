"""`check` on small stored runs: what a user sees, and that every mistake is one clear error."""

import json
import shutil

import numpy as np
import pytest
from small_notebooks import make_folder

from higgs_lib import metrics
from higgs_lib.report import check
from higgs_lib.study import Scores, Study
from higgs_lib.study.reference import CheckError


def write_run(folder, events, seed, n_parameters=100):
    """A finished run of two small notebooks, with one classifier."""
    (folder / "data").mkdir(parents=True)
    shutil.copy(events, folder / "data" / "events.parquet")
    study = Study.open(str(folder), str(events), n_test=4000, n_validation=2000)
    rng, name = np.random.default_rng(seed), f"deep-low-seed{seed}"
    parts = study.splits._replace(training=study.splits.training[:2000])._asdict()
    labels = {part: study.samples("low")[part].labels[: len(rows)] for part, rows in parts.items()}
    scores = {part: Scores(values, rng.normal(values)) for part, values in labels.items()}
    measured = {part: {"auc": metrics.auc_interval(*of_part)._asdict()} for part, of_part in scores.items()}
    study.run.save(name, {"recipe": study._recipe("deep", "low", seed, ()), "n_parameters": n_parameters, **measured})
    study.run.save_scores(name, scores)
    study.run.publish("networks", [study.run.result(name)])
    (folder / "notebooks").mkdir()
    for notebook, parameters in (("01_one", {"n": 4}), ("02_two", {"n": 4, "seed": seed})):
        (folder / "notebooks" / f"{notebook}.json").write_text(json.dumps({"recipe": {"parameters": parameters}}))
    return folder


@pytest.fixture(scope="module")
def runs(events, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checked")
    return [write_run(folder / f"{seed}", events, seed) for seed in (1, 2, 3)]


@pytest.fixture
def profile(tmp_path, monkeypatch):
    monkeypatch.chdir(make_folder(tmp_path))
    (tmp_path / "mine.yaml").write_text("common: {n: 4}")
    return "mine.yaml"


def test_a_run_with_another_seed_agrees(runs, profile, events, tmp_path, capsys):
    assert check.store(profile, runs).name == "mine.json"
    check.check(profile, write_run(tmp_path / "run", events, 4))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == ["auc: deep, low", "auc: deep, low, test - validation"]
    assert "run agrees with results/mine.json: 4 facts are the same, and 2 values are within" in lines[-1]


def test_a_run_that_differs_is_one_clear_error(runs, profile, events, tmp_path, capsys):
    check.store(profile, runs)
    with pytest.raises(
        CheckError, match=r"run differs from results/mine.json: parameters of deep, low: 70 instead of 100$"
    ):
        check.check(profile, write_run(tmp_path / "run", events, 4, n_parameters=70))
    assert "auc: deep, low" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: shutil.rmtree(run), r"run: no such run; run `make reproduce PROFILE=mine`"),
        (
            lambda run: (run / "notebooks" / "02_two.json").unlink(),
            r"run: not finished, as 02_two did not run to the end",
        ),
        (
            lambda run: (run / "notebooks" / "01_one.json").write_text('{"recipe": {"parameters": {"n": 5}}}'),
            r"run: made with other parameters than mine.yaml has: 01_one, n; run `make",
        ),
        (lambda run: shutil.rmtree(run / "published"), r"run: no classifiers are stored there"),
    ],
    ids=["missing", "unfinished", "other profile", "empty"],
)
def test_a_run_that_cannot_be_compared_is_an_error(runs, profile, events, tmp_path, change, words):
    check.store(profile, runs)
    change(write_run(tmp_path / "run", events, 4))
    with pytest.raises(CheckError, match=words):
        check.check(profile, tmp_path / "run")


def test_a_missing_reference_is_an_error(runs, profile):
    with pytest.raises(CheckError, match=r"results/mine.json: no reference of this profile; store one with `python -m"):
        check.check(profile, runs[0])

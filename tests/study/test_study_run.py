"""The files of a run stay in its folder, and its results are of the same test events."""

import json

import numpy as np
import pytest

from higgs_lib.study import comparison
from higgs_lib.study.run import ResultNameError, Run, Scores, TestEventsError

NAMES = ("../../x", "/tmp/x", "a/b", "a\0b")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    run = Run(tmp_path / "a" / "run")
    scores = {"test": Scores(np.array([0, 1]), np.array([0.2, 0.7]))}
    for call in (
        lambda: run.model(name),
        lambda: run.trees(name),
        lambda: run.checkpoint(name, {}),
        lambda: run.result(name),
        lambda: run.save(name, {}),
        lambda: run.cached(name, {}, dict),
        lambda: run.publish(name, []),
        lambda: run.save_scores(name, scores),
        lambda: run.scores(name, "test"),
        lambda: run.save_workspace(name, {}),
    ):
        with pytest.raises(ResultNameError, match="is no name of a file there"):
            call()
    assert not list(tmp_path.iterdir())


def test_a_published_list_from_others_names_files_of_the_run_alone(tmp_path):
    (tmp_path / "run" / "published").mkdir(parents=True)
    (tmp_path / "secret.json").write_text(json.dumps({"recipe": {"classifier": "deep", "features": "low"}}))
    (tmp_path / "run" / "published" / "networks.json").write_text(json.dumps(["../../secret"]))
    with pytest.raises(ResultNameError, match="secret"):
        Run(tmp_path / "run").published()


@pytest.mark.parametrize("name", ["deep-low-seed1", "my network (2)-high-seed1", "..", "a[1]*?"])
def test_other_names_are_as_they_were(tmp_path, name):
    run = Run(tmp_path)
    run.save(name, {"value": 1})
    assert run.result(name)["value"] == 1
    assert [path.name for path in (tmp_path / "metrics").iterdir()] == [f"{name}.json"]
    checkpoint = run.checkpoint(name, {})
    checkpoint.parent.mkdir()
    checkpoint.touch()
    run.forget_checkpoints(name)
    assert not checkpoint.exists()


def publish(run, notebook, classifier, n_test, seeds=(1,)):
    """Stores and publishes results of a classifier, as a notebook does."""
    names = [f"{classifier}-low-seed{seed}" for seed in seeds]
    for name, seed in zip(names, seeds, strict=True):
        recipe = {"classifier": classifier, "features": "low", "seed": seed, "n_test": n_test}
        run.save(name, {"recipe": recipe, "test": {"auc": {"value": 0.7, "low": 0.69, "high": 0.71}}})
    run.publish(notebook, [run.result(name) for name in names])


def test_results_of_different_test_events_are_not_put_together(tmp_path):
    """As with n_test in the section of one notebook alone."""
    run = Run(tmp_path)
    publish(run, "networks", "deep", 1500)
    publish(run, "trees", "trees", 100)
    assert comparison.auc(run, "deep", "low").value == 0.7
    for reads in (comparison.auc, comparison.ensemble, Run.results):
        with pytest.raises(TestEventsError, match="trees-low-seed1 was measured on 100 test events and deep-low-seed1"):
            reads(run, "trees", "low")
    with pytest.raises(TestEventsError, match="on 1,500, so they cannot be compared; give all notebooks the same"):
        comparison.difference(run, "deep, low", "trees, low")


def test_a_run_may_be_made_again_with_other_test_events(tmp_path):
    """While the first notebook runs again, the results of later ones are still those of before."""
    run = Run(tmp_path)
    for n_test in (400, 100):
        publish(run, "networks", "deep", n_test)
        assert run.results("deep", "low")[0]["recipe"]["n_test"] == n_test
        publish(run, "kinematics", "kinematic", n_test, seeds=(1, 2))
        assert len(run.results("kinematic", "low")) == 2
    assert len(run.published()) == 3

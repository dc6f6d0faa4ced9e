"""The files of a run stay in its folder, whatever their names."""

import json

import numpy as np
import pytest

from higgs_lib.study.run import ResultNameError, Run, Scores

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

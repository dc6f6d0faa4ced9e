"""The README's examples are run as they stand."""

import re

import numpy as np
import pytest
from conftest import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def run(example, folder, monkeypatch):
    assert len(example.splitlines()) <= 16
    monkeypatch.chdir(folder)
    names = {}
    exec(example, names)
    return names


def test_the_training_example_runs(tmp_path, monkeypatch):
    names = run(next(e for e in EXAMPLES if "training.fit" in e), tmp_path, monkeypatch)
    assert 0.6 < names["auc"].value < 0.9
    assert names["auc"].low < names["auc"].value < names["auc"].high


def test_the_example_of_built_in_events_runs(tmp_path, monkeypatch, capsys):
    names = run(next(e for e in EXAMPLES if "heavier" in e), tmp_path, monkeypatch)
    assert "GeV" in capsys.readouterr().out
    assert 75 < np.median(names["masses"].m_jj[np.isfinite(names["masses"].m_jj)]) < 90
    assert names["other"]["m_wwbb"].to_numpy().mean() > 1.1 * names["table"]["m_wwbb"].to_numpy().mean()
    assert len(EXAMPLES) == 2


def test_the_readme_names_every_notebook_and_profile():
    text = (ROOT / "README.md").read_text()
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "params").glob("*.yaml")]:
        assert f"`{path.stem}`" in text, path.stem


@pytest.mark.parametrize("path", sorted((ROOT / "higgs_lib").glob("*.py")), ids=lambda path: path.stem)
def test_the_readme_names_every_module(path):
    if not path.stem.startswith("__"):
        assert f"`{path.stem}`" in (ROOT / "README.md").read_text()

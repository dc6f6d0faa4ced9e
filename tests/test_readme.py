"""The README's example is run as it stands."""

import re

import pytest
from conftest import ROOT


def test_the_example_runs(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    assert len(code.splitlines()) <= 16
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert 0.6 < names["auc"].value < 0.9
    assert names["auc"].low < names["auc"].value < names["auc"].high


def test_the_readme_names_every_notebook_and_profile():
    text = (ROOT / "README.md").read_text()
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "params").glob("*.yaml")]:
        assert f"`{path.stem}`" in text, path.stem


@pytest.mark.parametrize("path", sorted((ROOT / "higgs_lib").glob("*.py")), ids=lambda path: path.stem)
def test_the_readme_names_every_module(path):
    if not path.stem.startswith("__"):
        assert f"`{path.stem}`" in (ROOT / "README.md").read_text()

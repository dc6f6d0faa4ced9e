"""The settings of networks are those that the notebooks have by default."""

from itertools import product
from types import SimpleNamespace

import nbformat
import pytest
from repository import ROOT

from higgs_lib import data, study
from higgs_lib.study.settings import CLASSIFIERS, FEW_EVENTS


def notebook_names(name, n_training, last):
    """Runs the parameters of a notebook and its cells up to the one that contains `last`, with this many events."""
    cells = [cell for cell in nbformat.read(ROOT / "notebooks" / name, 4).cells if cell.cell_type == "code"]
    (defining,) = [cell for cell in cells if last in cell.source]
    analysis = SimpleNamespace(run=None, splits=data.Splits.from_sizes(n_training, 1, 1))
    names = {}
    exec(cells[0].source, names)
    exec("\n".join(line for line in cells[1].source.splitlines() if line.startswith(("from", "import"))), names)
    names["study"] = SimpleNamespace(Study=SimpleNamespace(open_reduced=lambda *_, **__: analysis))
    exec(defining.source, names)
    return names


@pytest.mark.parametrize("n_training", [5_000, FEW_EVENTS - 1, FEW_EVENTS, 550_000])
def test_settings_are_those_of_the_notebooks(n_training):
    names = notebook_names("03_training.ipynb", n_training, "networks = {")
    expected = {name: (spec, names["configs"][name]) for name, spec in names["networks"].items()}
    names = notebook_names("06_kinematics.ipynb", n_training, "spec, config = ")
    expected["kinematic"] = names["spec"], names["config"]
    assert {name: study.network_settings(name, n_training) for name in CLASSIFIERS} == expected


@pytest.mark.parametrize("n_training", [FEW_EVENTS - 1, FEW_EVENTS])
def test_settings_of_trees_are_those_of_the_notebooks(n_training, monkeypatch):
    used = []
    analysis = SimpleNamespace(
        run=SimpleNamespace(publish=lambda *_: None, results=lambda *_: None),
        splits=data.Splits.from_sizes(n_training, 1, 1),
        train_trees=lambda *given, **_: used.append(given[3]) or {"n_trees": 1},
    )
    monkeypatch.setattr(study.Study, "open_reduced", lambda *_, **__: analysis)
    cells = [c for c in nbformat.read(ROOT / "notebooks" / "04_performance.ipynb", 4).cells if c.cell_type == "code"]
    names = {"study": study, "data": data, "product": product}
    (last,) = [number for number, cell in enumerate(cells) if "train_trees" in cell.source]
    exec("\n".join(cells[number].source for number in (0, last - 1, last)), names)
    assert set(used) == {study.tree_settings(n_training)}
    assert len(used) == 3 + 2


def test_another_classifier_is_an_error():
    with pytest.raises(ValueError, match="unknown classifier 'trees': choose one of shallow, deep, modern, kinematic"):
        study.network_settings("trees", 1000)

import ast
import re

import nbformat
import pytest
from repository import ROOT
from small_notebooks import make_folder, write_profile

from higgs_lib.report.profile import ProfileError, declared_parameters, read_profile

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path)


def test_common_values_go_where_they_are_declared_and_own_ones_win(folder):
    read = write_profile(folder, "common: {n: 5, name: b}\n02_two: {n: 6}\nevents: {seed: 2}")
    assert read.name == "mine"
    assert read.events == {"seed": 2}
    assert read.notebooks == {"01_one": {"n": 5, "name": "b"}, "02_two": {"n": 6}}
    assert write_profile(folder, "").notebooks == {"01_one": {}, "02_two": {}}
    assert write_profile(folder, "expect: {minutes: {01_one: 2}, auc: {'deep, low': 0.7}}")[3:] == (
        {"01_one": 2},
        {"deep, low": 0.7},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("common: {m: 5}", r"mine\.yaml, common: unknown parameter 'm'; known are n, name, share"),
        ("02_two: {name: b}", r"mine\.yaml, 02_two: unknown parameter 'name'; known are n"),
        ("03_three: {n: 1}", r"unknown section '03_three'; known are 01_one, 02_two, common, events, expect"),
        ("events: {sead: 1}", "events: unknown parameter 'sead'"),
        ("common: {n: many}", "n is 'many', but must be of type int"),
        ("common: {n: true}", "n is True, but must be of type int"),
        ("common: [1]", "names and values are expected"),
        ("common: {n: 1", "not YAML"),
        ("expect: {minutes: {03_three: 1}}", "expect, minutes: unknown parameter '03_three'"),
        ("expect: {hours: 1}", "unknown entry 'hours'; known are auc, minutes"),
    ],
)
def test_a_wrong_profile_is_refused_before_anything_runs(folder, text, message):
    with pytest.raises(ProfileError, match=message):
        write_profile(folder, text)


def test_an_unknown_profile_lists_the_known_ones(folder):
    write_profile(folder, "")
    with pytest.raises(ProfileError, match=r"other\.yaml: no such profile; PROFILE can be one of: mine"):
        read_profile(folder / "other.yaml", folder / "notebooks")


def test_an_int_passes_for_a_float(folder):
    assert write_profile(folder, "common: {share: 1}").notebooks["01_one"] == {"share": 1}


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_of_the_package_is_right(path):
    read = read_profile(path, ROOT / "notebooks")
    assert set(read.notebooks) == {book.stem for book in NOTEBOOKS}
    assert re.match(r"# .+\n(#.*\n)*#.*2 cores", path.read_text())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_keep_the_rules(path):
    cells = nbformat.read(path, 4).cells
    assert re.match(r"# .+\n\n\*\*Question\.\*\* ", cells[0].source)
    assert cells[-2].source == "## Answer"
    code = [cell for cell in cells if cell.cell_type == "code"]
    for cell in code:
        assert not cell.outputs
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(ast.parse(cell.source)))
    parameters = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == 1
    for line in parameters[0].source.splitlines():
        assert re.match(r"\w+: (int|float|str|bool|list) = .+  # .+", line)
    assert max(len(cell.source.splitlines()) for cell in code if cell not in parameters) <= 18
    assert "run" in declared_parameters(path)


def test_a_parameter_of_several_notebooks_has_one_default():
    declared = [declared_parameters(path) for path in NOTEBOOKS]
    for name in set().union(*declared):
        assert len({str(parameters[name]) for parameters in declared if name in parameters}) == 1, name

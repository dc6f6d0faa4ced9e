import ast
import re

import nbformat
import pytest
from conftest import ROOT

from higgs_lib.report import notebook
from higgs_lib.report.notebook import NotebookError, ProfileError

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def write(path, *cells, parameters="n: int = 3  # a number\nname: str = 'a'  # a name\nshare: float = 0.5  # a share"):
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    book.cells = [nbformat.v4.new_markdown_cell("# Title\n\n**Question.** What?")]
    book.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    book.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(book, path)
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / "notebooks" / "01_one.ipynb", "print(n, name)")
    write(tmp_path / "notebooks" / "02_two.ipynb", "print(n)", parameters="n: int = 3  # a number")
    return tmp_path


def profile(folder, text):
    (folder / "mine.yaml").write_text(text)
    return notebook.read_profile(folder / "mine.yaml", folder / "notebooks")


def test_common_values_go_where_they_are_declared_and_own_ones_win(folder):
    read = profile(folder, "common: {n: 5, name: b}\n02_two: {n: 6}\nevents: {seed: 2}")
    assert read.name == "mine"
    assert read.events == {"seed": 2}
    assert read.notebooks == {"01_one": {"n": 5, "name": "b"}, "02_two": {"n": 6}}
    assert profile(folder, "").notebooks == {"01_one": {}, "02_two": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("common: {m: 5}", r"mine\.yaml, common: unknown parameter 'm'; known are n, name, share"),
        ("02_two: {name: b}", r"mine\.yaml, 02_two: unknown parameter 'name'; known are n"),
        ("03_three: {n: 1}", r"unknown section '03_three'; known are 01_one, 02_two, common, events"),
        ("events: {sead: 1}", "events: unknown parameter 'sead'"),
        ("common: {n: many}", "n is 'many', but must be of type int"),
        ("common: {n: true}", "n is True, but must be of type int"),
        ("common: [1]", "names and values are expected"),
        ("common: {n: 1", "not YAML"),
    ],
)
def test_a_wrong_profile_is_refused_before_anything_runs(folder, text, message):
    with pytest.raises(ProfileError, match=message):
        profile(folder, text)


def test_an_unknown_profile_lists_the_known_ones(folder):
    profile(folder, "")
    with pytest.raises(ProfileError, match=r"other\.yaml: no such profile; PROFILE can be one of: mine"):
        notebook.read_profile(folder / "other.yaml", folder / "notebooks")


def test_an_int_passes_for_a_float(folder):
    assert profile(folder, "common: {share: 1}").notebooks["01_one"] == {"share": 1}


def test_a_notebook_runs_with_its_parameters(folder):
    read = profile(folder, "common: {n: 17}")
    finished = notebook.run(folder / "notebooks" / "01_one.ipynb", read, folder / "run")
    assert finished == folder / "run" / "notebooks" / "01_one.ipynb"
    assert "17 a" in str(nbformat.read(finished, 4).cells[-1].outputs)
    assert not list(finished.parent.glob("running-*"))


def test_a_failed_notebook_stays_to_be_read_and_is_tried_again(folder):
    broken = write(folder / "notebooks" / "01_one.ipynb", "print('so far')", "raise ValueError('no luck')")
    read = profile(folder, "")
    with pytest.raises(NotebookError, match=r"01_one\.ipynb, cell 3: ValueError: no luck\n.*running-01_one\.ipynb"):
        notebook.run(broken, read, folder / "run")
    left = nbformat.read(folder / "run" / "notebooks" / "running-01_one.ipynb", 4)
    assert "so far" in str(left.cells)
    assert not (folder / "run" / "notebooks" / "01_one.ipynb").exists()
    write(broken, "print('fine')")
    assert notebook.run(broken, read, folder / "run").exists()


def test_an_unknown_notebook_is_named(folder):
    with pytest.raises(NotebookError, match="no such notebook"):
        notebook.run(folder / "notebooks" / "07_seven.ipynb", profile(folder, ""), folder / "run")


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_of_the_package_is_right(path):
    read = notebook.read_profile(path, ROOT / "notebooks")
    assert set(read.notebooks) == {book.stem for book in NOTEBOOKS}
    assert re.match(r"# .+\n(#.*\n)*#.*2 cores", path.read_text())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_keep_the_rules(path):
    cells = nbformat.read(path, 4).cells
    assert re.match(r"# .+\n\n\*\*Question\.\*\* ", cells[0].source)
    assert "## Answer" in cells[-2].source
    code = [cell for cell in cells if cell.cell_type == "code"]
    for cell in code:
        assert not cell.outputs
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(ast.parse(cell.source)))
    parameters = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == 1
    for line in parameters[0].source.splitlines():
        assert re.match(r"\w+: (int|float|str|bool|list) = .+  # .+", line)
    assert max(len(cell.source.splitlines()) for cell in code if cell not in parameters) <= 18
    assert "run" in notebook.declared_parameters(path)


def test_a_parameter_of_several_notebooks_has_one_default():
    declared = [notebook.declared_parameters(path) for path in NOTEBOOKS]
    for name in set().union(*declared):
        assert len({str(parameters[name]) for parameters in declared if name in parameters}) == 1, name

import ast
import re
from dataclasses import replace

import nbformat
import pytest
from repository import ROOT
from small_notebooks import make_folder, write_notebook, write_profile

from higgs_lib.data import Origin
from higgs_lib.report import parameters
from higgs_lib.report.profile import ProfileError, declared_parameters, read_profile
from higgs_lib.training import update_rules

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


MORE = """\
n_test: int = 10  # events for testing
rate: float = 0.5  # fraction that is dropped, in [0, 1)
n_toys: int = 200  # experiments that are drawn; 0: none
seeds: list[int] = [1]  # one training for every seed
lengths: list[int] = [1, 1, 2]  # passes; 3 values
optimizers: list[str] = ["adam"]  # compared
sets: list[str] = ["low"]  # where it is measured; empty: none
workers: list[int] = []  # numbers of workers"""


def folder_of_notebooks(place):
    folder = make_folder(place)
    book = nbformat.read(folder / "notebooks" / "01_one.ipynb", 4)
    book.cells[1].source += f"\n{MORE}"
    nbformat.write(book, folder / "notebooks" / "01_one.ipynb")
    return folder


@pytest.fixture
def folder(tmp_path):
    return folder_of_notebooks(tmp_path)


@pytest.fixture(scope="module")
def same_folder(tmp_path_factory):
    return folder_of_notebooks(tmp_path_factory.mktemp("profiles"))


def test_common_values_go_where_they_are_declared_and_own_ones_win(folder):
    read = write_profile(folder, "common: {n: 5, name: b}\n02_two: {n: 6}\nevents: {seed: 2}")
    assert read.name == "mine"
    assert read.events == {"seed": 2}
    assert read.notebooks == {"01_one": {"n": 5, "name": "b"}, "02_two": {"n": 6}}
    assert write_profile(folder, "").notebooks == {"01_one": {}, "02_two": {}}
    assert write_profile(folder, "expect: {minutes: {01_one: 2}, auc: {'deep, low': 0.7}}")[3:5] == (
        {"01_one": 2},
        {"deep, low": 0.7},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("common: {m: 5}", r"mine\.yaml, common: unknown parameter 'm'; known are lengths, n, n_test, n_toys, name, "),
        ("02_two: {name: b}", r"mine\.yaml, 02_two: unknown parameter 'name'; known are n"),
        ("03_three: {n: 1}", r"unknown section '03_three'; known are 01_one, 02_two, common, events, expect"),
        ("events: {sead: 1}", "events: unknown parameter 'sead'"),
        ("events: {split: rtd}", "events: split is 'rtd', but must be one of last500k; rtdl; 1m"),
        ("events: {mirror: 1}", "events: mirror is 1, but must be text"),
        ("common: {n: many}", "common: n is 'many', but must be a whole number of at least 1"),
        ("common: {n: true}", "n is True, but must be a whole number"),
        ("common: {n: 0}", "n is 0, but must be a whole number of at least 1"),
        ("common: {n: 010}", "n is '010', but must be a whole number"),
        (f"common: {{n: 1{'0' * 5000}}}", "n is inf, but must be a whole number"),
        ("common: {share: 0.0}", r"share is 0\.0, but must be a number above 0"),
        ("common: {share: .nan}", "share is nan, but must be a number above 0"),
        ("common: {share: 1e999}", "share is inf, but must be a number above 0"),
        ("common: {share: yes}", "share is 'yes', but must be a number"),
        ("common: {rate: 1}", r"rate is 1, but must be a number in \[0, 1\)"),
        ("common: {n_toys: -1}", "n_toys is -1, but must be a whole number of at least 0"),
        ("common: {seeds: []}", "seeds is empty, but needs at least one value"),
        ("common: {seeds: [1, 1]}", "seeds has 1 twice"),
        ("common: {seeds: [-1]}", r"seeds has an item that is -1, but must be a whole number in \[0, 4294967295\]"),
        ("common: {seeds: [4294967296]}", "seeds has an item that is 4294967296"),
        ("common: {seeds: 1}", r"seeds is 1, but must be a list, such as \[1\]"),
        ("common: {lengths: [1, 2]}", "lengths has 2 values, but must have 3"),
        ("common: {optimizers: [sdg]}", "optimizers has an item that is 'sdg', but must be one of sgd; adam; "),
        ("common: {run: x}", "unknown parameter 'run'"),
        ("01_one: {n_test: 5}", "01_one: n_test has one value for all notebooks; set it in the section common"),
        ("common: [1]", r"mine\.yaml, common: names and values are expected, not \[1\]"),
        ("[1]", r"mine\.yaml: names and values are expected, not \[1\]"),
        ("common: 0", "common: names and values are expected, not 0"),
        ("0", r"mine\.yaml: names and values are expected, not 0"),
        ("common: {n: 1", r"mine\.yaml, line 1: not YAML"),
        ("common: {n: 1}\nevents:\n\tseed: 1", "line 3: not YAML as profiles have it: found character '\\\\t'"),
        ("common: {n: 1}\n02_two: {n: 2}\ncommon: {n: 3}", "line 3: .*'common' stands twice, first in line 1: join"),
        ("common:\n  n: 1\n  share: 1\n  n: 2", "line 4: .*'n' stands twice, first in line 2"),
        ("expect: {auc: {'deep, low': 0.7, 'deep, low': 0.8}}", "'deep, low' stands twice"),
        ("common: &a {n: 1}\n02_two: *a", r"line 1: .*anchors \(&\), aliases \(\*\) and tags \(!\) are not taken"),
        ("a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]", "line 1: .*anchors"),
        ("common: {n: !!python/object/apply:os.getpid []}", "line 1: .*tags"),
        ("common: {n: !!int x}", "line 1: .*tags"),
        ("? [1]\n: 2", "line 1: .*a name is expected before the colon"),
        ("[" * 5000, "too deep within each other"),
        ("common: {n: 1}\n# \x01", "line 2: the character '.x01' is not allowed"),
        ("common: {n: 1}\n---\ncommon: {n: 2}", "another document"),
        ("events: {seed: -1}", r"events: seed is -1, but must be a whole number in \[0, "),
        ("events: {n_events: 0}", "events: n_events is 0, but must be a whole number of at least 1"),
        ("events: {physics: 1}", "events, physics: names and values are expected, not 1"),
        (
            "events: {physics: {m_tip: 1}}",
            "events, physics: unknown parameter 'm_tip'; the nearest of [0-9]+ known ones are m_top, ",
        ),
        ("events: {physics: {order_tag_shift: .nan}}", "order_tag_shift is nan, but must be a number that is finite"),
        ("events: {physics: {m_top: -.inf}}", "m_top is -inf, but must be a number that is finite"),
        ("events: {physics: {m_top: heavy}}", "m_top is 'heavy', but must be a number"),
        ("events: {physics: {m_top: true}}", "m_top is True, but must be a number"),
        ("events: {physics: {m_top: 1}}", "events, physics: .*kinematically forbidden: choose m_top >"),
        ("expect: {auc: {deep: 0.7}}", "'deep' is not of the form \"classifier, features\""),
        ("expect: {auc: {'deep, low': 70}}", r"deep, low is 70, but must be a number in \[0, 1\]"),
        ("expect: {minutes: {03_three: 1}}", "expect, minutes: unknown parameter '03_three'"),
        ("expect: {hours: 1}", "unknown entry 'hours'; known are auc, minutes"),
    ],
)
def test_a_wrong_profile_is_refused_before_anything_runs(same_folder, text, message):
    with pytest.raises(ProfileError, match=message):
        write_profile(same_folder, text)


def test_an_unknown_profile_lists_the_known_ones(folder):
    write_profile(folder, "")
    with pytest.raises(ProfileError, match=r"other\.yaml: no such profile; PROFILE can be one of: mine"):
        read_profile(folder / "other.yaml", folder / "notebooks")


def test_values_at_the_edge_of_what_is_declared_are_taken(folder):
    text = """
common:
  rate: 0
  n_toys: 0
  share: 2e-3
  n: 1_000
  seeds: [0, 4_294_967_295]
  lengths: [2, 2, 2]
  sets: []
  workers: []
  name: yes
"""
    assert write_profile(folder, text).notebooks["01_one"] == {
        "rate": 0,
        "n_toys": 0,
        "share": 0.002,
        "n": 1000,
        "seeds": [0, 4294967295],
        "lengths": [2, 2, 2],
        "sets": [],
        "workers": [],
        "name": "yes",
    }


def test_a_profile_in_another_encoding_is_refused_by_its_line(folder):
    (folder / "mine.yaml").write_bytes("# a\n# für Müller\nevents: {seed: 1}".encode("latin-1"))
    with pytest.raises(ProfileError, match=r"mine\.yaml, line 2: the text is not in UTF-8; save the file in this"):
        read_profile(folder / "mine.yaml", folder / "notebooks")
    (folder / "mine.yaml").write_bytes("events: {seed: 1}".encode("utf-8-sig"))
    assert read_profile(folder / "mine.yaml", folder / "notebooks").events == {"seed": 1}


def test_a_folder_without_notebooks_is_named(folder, monkeypatch):
    write_profile(folder, "")
    monkeypatch.chdir(folder / "notebooks")
    with pytest.raises(ProfileError, match=r"/notebooks/notebooks: no notebooks there; call this in the folder of the"):
        read_profile(folder / "mine.yaml")


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": 3}']
)
def test_a_broken_notebook_is_named(folder, content):
    (folder / "notebooks" / "02_two.ipynb").write_text(content)
    with pytest.raises(ProfileError, match=r"notebooks/02_two\.ipynb: not a notebook with a cell of parameters"):
        write_profile(folder, "")


@pytest.mark.parametrize("line", ["n = 3", "n: int = f()", "n: int = ", "n: dict = {}"])
def test_a_wrong_declaration_is_named(folder, line):
    write_notebook(folder / "notebooks" / "02_two.ipynb", parameters=line)
    with pytest.raises(ProfileError, match=r"notebooks/02_two\.ipynb: not a notebook with a cell of parameters"):
        write_profile(folder, "")


def test_names_that_a_profile_may_give_are_those_of_the_library():
    assert tuple(update_rules.RULES) == parameters.RULES
    declared = [name for path in NOTEBOOKS for name in parameters.read_parameters(path)]
    assert set(parameters.NAMES) <= set(declared)


def test_sizes_that_a_profile_gives_are_kept_or_refused(folder):
    """Those that it does not give are defaults, which a small file reduces."""
    events = Origin("simulated", 999, {}, "")
    write_profile(folder, "{}").check_sizes(events)
    profile = write_profile(folder, "common: {n_test: 200}")
    profile.check_sizes(replace(events, n_events=1000))
    with pytest.raises(ProfileError, match=r"999 events can .* 100 events for testing instead of 200\."):
        profile.check_sizes(events)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_default_is_valid(path):
    for parameter in parameters.read_parameters(path).values():
        assert parameter.fault(parameter.default) == ""


def test_an_int_passes_for_a_float(folder):
    assert write_profile(folder, "common: {share: 1}").notebooks["01_one"] == {"share": 1}


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_of_the_package_is_right(path):
    read = read_profile(path, ROOT / "notebooks")
    assert set(read.notebooks) == {book.stem for book in NOTEBOOKS}
    if "source" not in read.events:
        read.check_sizes(Origin("simulated", read.events["n_events"], {}, ""))
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
        assert re.match(r"\w+: (int|float|str|bool|list\[(int|float|str)\]) = .+  # .+", line)
    assert max(len(cell.source.splitlines()) for cell in code if cell not in parameters) <= 18
    assert "run" in declared_parameters(path)


def test_a_parameter_of_several_notebooks_has_one_default():
    declared = [declared_parameters(path) for path in NOTEBOOKS]
    for name in set().union(*declared):
        assert len({str(parameters[name]) for parameters in declared if name in parameters}) == 1, name

"""The README and the documentation: their examples run as they stand, and their links lead somewhere."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from repository import ROOT

import higgs_lib

README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
NEEDS_A_CLUSTER = ROOT / "docs" / "cluster.md"
EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
SPARKS_OWN = ("archives", "executor", "pyspark", "task")  # settings of Spark, such as spark.executor.memory
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")

with_examples = [page for page in PAGES if page != NEEDS_A_CLUSTER and EXAMPLE.search(page.read_text())]


def by_name(page: Path) -> str:
    return page.stem


@pytest.mark.parametrize("page", with_examples, ids=by_name)
def test_the_examples_of_a_page_run_and_print_what_it_quotes(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code, quoted in EXAMPLE.findall(page.read_text()):
        capsys.readouterr()
        exec(code, names)
        printed = capsys.readouterr().out
        if quoted:
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", quoted)
            numbers = [[float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (printed, quoted)]
            assert numbers[0] == pytest.approx(numbers[1], rel=0.1)  # training differs between processors


def test_the_readme_quotes_the_output_of_its_examples():
    examples = EXAMPLE.findall(README.read_text())
    assert any("training.fit" in code and "AUC" in quoted for code, quoted in examples)
    assert any("m_heavy_higgs=600, m_charged_higgs=400" in code and "600 GeV" in quoted for code, quoted in examples)


@pytest.mark.parametrize("code", [code for code, _ in EXAMPLE.findall(NEEDS_A_CLUSTER.read_text())])
def test_the_examples_for_a_cluster_use_names_that_exist(code):
    tree, names = ast.parse(code), {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            exec(ast.unparse(node), names)
    for name in re.findall(r"(?<![\w.\"'/])[a-z_]+(?:\.\w+)+", ast.unparse(tree)):
        if name.partition(".")[0] in names:
            eval(name, names)


@pytest.mark.parametrize("page", [README, *(ROOT / "docs").glob("*.md")], ids=by_name)
def test_names_in_prose_exist(page):
    """Checks names such as `training.fit`, which begin with what the library offers at its top."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for name in re.findall(r"`([a-z_]+(?:\.\w+)+)(?:\(.*?\))?`", prose):
        first, second, *rest = name.split(".")
        if first in dir(higgs_lib) and second not in SPARKS_OWN:
            offered = getattr(import_module(f"higgs_lib.{first}"), second)
            for attribute in rest:
                offered = getattr(offered, attribute)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_relative_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"https?:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 200


def test_the_readme_names_every_notebook_profile_and_package():
    text = README.read_text()
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "params").glob("*.yaml")]:
        assert f"`{path.stem}`" in text, path.stem
    for path in (ROOT / "higgs_lib").glob("*/__init__.py"):
        assert f"  {path.parent.name}/ " in text, path.parent.name


def test_the_index_lists_every_page():
    index = ROOT / "docs" / "README.md"
    for page in (ROOT / "docs").glob("*.md"):
        assert page == index or f"]({page.name})" in index.read_text(), page.name

"""The README's examples run as they stand; names and links in all texts lead somewhere."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from examples import examples, run
from repository import ROOT

import higgs_lib

README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
SPARKS_OWN = ("archives", "executor", "pyspark", "task")  # settings of Spark, such as spark.executor.memory


def by_name(page: Path) -> str:
    return page.stem


def test_the_examples_run_and_print_what_is_quoted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(README, capsys)


def test_the_readme_quotes_the_output_of_its_examples():
    shown = examples(README)
    assert any("training.fit" in e.code and "AUC" in e.quoted for e in shown)
    assert any("m_heavy_higgs=600, m_charged_higgs=400" in e.code and "600 GeV" in e.quoted for e in shown)


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
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md", "README.md"}  # the other index
    assert pages == set(re.findall(r"\]\((\w+\.md)\)", index.read_text()))

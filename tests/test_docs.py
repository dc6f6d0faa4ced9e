"""The documentation: its examples run, its commands exist, and it is built without a warning or a network."""

import ast
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from examples import examples, run
from repository import ROOT

import higgs_lib
from higgs_lib.__main__ import parser

DOCS = ROOT / "docs"
GUIDES = sorted(DOCS.glob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *GUIDES]
FENCE = re.compile(r"^```(\S*)$", re.MULTILINE)

with_examples = [page for page in GUIDES if any(not example.why_not for example in examples(page))]
not_run = [(page, example) for page in TEXTS for example in examples(page) if example.why_not]


def by_name(value: object) -> str | None:
    return value.stem if isinstance(value, Path) else None


@pytest.mark.parametrize("page", with_examples, ids=by_name)
def test_the_examples_of_a_page_run_and_print_what_it_quotes(page, tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    monkeypatch.chdir(tmp_path)
    run(page, capsys)


@pytest.mark.parametrize("page", TEXTS, ids=by_name)
def test_every_block_of_python_is_an_example(page):
    text, found = page.read_text(), examples(page)
    assert text.count("```python") == len(found)
    assert len(re.findall(r"^<!-- not run", text, re.MULTILINE)) == sum(bool(example.why_not) for example in found)


@pytest.mark.parametrize(("page", "example"), not_run, ids=by_name)
def test_examples_that_are_not_run_use_names_that_exist(page, example):
    names = {}
    for node in ast.parse("".join(other.code for other in examples(page))).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(ast.unparse(node), names)
    used = [node for node in ast.walk(ast.parse(example.code)) if isinstance(node, ast.Attribute)]
    checked = [name for name in map(ast.unparse, used) if name.partition(".")[0] in names]
    for name in checked:
        eval(name, names)
    assert checked


def test_a_wrong_name_in_an_example_that_is_not_run_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: needs a cluster -->\n```python\nfrom higgs_lib import spark\nspark.sesion()\n```\n")
    (example,) = examples(page)
    with pytest.raises(AttributeError):
        test_examples_that_are_not_run_use_names_that_exist(page, example)


def commands(page: Path) -> list[list[str]]:
    """Returns the words of each command of a page, without variables before it and comments behind it."""
    text, blocks, start = page.read_text(), [], None
    for fence in FENCE.finditer(text):
        if start is None:
            start = (fence[1], fence.end())
        else:
            blocks += [text[start[1] : fence.start()]] if start[0] in ("", "bash") else []
            start = None
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines if "'" not in line or line.count("'") % 2 == 0]
    return [[word for word in line if not re.match(r"[A-Z_]+=", word) or line[0] == "make"] for line in words if line]


def check_make(arguments: list[str]) -> None:
    """Checks that targets and variables of a call of make exist."""
    makefile = (ROOT / "Makefile").read_text()
    for argument in arguments:
        variable, is_variable, value = argument.partition("=")
        pattern = rf"^{re.escape(variable)} :=" if is_variable else rf"^{re.escape(argument)}:"
        assert re.search(pattern, makefile, re.MULTILINE), argument
        if variable == "PROFILE" and value != "mine":  # which own_profile.md writes
            assert (ROOT / "params" / f"{value}.yaml").is_file(), value


@pytest.mark.parametrize("page", TEXTS, ids=by_name)
def test_commands_exist(page):
    for words in commands(page):
        if words[0] == "make":
            check_make(words[1:])
        elif words[:3] == ["python", "-m", "higgs_lib"] or words[0] == "higgs-lib":
            arguments = words[1:] if words[0] == "higgs-lib" else words[3:]
            assert callable(parser().parse_args(arguments).function)
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file(), words


def test_commands_are_found_and_wrong_ones_refused():
    assert sum(words[0] == "make" for page in TEXTS for words in commands(page)) > 15
    assert sum(words[:3] == ["python", "-m", "higgs_lib"] for page in TEXTS for words in commands(page)) >= 4
    assert sum(words[0] == "higgs-lib" for page in TEXTS for words in commands(page)) >= 4
    for wrong in ("reproduces", "SIZE=1", "PROFILE=big"):
        with pytest.raises(AssertionError):
            check_make([wrong])


class Page(HTMLParser):
    """The places that a page of HTML defines, links to, and loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif tag in ("script", "img", "link", "iframe", "source"):
            self.loaded += [values[key] for key in ("src", "href") if values.get(key)]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[Path, Page]:
    """The pages of HTML, by their path, as `make docs` builds them."""
    folder = tmp_path_factory.mktemp("docs")
    recipe = re.search(r"-m sphinx (.+)", (ROOT / "Makefile").read_text())[1]
    options = recipe.replace("docs/_build", str(folder)).split()
    assert "-W" in options
    made = subprocess.run([sys.executable, "-m", "sphinx", *options], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return {path: Page(path) for path in (folder / "html").rglob("*.html") if "_static" not in path.parts}


def is_outside(place: str) -> bool:
    return bool(re.match(r"(https?:)?//", place))


def test_the_documentation_loads_nothing_from_outside(built):
    assert {f"{page.stem}.html" for page in GUIDES if page.stem != "README"} <= {path.name for path in built}
    for path, page in built.items():
        assert page.loaded
        assert not [place for place in page.loaded if is_outside(place)], path
    for style in next(iter(built)).parent.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text()), style


def test_internal_links_of_the_documentation_lead_to_places(built):
    for path, page in built.items():
        for place in [*page.links, *page.loaded]:
            target, anchor = urldefrag(place)
            if is_outside(place) or re.match(r"(data|mailto|javascript):", place):
                continue
            destination = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path.resolve()
            assert destination.exists(), (path, place)
            if anchor and destination in built:
                assert unquote(anchor) in built[destination].ids, (path, place)


def test_formulas_are_drawn_without_scripts_and_there_is_one_search(built):
    for path in built:
        html = path.read_text()
        if path.stem in ("separation", "significance", "comparisons", "scaling_laws", "probabilities"):
            assert html.count("<math") > 5
            assert not re.search(r"\\(frac|sqrt|sum)", re.sub(r"<math.*?</math>", "", html, flags=re.DOTALL)), path
        assert len(re.findall('<button[^>]*title="Search"', html)) == 1, path


def test_the_reference_has_every_name_that_a_package_offers(built):
    pages = {path.stem: page for path, page in built.items() if path.parent.name == "api"}
    assert set(pages) == set(higgs_lib.__all__)
    for package, page in pages.items():
        module = getattr(higgs_lib, package)
        for name in getattr(module, "__all__", ()):
            place = f"module-higgs_lib.{package}.{name}"
            assert {place, f"higgs_lib.{package}.{name}"} & page.ids, (package, name)

"""Renders the notebooks of a run into pages that are read from the file system, without a network."""

import re
import shutil
import tempfile
from html import escape
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx

from higgs_lib import provenance
from higgs_lib.data import origin
from higgs_lib.report import front, single_file
from higgs_lib.report.outputs import Outputs
from higgs_lib.report.profile import Profile

TITLE = "HIGGS, reproduced"
STATIC = Path(__file__).parent / "static"
PARTS = ("Physics", "Engineering")


class Page(NamedTuple):
    """One notebook of the report."""

    name: str
    """The name of the notebook, without its suffix."""
    number: int
    """Its number, with which its name begins."""
    title: str
    """Its heading."""
    question: str
    """What it asks."""
    answer: str
    """The first, bold sentence of its answer; empty where there is none."""
    part: str
    """One of PARTS."""
    minutes: float
    """The time that it took when it last ran."""


class ReportError(ValueError):
    """A report cannot be rendered; the message says why, and what to do."""


def build(folder: str | Path, profile: Profile, events: str | Path) -> Path:
    """Builds `folder`/report from the profile's notebooks that ran, and returns its index.html.

    The old report stays until then. Raises ReportError if no notebook ran, or if one that did is damaged.
    """
    folder = Path(folder)
    notebooks = [folder / "notebooks" / f"{name}.ipynb" for name in profile.notebooks]
    notebooks = [path for path in notebooks if path.exists()]
    if not notebooks:
        raise ReportError(f"{folder}/notebooks: no executed notebooks; run `make reproduce PROFILE={profile.name}`")
    shown = origin(events).description
    with tempfile.TemporaryDirectory() as temporary:
        source, html = Path(temporary, "source"), Path(temporary, "html")
        source.mkdir()
        pages = [_page(notebook, source) for notebook in notebooks]
        (source / "index.md").write_text(front.write(folder, profile.name, events, pages) + _contents(pages))
        front.attach(folder, source / "files", pages)
        _sphinx(source, html, Path(temporary, "doctrees"), shown)
        single_file.write(html, ["index", *(page.name for page in pages)], TITLE)
        _replace(folder / "report", html)
    return folder / "report" / "index.html"


def _replace(destination: Path, html: Path) -> None:
    """Puts a new report in place of an old one."""
    beside = destination.with_name(".report-partial")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(html, beside)
    shutil.rmtree(destination, ignore_errors=True)
    beside.rename(destination)


def _page(notebook: Path, source: Path) -> Page:
    """Copies a notebook as the report shows it, with its answer under its question, and returns what it is."""
    try:
        book = nbformat.read(notebook, 4)
    except (ValueError, nbformat.ValidationError) as error:
        raise ReportError(
            f"{notebook}: the executed notebook is damaged; delete it and run `make reproduce`"
        ) from error
    number = int(notebook.stem[:2])
    outputs = Outputs(notebook.stem, number)
    for cell in book.cells:
        _fold(cell)
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = outputs.rewrite(output.data["text/html"])
    book.cells = _joined(book.cells)
    title, question, *rest = book.cells[0].source.split("\n\n")
    title, question = title.lstrip("# "), " ".join(question.split()).removeprefix("**Question.** ")
    answer = _take_answer(book.cells)
    head = [f"# {number}. {title}", f'<p class="question">{escape(question, quote=False)}</p>']
    head += [f":::{{admonition}} Answer\n:class: answer\n\n{answer}\n:::"] * bool(answer)
    book.cells[0].source = "\n\n".join([*head, *rest])
    nbformat.write(book, source / notebook.name)
    minutes = (book.metadata.get("papermill", {}).get("duration") or 0) / 60
    part = book.metadata.get("higgs_lib", {}).get("part", PARTS[0])
    return Page(notebook.stem, number, title, question, _first_sentence(answer), part, minutes)


def _fold(cell: NotebookNode) -> None:
    """Folds the code of a cell away; hides imports, and the paths among the parameters that the runner set."""
    if cell.cell_type != "code":
        return
    tags, prompt = set(cell.metadata.get("tags", [])), "code"
    if "parameters" in tags:
        prompt = "parameters of this page"
    elif "injected-parameters" in tags:
        lines = [line for line in cell.source.splitlines() if not re.match(r"(run|events|measurements) = |#|$", line)]
        cell.source, prompt = "\n".join(lines), "parameters that the profile changes"
        tags |= set() if lines else {"remove-cell"}
    elif "study.header(" in cell.source:
        tags |= {"remove-cell"}
    cell.metadata["tags"] = sorted(tags | {"hide-input"})
    cell.metadata["mystnb"] = {"code_prompt_show": f"Show {prompt}", "code_prompt_hide": f"Hide {prompt}"}


def _joined(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Returns the cells, with code that shows nothing joined to the code that follows it, so that both fold as one."""
    joined: list[NotebookNode] = []
    for cell in cells:
        before = joined[-1] if joined else None
        if before and _is_plain_code(before) and not before.outputs and _is_plain_code(cell):
            before.source += f"\n\n{cell.source}"
            before.outputs = cell.outputs
        else:
            joined.append(cell)
    return joined


def _is_plain_code(cell: NotebookNode) -> bool:
    """Tells whether a cell is code without a meaning of its own, such as that of parameters or of the headline."""
    return cell.cell_type == "code" and cell.metadata.tags == ["hide-input"]


def _take_answer(cells: list[NotebookNode]) -> str:
    """Removes the outputs of the last cell, if it computes the answer, and returns them as Markdown."""
    if not cells[-2].source.startswith("## Answer"):
        return ""
    cells[-2].source = "## How the answer is computed\n\nThe answer stands at the top of this page; this is its code."
    shown = [output.get("data", {}) for output in cells[-1].get("outputs", [])]
    cells[-1].outputs = []
    return "\n\n".join(  # HTML within Markdown ends at an empty line
        data.get("text/markdown") or data["text/html"].replace("\n", " ") for data in shown if len(data) > 1
    )


def _first_sentence(answer: str) -> str:
    """Returns the bold text with which an answer begins."""
    found = re.match(r"\s*\*\*(.+?)\*\*", answer, re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _contents(pages: list[Page]) -> str:
    """Returns the table of contents, which the side bar shows."""
    trees = []
    for part in PARTS:
        names = "\n".join(page.name for page in pages if page.part == part)
        trees.append(f"```{{toctree}}\n:hidden:\n:caption: {part}\n\n{names}\n```\n" if names else "")
    return "\n".join(trees)


def _sphinx(source: Path, html: Path, doctrees: Path, shown: str) -> None:
    """Renders the pages with Sphinx."""
    settings = {
        "project": TITLE,
        "author": "",
        "language": "en",
        "extensions": ["myst_nb", "higgs_lib.report.mathml"],
        "exclude_patterns": ["files"],
        "html_extra_path": [str(source / "files")],
        "html_theme": "sphinx_book_theme",
        "html_title": TITLE,
        "html_math_renderer": "mathml",
        "html_static_path": [str(STATIC)],
        "templates_path": [str(STATIC.parent / "templates")],
        "html_context": {"default_mode": "auto"},
        "html_css_files": ["report.css"],
        "html_js_files": ["report.js"],
        "html_show_sourcelink": False,
        "html_copy_source": False,
        "html_show_copyright": False,
        "html_show_search_summary": False,  # it would fetch pages, which browsers refuse from the file system
        "html_use_index": False,
        "html_sidebars": {"**": ["front-link.html", "search-button-field.html", "sbt-sidebar-nav.html"]},
        "html_theme_options": {
            "announcement": f"Events shown: {shown}",
            "use_download_button": False,
            "use_fullscreen_button": False,
            "show_toc_level": 2,
            "toc_title": "On this page",
            "extra_footer": f"<p>{escape(provenance.describe())}</p>",
        },
        "myst_enable_extensions": ["colon_fence", "dollarmath"],
        "nb_execution_mode": "off",
        "nb_output_stderr": "remove",
        "nb_merge_streams": True,
        "nb_render_markdown_format": "myst",
    }
    app = Sphinx(
        source, None, html, doctrees, "html", confoverrides=settings, status=None, parallel=1, warningiserror=True
    )
    app.build()

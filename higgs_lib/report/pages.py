"""Renders the notebooks of a run into pages that are read from the file system, without a network."""

import re
import shutil
import tempfile
from pathlib import Path

import latex2mathml.converter
import nbformat
from docutils import nodes
from sphinx.application import Sphinx

from higgs_lib import __version__, provenance
from higgs_lib.data import origin

TITLE = "Deep learning on HIGGS"

INLINE_FORMULA = re.compile(r"\$([^$<>]+)\$")  # as pandas writes it into a table

STYLE = """
.bd-main .bd-content .bd-article-container { max-width: 70rem; }
div.output table { width: auto; margin: 0 0 1rem 0; font-size: 0.85rem; }
div.output th, div.output td { padding: 0.15rem 0.6rem; white-space: nowrap; text-align: left; }
div.output td:last-child { white-space: normal; }
div.formula { margin: 1rem 0; text-align: center; }
"""


def build(folder: str | Path, profile: str, events: str | Path) -> Path:
    """Builds `folder`/report from `folder`/notebooks and returns its index.html; the old one stays until then."""
    folder = Path(folder)
    notebooks = sorted((folder / "notebooks").glob("[0-9]*.ipynb"))
    if not notebooks:
        raise FileNotFoundError(f"{folder}/notebooks: no executed notebooks; run `make reproduce`")
    shown = origin(events).description
    with tempfile.TemporaryDirectory() as temporary:
        source, html = Path(temporary, "source"), Path(temporary, "html")
        source.mkdir()
        pages = [_page(notebook, source) for notebook in notebooks]
        (source / "index.md").write_text(_contents(pages, shown, profile))
        (source / "style").mkdir()
        (source / "style" / "report.css").write_text(STYLE)
        _sphinx(source, html, Path(temporary, "doctrees"), shown)
        _replace(folder / "report", html)
    return folder / "report" / "index.html"


def _replace(destination: Path, html: Path) -> None:
    """Puts a new report in place of an old one."""
    beside = destination.with_name(".report-partial")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(html, beside)
    shutil.rmtree(destination, ignore_errors=True)
    beside.rename(destination)


def _page(notebook: Path, source: Path) -> tuple[str, str, str, float]:
    """Copies a notebook with its code folded away; returns its name, title, question and minutes."""
    page = nbformat.read(notebook, 4)
    for cell in page.cells:
        if cell.cell_type == "code":
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
            for output in cell.outputs:
                table = output.get("data", {}).get("text/html")
                if table:
                    output.data["text/html"] = INLINE_FORMULA.sub(_mathml, table)
    nbformat.write(page, source / notebook.name)
    title, question, *_ = page.cells[0].source.split("\n\n")
    minutes = (page.metadata.get("papermill", {}).get("duration") or 0) / 60
    return notebook.stem, title.lstrip("# "), " ".join(question.split()).removeprefix("**Question.** "), minutes


def _contents(pages: list[tuple[str, str, str, float]], shown: str, profile: str) -> str:
    """Returns the front page, in Markdown."""
    rows = "\n".join(f"| [{title}]({name}.ipynb) | {text} | {minutes:.1f} |" for name, title, text, minutes in pages)
    names = "\n".join(name for name, *_ in pages)
    return f"""# {TITLE}

Can a deep network, fed only what the detector measures, do without the masses that physicists build by hand? And how
is its training made fast? This report is the notebooks of `higgs_lib` as they ran, code folded away: open "Show code"
to see it.

**The events shown:** {shown}.

| page | question | minutes |
|---|---|---|
{rows}

Profile `{profile}`, higgs_lib {__version__} ({provenance.commit() or "no git"}), on {provenance.describe()}.

```{{toctree}}
:hidden:

{names}
```
"""


def _sphinx(source: Path, html: Path, doctrees: Path, shown: str) -> None:
    """Renders the pages with Sphinx."""
    settings = {
        "project": TITLE,
        "author": "",
        "extensions": ["myst_nb", "higgs_lib.report.pages"],
        "html_theme": "sphinx_book_theme",
        "html_title": TITLE,
        "html_math_renderer": "mathml",
        "html_static_path": ["style"],
        "html_css_files": ["report.css"],
        "html_show_sourcelink": False,
        "html_copy_source": False,
        "html_show_copyright": False,
        "html_theme_options": {
            "announcement": f"Events shown: {shown}",
            "use_download_button": False,
            "use_fullscreen_button": False,
            "show_toc_level": 2,
        },
        "myst_enable_extensions": ["dollarmath"],
        "nb_execution_mode": "off",
        "nb_output_stderr": "remove",
        "nb_merge_streams": True,
        "nb_render_markdown_format": "myst",
        "nb_code_prompt_show": "Show code",
        "nb_code_prompt_hide": "Hide code",
    }
    app = Sphinx(
        source, None, html, doctrees, "html", confoverrides=settings, status=None, parallel=1, warningiserror=True
    )
    app.build()


def setup(app: Sphinx) -> dict:
    """The Sphinx extension that writes formulas as MathML, which browsers draw without any script."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_visit_inline_math, None), block_renderers=(_visit_block_math, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _mathml(formula: re.Match) -> str:
    """Returns a formula as MathML."""
    return latex2mathml.converter.convert(formula.group(1), display="inline")


def _visit_inline_math(translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    translator.body.append(latex2mathml.converter.convert(node.astext(), display="inline"))
    raise nodes.SkipNode


def _visit_block_math(translator, node: nodes.math_block) -> None:
    """Writes a formula on a line of its own."""
    translator.body.append(
        f'<div class="formula">{latex2mathml.converter.convert(node.astext(), display="block")}</div>'
    )
    raise nodes.SkipNode

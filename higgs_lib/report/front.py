"""Writes the front page of a report: what was found, on which events, beside the published values, and how."""

import json
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

import nbformat

from higgs_lib import __version__, provenance
from higgs_lib.data import origin
from higgs_lib.files import read_json, write_atomically
from higgs_lib.report.mathml import formulas
from higgs_lib.study import Run

QUESTION = "Can a deep network replace the masses that physicists build by hand?"
HEADLINE = "headline"  # the tag of the cell whose figure the front page shows, and the stored verdict
DESCRIPTION = "The study of Baldi, Sadowski and Whiteson (2014), reproduced: every number with its uncertainty."


def write(folder: Path, profile: str, events: str | Path, pages: Sequence) -> str:
    """Returns the front page in Markdown.

    Args:
        folder: the folder of the run.
        profile: the name of its profile.
        events: the file of its events.
        pages: the pages of the report (`pages.Page`).

    Returns:
        The page, without the table of contents.
    """
    headline = Run(folder).result(HEADLINE)
    meta = f'---\nmyst:\n  html_meta:\n    "description": "{DESCRIPTION}"\n    "property=og:title": "{QUESTION}"\n---\n'
    found = [_verdict(headline), _headline(folder, headline, pages)] if headline else []
    parts = []
    for part in dict.fromkeys(page.part for page in pages):
        lines = [_line(page) for page in pages if page.part == part]
        parts.append(f"### {part}\n\n" + "\n".join(lines))
    sections = [
        "## What each page found",
        *parts,
        "## How this report was made",
        _provenance(folder, profile, events, pages),
    ]
    return "\n\n".join([meta + f"# {QUESTION}", *found, *sections]) + "\n\n"


def attach(folder: Path, destination: Path, pages: Sequence) -> None:
    """Copies the executed notebooks of the pages beside them, and writes the results of the run into one file."""
    (destination / "notebooks").mkdir(parents=True)
    for page in pages:
        shutil.copy(folder / "notebooks" / f"{page.name}.ipynb", destination / "notebooks")
    run = Run(folder)
    results = {"headline": run.result(HEADLINE), "values": run.with_values(), "classifiers": run.published()}
    with write_atomically(destination / "results.json") as path:
        path.write_text(json.dumps(results, indent=1, ensure_ascii=False), "utf-8")


def _verdict(headline: dict) -> str:
    """Returns the verdict as a paragraph of HTML."""
    return f'<p class="verdict">{formulas(escape(headline["verdict"], quote=False))}</p>'


def _headline(folder: Path, headline: dict, pages: Sequence) -> str:
    """Returns the headline figure beside the table of results, as HTML without an empty line."""
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td data-label="here">{escape(ours)}</td>'
        f'<td data-label="[B]">{escape(str(published))}</td></tr>'
        for label, ours, published, _ in headline["rows"]
    )
    figure = headline_figure(folder, [page.name for page in pages])
    events = headline["rows"][0][3]  # of the first row, which has a published value beside it
    return (
        f'<div class="headline">{figure}<div class="table-box"><table><thead><tr>'
        '<th scope="col">test AUC</th><th scope="col">here, 95 %</th><th scope="col">[B]</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f'<p class="note">Training events: {escape(events)} (Baldi et al. 2014).</p></div></div>'
    ).replace("\n", " ")


def headline_figure(folder: Path, notebooks: Sequence[str]) -> str:
    """Returns the figure of the cell with the tag `headline`, as HTML; empty where no notebook has one."""
    for name in notebooks:
        for cell in nbformat.read(folder / "notebooks" / f"{name}.ipynb", 4).cells:
            if HEADLINE in cell.metadata.get("tags", []):
                return "".join(formulas(o.data["text/html"]) for o in cell.outputs if "text/html" in o.get("data", {}))
    return ""


def _line(page) -> str:
    """Returns the line of one page: its title, its question and the first sentence of its answer."""
    return f"- **[{page.number}. {page.title}]({page.name}.ipynb)** *{page.question}* {page.answer}"


def _provenance(folder: Path, profile: str, events: str | Path, pages: Sequence) -> str:
    """Returns a list of what made the results of the pages."""
    source = origin(events)
    names = [page.name for page in pages]
    files = {name: folder / "notebooks" / f"{name}.json" for name in names}
    records = {name: read_json(path) if path.exists() else None for name, path in files.items()}
    data = f" DATA={shlex.quote(Path(source.recipe['source']).name)}" if source.event_type == "file" else ""
    published = Run(folder).published()
    seeds = sorted({result["recipe"]["seed"] for result in published})
    fingerprints = Counter(result["recipe"]["events"] for result in published).most_common(
        1
    )  # others have fewer events
    minutes = sum(record["seconds"] for record in records.values() if record) / 60
    changed = [
        f"{name}: " + ", ".join(_code(f"{key} = {value!r}") for key, value in record["recipe"]["parameters"].items())
        for name, record in records.items()
        if record and record["recipe"]["parameters"]
    ]
    links = ", ".join(f'<a href="notebooks/{name}.ipynb" download>{name}</a>' for name in names)
    lines = {
        "Command": _code(f"make reproduce PROFILE={shlex.quote(profile)}{data}"),
        "Finished": f"{_finished(folder, names):%-d %B %Y, %H:%M} UTC; the notebooks took {minutes:.1f} minutes when "
        "they last ran (results that were stored before were read back)",
        "Events": source.description,
        "Fingerprint of events and split": "".join(f"`{value}`" for value, _ in fingerprints) or "none",
        "Seeds of the trainings": ", ".join(map(str, seeds)) or "none",
        "Code": f"higgs_lib {__version__}, commit {provenance.commit() or 'unknown, as there is no git'}",
        "Machine and versions": provenance.describe(),
        "Executed notebooks": links,
        "All results": '<a href="results.json" download>results.json</a>; the whole report in '
        '<a href="report.html">one file</a>, to mail',
    }
    text = "\n".join(f"- **{name}:** {value}" for name, value in lines.items())
    if not changed:
        return text + "\n- **Changed parameters:** none; every parameter is the notebooks' own default"
    listed = "\n".join(f"- {line}" for line in changed)
    return text + f"\n\n:::{{admonition}} Parameters that the profile changes\n:class: dropdown\n\n{listed}\n:::"


def _code(text: str) -> str:
    """Returns a text as code in Markdown, between more backticks than it holds, so that nothing in it has a meaning."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {' '.join(text.splitlines())} {fence}"


def _finished(folder: Path, names: list[str]) -> datetime:
    """Returns the time at which the last notebook ended."""
    books = [nbformat.read(folder / "notebooks" / f"{name}.ipynb", 4) for name in names]
    return max(datetime.fromisoformat(book.metadata["papermill"]["end_time"]) for book in books)

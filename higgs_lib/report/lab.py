"""Opens a profile's notebooks in JupyterLab, in a workspace of their own.

The workspace `runs/lab-PROFILE` holds copies of the notebooks with the profile's parameters, a start page, and the
folder `results`, which the copies read and write. What one changes there leaves the profile's run as it is:

- Binary results of the run (events, models, scores) are hard links to its files, as the library replaces files and
  never writes into them; text files are copies, as an editor writes into them.
- A file of `results` that the workspace has replaced stays. Every other one follows the run at the next start.
- A notebook whose cells were changed stays. Every other one follows the repository and the profile.

The notebooks run in this interpreter with this library, as those of a run do. JupyterLab keeps the user's settings.
"""

import ast
import hashlib
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat

from higgs_lib import study
from higgs_lib.files import read_json, write_atomically
from higgs_lib.report.kernel import jupyter_variables
from higgs_lib.report.profile import Profile, read_profile

log = logging.getLogger(__name__)

START, RESULTS, RECORD = "00_start.ipynb", "results", ".lab.json"
SETTINGS = ".settings"  # the folder of the kernels' settings and of what was typed into them
FOLDERS = ("data", "metrics", "models", "published", "scores", "workspaces")  # of a run, without pages and checkpoints
MEASUREMENTS = Path("benchmarks", "results")
LINKED = {".parquet", ".keras"}  # binary files
EVENTS = "data/events.parquet"


class Head(NamedTuple):
    """What the first cell and the metadata of a notebook say of it."""

    title: str
    question: str
    tries: list[str]
    """What a reader can try, from the items that begin with "Try:"."""
    part: str
    """ "Physics" or "Engineering"."""


class Workspace(NamedTuple):
    """A prepared workspace."""

    folder: Path
    is_finished: bool
    """Whether the profile's run is finished, so that its results are there."""
    changed: list[str]
    """Notebooks that were changed in the workspace, which stay."""


def lab(profile: str | None, run: str | None, source: str = "", options: Sequence[str] = ()) -> None:
    """Prepares the workspace of a profile and becomes the process of JupyterLab that serves it.

    Args:
        profile: a YAML file of params/; None for laptop if its run is finished, otherwise smoke.
        run: the folder of the profile's results.
        source: a file of events in UCI's format, instead of the profile's events.
        options: of JupyterLab, such as "--no-browser".

    Raises:
        ProfileError, DataError: the profile or its events cannot be used.
    """
    if profile is None:
        name = "laptop" if is_finished(Path("runs", "laptop")) else "smoke"
        profile, run = f"params/{name}.yaml", f"runs/{name}"
        print(f"Profile {name}, as runs/laptop is {'' if name == 'laptop' else 'not '}finished; PROFILE= names another")
    workspace = prepare(read_profile(profile), Path(run or Path("runs", Path(profile).stem)), source)
    print(f"Workspace: {workspace.folder} (start page: {START})", flush=True)
    places = [f"--ServerApp.root_dir={workspace.folder.resolve()}"]
    places += [f"--LabApp.default_url=/lab/tree/{START}"]
    command = [sys.executable, "-m", "jupyterlab", *places, *options]
    os.execve(sys.executable, command, jupyter_variables(workspace.folder / SETTINGS))


def is_finished(run: Path) -> bool:
    """Returns whether all notebooks of a run have run, after which its summary is written."""
    return (run / "summary.json").exists()


def prepare(profile: Profile, run: Path, source: str = "", notebooks: Path = Path("notebooks")) -> Workspace:
    """Makes or refreshes the workspace beside a run, by the rules of this module.

    Args:
        profile: the parameters of the notebooks.
        run: the folder of the profile's results, which may not exist yet.
        source: a file of events in UCI's format, instead of the profile's events.
        notebooks: the folder of the notebooks.

    Returns:
        The workspace.
    """
    folder = run.with_name(f"lab-{run.name}")
    record = _read_record(folder)
    finished = is_finished(run)
    results = {path.relative_to(run): path for name in FOLDERS for path in sorted((run / name).rglob("*"))}
    stored = {Path("measurements") / path.relative_to(MEASUREMENTS): path for path in MEASUREMENTS.rglob("*.json")}
    for relative, path in ((results if finished else {}) | stored).items():
        if path.is_file() and not path.name.startswith("."):
            _refresh(path, folder / RESULTS / relative, record["results"], str(relative))
    if not finished:
        events = profile.events | ({"source": source} if source else {})
        study.prepare(folder / RESULTS / EVENTS, **events)
        record["results"][EVENTS] = _state(folder / RESULTS / EVENTS)  # they follow the run once it is there
    changed = [name for name in profile.notebooks if not _write_notebook(profile, name, notebooks, folder, record)]
    workspace = Workspace(folder, finished, changed)
    with write_atomically(folder / START) as path:
        nbformat.write(_start_notebook(start_page(profile, run, workspace, notebooks)), path)
    with write_atomically(folder / RECORD) as path:
        path.write_text(json.dumps(record, indent=1))
    return workspace


def _read_record(folder: Path) -> dict:
    """Returns what was written into a workspace: states of `results` by path, and digests of notebooks by name."""
    path = folder / RECORD
    advice = "delete the workspace to start over, or this file to keep what is in it"
    return read_json(path, advice) if path.exists() else {"results": {}, "notebooks": {}}


def _state(path: Path) -> list[int]:
    """Returns size and time of a file, which differ once it is replaced."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _refresh(source: Path, destination: Path, states: dict[str, list[int]], name: str) -> None:
    """Brings a file of the run into the workspace, unless the workspace has replaced it."""
    if destination.exists() and (_state(destination) == _state(source) or states.get(name) != _state(destination)):
        return
    with write_atomically(destination) as path:
        if source.suffix in LINKED:
            try:
                os.link(source, path)
            except OSError:  # another file system, or one without hard links
                shutil.copy2(source, path)
        else:
            shutil.copy2(source, path)
    states[name] = _state(destination)


def _digest(book: nbformat.NotebookNode) -> str:
    """Returns a name of a notebook's cells, without their outputs."""
    cells = [(cell.cell_type, cell.source) for cell in book.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


def _write_notebook(profile: Profile, name: str, notebooks: Path, folder: Path, record: dict) -> bool:
    """Writes a notebook with its parameters into the workspace; returns False where it was changed there, and stays."""
    book, copy = nbformat.read(notebooks / f"{name}.ipynb", 4), folder / f"{name}.ipynb"
    results = folder.resolve() / RESULTS  # absolute, as Spark's workers run in other folders
    values = {"run": results, "events": results / EVENTS, "measurements": results / "measurements"}
    values = {key: str(path) for key, path in values.items()} | {"interactive": True} | profile.notebooks[name]
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = with_values(cell.source, values)
    new, written = _digest(book), record["notebooks"].get(name)
    present = _digest(nbformat.read(copy, 4)) if copy.exists() else None
    if present not in (None, new, written):
        return False
    if present != new:  # one with the same cells keeps its outputs
        with write_atomically(copy) as path:
            nbformat.write(book, path)
    record["notebooks"][name] = new
    return True


def with_values(cell: str, values: dict[str, object]) -> str:
    """Returns the code of a parameters cell with other defaults; comments and parameters that stay are as they were."""
    code = cell.encode()  # ast counts columns in bytes
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in reversed(ast.parse(cell).body):
        name, value = node.target.id, node.value
        if name in values and ast.literal_eval(value) != values[name]:
            first = starts[value.lineno - 1] + value.col_offset
            last = starts[value.end_lineno - 1] + value.end_col_offset
            code = code[:first] + _literal(values[name]).encode() + code[last:]
    return code.decode()


def _literal(value: object) -> str:
    """Returns a value as Python code in the style of the notebooks."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:_}" if type(value) is int and abs(value) >= 10_000 else repr(value)


def head(book: nbformat.NotebookNode) -> Head:
    """Reads the head of a notebook."""
    title, question, *items = book.cells[0].source.split("\n\n")
    tries = re.findall(r"^- Try: (.*(?:\n  .*)*)", "\n\n".join(items), re.MULTILINE)
    question = " ".join(question.split()).removeprefix("**Question.** ")
    part = book.metadata.get("higgs_lib", {}).get("part", "")
    return Head(title.lstrip("# "), question, [" ".join(text.split()) for text in tries], part)


def _minutes(profile: Profile, run: Path) -> dict[str, float]:
    """Returns the minutes of each notebook as measured in the run, or as the profile expects them."""
    summary = run / "summary.json"
    return profile.minutes | (read_json(summary)["minutes"] if summary.exists() else {})


def start_page(profile: Profile, run: Path, workspace: Workspace, notebooks: Path = Path("notebooks")) -> str:
    """Returns the start page of a workspace, in Markdown."""
    heads = {name: head(nbformat.read(notebooks / f"{name}.ipynb", 4)) for name in profile.notebooks}
    minutes = _minutes(profile, run)
    tables = "\n\n".join(_table(part, heads, minutes) for part in dict.fromkeys(h.part for h in heads.values()))
    state = _FINISHED if workspace.is_finished else _UNFINISHED
    changed = ", ".join(f"`{name}`" for name in workspace.changed)
    kept = f"\n\n**Kept:** you have changed {changed}, so these copies were left as they are." if changed else ""
    return f"""# Start here

Open a notebook below, change a value in its first cell with code, the *parameters*, and choose *Run > Run All Cells*.
Every parameter has a comment that says what it is. {state.format(run=run, profile=profile.name)}{kept}

{tables}

## What is where

- The notebooks in this folder are **your copies**, with the parameters of the profile `{profile.name}`. Change them as
  you like: the originals in `notebooks/`, and the results in `{run}`, which the report shows, stay as they are.
- `{RESULTS}/` is where your notebooks read and write: `data`, `models`, `scores`, `metrics`. Notebooks read the results
  of earlier ones there, so after a change in `03_training` run `04_performance` and those after it again.
- **A fresh copy:** delete or rename a notebook and call `make lab` again, which writes it anew. To start all over,
  delete the folder `{workspace.folder}`.
- Notebooks and results that you have not changed follow the repository and `{run}` at the next `make lab`.
"""


_FINISHED = """The results of `{run}` are here already: networks that were trained with the same parameters before are
read back, and a notebook takes seconds. With other parameters they are trained, which takes up to the minutes below."""

_UNFINISHED = """The events are here, but `{run}` is not finished: results are made as you run the notebooks, in their
order, and each takes about the minutes below. `make reproduce PROFILE={profile}` makes them all at once."""


def _start_notebook(text: str) -> nbformat.NotebookNode:
    """Returns the start page as a notebook, which JupyterLab opens rendered, and whose links open in it."""
    cells = [nbformat.v4.new_markdown_cell(cell, id=f"{n}") for n, cell in enumerate(re.split(r"\n\n(?=## )", text))]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _table(part: str, heads: dict[str, Head], minutes: dict[str, float]) -> str:
    """Returns the table of the notebooks of one part."""
    rows = [
        f"| [{name[:2]} {h.title}]({name}.ipynb) | {'<br>**Try:** '.join([h.question, *h.tries])} "
        f"| {f'{minutes[name]:.1f}' if name in minutes else ''} |"
        for name, h in heads.items()
        if h.part == part
    ]
    return "\n".join([f"## {part}", "", "| notebook | question | minutes |", "|---|---|---|", *rows])

"""Runs what is stale of a profile's notebooks, in the order in which they read each other, and then the report.

A notebook is stale where its recipe has changed: its text, its parameters, the events, the code of the packages that it
imports, the versions of the libraries, or the recipe of a notebook whose results it reads. The clock plays no part.
"""

import ast
import hashlib
import json
import logging
from pathlib import Path

import nbformat

from higgs_lib import data, provenance, study
from higgs_lib.files import StoredFileError, locked, read_json, write_atomically
from higgs_lib.report import notebook
from higgs_lib.report.profile import Profile, read_profile
from higgs_lib.report.terminal import Step, Terminal, duration, redirected

log = logging.getLogger(__name__)

LOOK = [Path(__file__).parent / name for name in ("static", "templates")]  # style, script and templates of the pages
MEASUREMENTS = "benchmarks/results"  # stored measurements, which some notebooks show


def _digest(value: object) -> str:
    """Returns 16 hexadecimal digits that name a value of JSON's types."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _imported(code: str) -> set[str]:
    """Returns the packages and modules of this library that a notebook's code imports."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    return {
        parts[1] if len(parts) > 1 else alias.name
        for node in nodes
        for alias in node.names
        if (parts := (node.module or "").split("."))[0] == "higgs_lib"
    }


class Recipes:
    """The recipes of a profile's notebooks for the events of one run."""

    def __init__(self, profile: Profile, events: Path, folder: Path = Path("notebooks")):
        self.profile, self.events, self.folder = profile, events, folder
        self.books = {name: nbformat.read(folder / f"{name}.ipynb", 4) for name in profile.notebooks}

    def reads(self, name: str) -> list[str]:
        """Returns the notebooks whose results a notebook reads, as its metadata lists them."""
        return self.books[name].metadata.get("higgs_lib", {}).get("reads", [])

    def order(self) -> list[str]:
        """Returns the notebooks by number, each after those that it reads."""
        ordered = []

        def add(name: str) -> None:
            for earlier in self.reads(name):
                add(earlier)
            if name not in ordered:
                ordered.append(name)

        for name in self.books:
            add(name)
        return ordered

    def recipe(self, name: str) -> dict:
        """Returns all that determines the outputs of a notebook, as JSON's types."""
        cells = self.books[name].cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        stored = sorted((self.folder.parent / MEASUREMENTS).rglob("*.json")) if MEASUREMENTS in code else []
        return {
            "text": _digest([(cell.cell_type, cell.source) for cell in cells]),
            "parameters": self.profile.notebooks[name],
            "events": data.origin(self.events).sha256,
            "code": provenance.code_versions(*sorted(_imported(code))),
            "versions": {name: provenance.stamp()[name] for name in ("python", *provenance.packages())},
            "measurements": _digest([path.read_text("utf-8") for path in stored]),
            "reads": {other: _digest(self.recipe(other)) for other in self.reads(name)},
        }


def _changes(before: dict, after: dict) -> list[str]:
    """Returns the names of the entries in which two dictionaries differ."""
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def reason(stored: dict | None, recipe: dict) -> str:
    """Returns in words why a notebook with this recipe has to run; "" where the stored one is the same."""
    if stored is None:
        return "first run"
    words = []
    for part in _changes(stored, recipe):
        before, after = stored.get(part), recipe[part]
        names = ", ".join(_changes(before, after)) if isinstance(before, dict) else ""
        words.append(f"{part} changed: {names}" if names else f"{part} changed")
    return "; ".join(words).replace("reads changed: ", "new results of ")


def _read(path: Path) -> dict | None:
    """Returns what a JSON file of a run holds; None where there is none, or a damaged one, which the log then names."""
    try:
        return read_json(path) if path.exists() else None
    except StoredFileError as error:
        log.warning("%s", error)
        return None


def _write(path: Path, content: dict) -> None:
    """Stores a dictionary as JSON."""
    with write_atomically(path) as beside:
        beside.write_text(json.dumps(content, indent=1))


def reproduce(profile: str | Path, run: str | Path, source: str = "", mirror: str = "") -> None:
    """Makes the events of a run, runs its stale notebooks and renders the report; shows one line for each step.

    Args:
        profile: a YAML file of params/.
        run: the folder of the run.
        source: a file of events in UCI's format, instead of the profile's events.
        mirror: another address of the file that the profile downloads.

    Raises:
        ProfileError, DataError, NotebookError: the run stopped; what is finished is kept.
        LockedError: another process works in the folder.
    """
    settings, run = read_profile(profile), Path(run)
    with locked(run), redirected(run / "log.txt") as terminal:
        events = run / "data" / "events.parquet"
        with Step(terminal, "events", "") as step:
            prepared = study.prepare(events, **settings.event_parameters(source, mirror))
            step.reason = prepared.description
        if not source:
            settings.check_sizes(prepared)
        _remove_damaged(terminal, settings, run)
        recipes = Recipes(settings, events)
        for name in recipes.order():
            _run_if_stale(terminal, recipes, name, run)
        _summarise(terminal, settings, run, own_events=not source)
        _render_if_stale(terminal, settings, run, events)


def _sha256(path: Path) -> str:
    """Returns the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remove_damaged(terminal: Terminal, profile: Profile, run: Path) -> None:
    """Removes stored results that are damaged, or whose files are, and lets all notebooks run again.

    Which notebook makes which result is not stored; the others read back what they need.
    """
    damaged = study.Run(run).damaged()
    if not damaged:
        return
    for name in profile.notebooks:
        (run / "notebooks" / f"{name}.json").unlink(missing_ok=True)
    for path, why in damaged.items():
        path.unlink(missing_ok=True)
        terminal.write(f"{why}: what it belongs to is made again, and all notebooks run\n")


def _run_if_stale(terminal: Terminal, recipes: Recipes, name: str, run: Path) -> None:
    """Runs a notebook unless its outputs were made by the same recipe, which is stored beside them."""
    record, recipe = run / "notebooks" / f"{name}.json", recipes.recipe(name)
    executed, stored = record.with_suffix(".ipynb"), _read(record) or {}
    finished = executed.exists() and stored.get("sha256") == _sha256(executed)
    why = reason(stored.get("recipe") if finished else None, recipe)
    if not why:
        return
    record.unlink(missing_ok=True)
    n_cells = len(recipes.books[name].cells)
    with Step(terminal, name, why) as step:

        def on_cell(*, cell_index: int, **_) -> None:
            step.progress = f"cell {cell_index + 1} of {n_cells + 1}"  # papermill adds the one with the parameters

        notebook.run(recipes.folder / f"{name}.ipynb", recipes.profile, run, on_cell=on_cell, on_stderr=step.show)
        _write(record, {"recipe": recipe, "seconds": step.seconds, "sha256": _sha256(executed)})


def _render_if_stale(terminal: Terminal, profile: Profile, run: Path, events: Path) -> None:
    """Renders the report unless it shows the present notebooks."""
    index = run / "report" / "index.html"
    records = {name: _read(run / "notebooks" / f"{name}.json") for name in profile.notebooks}
    static = [path.read_text("utf-8") for folder in LOOK for path in sorted(folder.iterdir())]
    recipe = {"code": provenance.code_version("report.pages"), "static": _digest(static), "notebooks": _digest(records)}
    if index.exists() and _read(run / "report.json") == recipe:
        terminal.write(f"Report: {index}\n")
        return
    from higgs_lib.report import pages  # Sphinx is slow to import

    with Step(terminal, "report", f"{index}"):
        pages.build(run, profile, events)
        _write(run / "report.json", recipe)


def _summarise(terminal: Terminal, profile: Profile, run: Path, *, own_events: bool) -> None:
    """Stores the time of each notebook and the AUCs beside those that the profile expects, and shows the total.

    The AUCs are expected of the profile's own events alone.
    """
    records = {name: _read(run / "notebooks" / f"{name}.json") for name in profile.notebooks}
    minutes = {name: record["seconds"] / 60 for name, record in records.items() if record}
    stored = study.Run(run)
    aucs = {
        key: study.comparison.auc(stored, *key.split(", "))._asdict()
        for key in (profile.auc if own_events else {})
        if stored.has(*key.split(", "))
    }
    expected = {"minutes": profile.minutes, "auc": profile.auc if own_events else {}}
    _write(run / "summary.json", {"minutes": minutes, "auc": aucs, "expected": expected})
    hoped = f", {duration(60 * sum(profile.minutes.values()))} expected" if profile.minutes else ""
    terminal.write(f"{'total':<20} {duration(60 * sum(minutes.values())):>6}  of all notebooks{hoped}\n")
    for key, auc in aucs.items():
        if not auc["low"] <= profile.auc[key] <= auc["high"]:
            text = f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}], {profile.auc[key]:.3f} expected"
            terminal.write(f"AUC of {key}: {text}\n")

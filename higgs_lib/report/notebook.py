"""Runs one notebook with the parameters of a profile, through papermill."""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import papermill
import yaml
from nbclient.exceptions import DeadKernelError

EVENTS, COMMON = "events", "common"  # sections of a profile that are no notebook's
GIVEN = ("run", "events")  # parameters that the runner sets
EVENT_PARAMETERS = {"source": str, "n_events": int, "seed": int, "physics": dict}


class ProfileError(ValueError):
    """A profile cannot be used; the message says which name in which file, and what would be right."""


class NotebookError(RuntimeError):
    """A notebook stopped; the message says at which cell, why, and where it can be read."""


class Profile(NamedTuple):
    """How one run differs from the notebooks' own defaults."""

    path: Path
    events: dict
    """Source, number, seed and physics of the events."""
    notebooks: dict[str, dict]
    """The parameters of each notebook, by its name without the suffix."""

    @property
    def name(self) -> str:
        return self.path.stem


def declared_parameters(notebook: Path) -> dict[str, object]:
    """Names and defaults of the parameters that a notebook declares in its cell tagged `parameters`."""
    cells = [c for c in nbformat.read(notebook, 4).cells if "parameters" in c.metadata.get("tags", [])]
    assignments = [node for cell in cells for node in ast.parse(cell.source).body if isinstance(node, ast.AnnAssign)]
    return {node.target.id: ast.literal_eval(node.value) for node in assignments}


def read_profile(path: str | Path, notebooks: str | Path = "notebooks") -> Profile:
    """The profile of a YAML file, each name and type held against what the notebooks declare; ProfileError."""
    path = Path(path)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ProfileError(f"{path}: no such profile; PROFILE can be one of: {known}")
    try:
        sections = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ProfileError(f"{path}: not YAML: {error}") from error
    declared = {file.stem: declared_parameters(file) for file in sorted(Path(notebooks).glob("[0-9]*.ipynb"))}
    _check_names(f"{path}", sections, {EVENTS, COMMON, *declared}, "section")
    for section in sections:
        sections[section] = sections[section] or {}
    _check_values(f"{path}, {EVENTS}", sections.get(EVENTS, {}), EVENT_PARAMETERS)
    everything = {name: type(value) for parameters in declared.values() for name, value in parameters.items()}
    common = sections.get(COMMON, {})
    _check_values(f"{path}, {COMMON}", common, everything)
    parameters = {}
    for name, defaults in declared.items():
        own = sections.get(name, {})
        _check_values(f"{path}, {name}", own, {parameter: type(value) for parameter, value in defaults.items()})
        parameters[name] = {key: value for key, value in common.items() if key in defaults} | own
    return Profile(path, sections.get(EVENTS, {}), parameters)


def _check_names(where: str, given, allowed: set[str], what: str) -> None:
    if not isinstance(given, dict):
        raise ProfileError(f"{where}: names and values are expected, not {given!r}")
    for name in given:
        if name not in allowed:
            raise ProfileError(f"{where}: unknown {what} {name!r}; known are {', '.join(sorted(allowed))}")


def _check_values(where: str, given, types: dict[str, type]) -> None:
    _check_names(where, given, set(types) - set(GIVEN), "parameter")
    for name, value in given.items():
        wanted = types[name]
        if not (type(value) is wanted or (wanted is float and type(value) is int)):
            raise ProfileError(f"{where}: {name} is {value!r}, but must be of type {wanted.__name__}")


class _Progress:
    """Passes on what a notebook writes to its standard error, less what libraries note at start-up."""

    NOTES = re.compile(r"WARNING: All log messages|[IWE]\d{4} \d\d|.*TqdmWarning|  from .autonotebook|\s*$")

    def write(self, text: str) -> None:
        if not all(self.NOTES.match(line) for line in text.split("\n")):
            sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def run(notebook: str | Path, profile: Profile, folder: str | Path) -> Path:
    """Executes a notebook and stores it, with its outputs, in `folder`/notebooks; NotebookError if it stops.

    While it runs, and after it failed, it is called running-NAME.
    """
    notebook, folder = Path(notebook), Path(folder).resolve()
    if notebook.stem not in profile.notebooks:
        raise NotebookError(f"{notebook}: no such notebook; there are {', '.join(profile.notebooks)}")
    finished = folder / "notebooks" / notebook.name
    running = finished.with_name(f"running-{notebook.name}")
    running.parent.mkdir(parents=True, exist_ok=True)
    given = {"run": str(folder), "events": str(folder / "data" / "events.parquet")}
    declared = declared_parameters(notebook)
    parameters = {key: value for key, value in given.items() if key in declared} | profile.notebooks[notebook.stem]
    try:
        papermill.execute_notebook(
            notebook, running, parameters, kernel_name="python3", cwd=notebook.parent, stderr_file=_Progress()
        )
    except papermill.PapermillExecutionError as error:
        message = re.sub(r"\x1b\[[0-9;]*m", "", error.evalue)  # IPython colours some messages
        raise NotebookError(
            f"{notebook.name}, cell {error.exec_count}: {error.ename}: {message}\nThe notebook as it stood: {running}"
        ) from error
    except DeadKernelError as error:
        raise NotebookError(
            f"{notebook.name}: its kernel died, perhaps for lack of memory\nThe notebook as it stood: {running}"
        ) from error
    running.replace(finished)
    return finished

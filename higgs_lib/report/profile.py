"""Profiles: how the parameters of a run differ from the notebooks' own, and what to expect of it."""

import ast
from pathlib import Path
from typing import NamedTuple

import nbformat
import yaml

EVENTS, COMMON, EXPECT = "events", "common", "expect"  # sections of a profile that belong to no single notebook
PATHS = ("run", "events", "measurements")  # parameters that no profile sets
EVENT_PARAMETERS = {"source": str, "n_events": int, "seed": int, "physics": dict}


class ProfileError(ValueError):
    """A profile cannot be used; the message names the file and the entry, and says what would be right."""


class Profile(NamedTuple):
    """How one run differs from the notebooks' defaults."""

    path: Path
    events: dict
    """Source, number, seed and physics of the events."""
    notebooks: dict[str, dict]
    """The parameters of each notebook, by its name without the suffix."""
    minutes: dict[str, float]
    """The expected minutes of each notebook on the machine that the profile's head names."""
    auc: dict[str, float]
    """The expected test AUC by "classifier, features"."""

    @property
    def name(self) -> str:
        """The name that `make PROFILE=` takes."""
        return self.path.stem


def declared_parameters(notebook: Path) -> dict[str, object]:
    """Returns names and defaults of the parameters that a notebook declares in its cell tagged `parameters`."""
    cells = [c for c in nbformat.read(notebook, 4).cells if "parameters" in c.metadata.get("tags", [])]
    assignments = [node for cell in cells for node in ast.parse(cell.source).body if isinstance(node, ast.AnnAssign)]
    return {node.target.id: ast.literal_eval(node.value) for node in assignments}


def read_profile(path: str | Path, notebooks: str | Path = "notebooks") -> Profile:
    """Reads a profile from a YAML file and checks every name and type against what the notebooks declare.

    Raises:
        ProfileError: there is no such file, it is not YAML, or an entry is unknown or has the wrong type.
    """
    path = Path(path)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ProfileError(f"{path}: no such profile; PROFILE can be one of: {known}")
    try:
        sections = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ProfileError(f"{path}: not YAML: {error}") from error
    declared = {file.stem: declared_parameters(file) for file in sorted(Path(notebooks).glob("[0-9]*.ipynb"))}
    _check_names(f"{path}", sections, {EVENTS, COMMON, EXPECT, *declared}, "section")
    sections = {name: section or {} for name, section in sections.items()}
    events, common, expect = (sections.get(name, {}) for name in (EVENTS, COMMON, EXPECT))
    _check_values(f"{path}, {EVENTS}", events, EVENT_PARAMETERS)
    everywhere = {name: type(value) for parameters in declared.values() for name, value in parameters.items()}
    _check_values(f"{path}, {COMMON}", common, everywhere)
    _check_names(f"{path}, {EXPECT}", expect, {"minutes", "auc"}, "entry")
    minutes, auc = expect.get("minutes", {}), expect.get("auc", {})
    _check_values(f"{path}, {EXPECT}, minutes", minutes, dict.fromkeys(declared, float))
    _check_values(f"{path}, {EXPECT}, auc", auc, dict.fromkeys(auc, float))
    parameters = {}
    for name, defaults in declared.items():
        own = sections.get(name, {})
        _check_values(f"{path}, {name}", own, {parameter: type(value) for parameter, value in defaults.items()})
        parameters[name] = {key: value for key, value in common.items() if key in defaults} | own
    return Profile(path, events, parameters, minutes, auc)


def _check_names(where: str, section: object, known: set[str], what: str) -> None:
    """Raises ProfileError unless a section maps known names to values."""
    if not isinstance(section, dict):
        raise ProfileError(f"{where}: names and values are expected, not {section!r}")
    for name in section:
        if name not in known:
            raise ProfileError(f"{where}: unknown {what} {name!r}; known are {', '.join(sorted(known))}")


def _check_values(where: str, section: object, types: dict[str, type]) -> None:
    """Raises ProfileError unless a section maps known names to values of their types."""
    _check_names(where, section, set(types) - set(PATHS), "parameter")
    for name, value in section.items():
        if not (type(value) is types[name] or (types[name] is float and type(value) is int)):
            raise ProfileError(f"{where}: {name} is {value!r}, but must be of type {types[name].__name__}")

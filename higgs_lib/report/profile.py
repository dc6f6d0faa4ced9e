"""Profiles: how the parameters of a run differ from the notebooks' own, and what to expect of it."""

import reprlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from higgs_lib import data
from higgs_lib.data import NAMED_SPLITS, DataError
from higgs_lib.data.splits import MIN_EVENTS
from higgs_lib.report import strict_yaml
from higgs_lib.report.parameters import Parameter, declared_parameters, read_parameters
from higgs_lib.simulation import SimulationParameters, changed_parameters

__all__ = ["Profile", "ProfileError", "declared_parameters", "read_profile"]

EVENTS, COMMON, EXPECT = "events", "common", "expect"  # sections of a profile that belong to no single notebook
PATHS = {"run", "events", "measurements"}  # parameters that no profile sets
SPLIT = {"n_test", "n_validation"}  # parameters that have one value in a run, so that its tables are of the same events
N_LISTED = 20  # names that a message lists
EVENT_PARAMETERS = {
    name: Parameter(name, type_)
    for type_, names in ((str, ("source", "split", "split_indices", "mirror")), (int, ("n_events", "seed")))
    for name in names
}


class ProfileError(ValueError):
    """A profile cannot be used; the message names the file and the entry, and says what would be right."""


class Profile(NamedTuple):
    """How one run differs from the notebooks' defaults."""

    path: Path
    events: dict
    """Source, split, number, seed and physics of the events."""
    notebooks: dict[str, dict]
    """The parameters of each notebook, by its name without the suffix."""
    minutes: dict[str, float]
    """The expected minutes of each notebook on the machine that the profile's head names."""
    auc: dict[str, float]
    """The expected test AUC by "classifier, features"."""
    sizes: dict[str, int]
    """The numbers of test and validation events that the profile itself sets."""

    @property
    def name(self) -> str:
        """The name that `make PROFILE=` takes."""
        return self.path.stem

    def check_sizes(self, origin: data.Origin) -> None:
        """Raises ProfileError unless the profile's own events give the sizes that it sets; defaults may be reduced."""
        asked = data.Sizes(self.sizes.get("n_test", 1), self.sizes.get("n_validation", 1))
        if "split" in origin.recipe or origin.n_events < MIN_EVENTS:  # which have checks of their own
            return
        if changes := asked.reduced(origin.n_events).describe_changes(asked):
            raise ProfileError(
                f"{self.path}, {COMMON}: a fifth of the profile's {origin.n_events:,} events can be for testing and a "
                f"tenth for validation. {changes}"
            )

    def event_parameters(self, source: str = "", mirror: str = "") -> dict:
        """Returns the arguments of `study.prepare`, with another source or mirror where they are given."""
        own = {"source": source, "mirror": mirror}
        return self.events | {name: value for name, value in own.items() if value}


def read_profile(path: str | Path, notebooks: str | Path = "notebooks") -> Profile:
    """Reads a profile from a YAML file and checks every name and value against what the notebooks declare.

    Raises:
        ProfileError: there is no such file, it is not YAML, an entry is unknown or invalid, or there are no notebooks.
    """
    path = Path(path)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ProfileError(f"{path}: no such profile; PROFILE can be one of: {known}")
    try:
        sections = strict_yaml.parse(path.read_bytes())
    except ValueError as error:
        raise ProfileError(f"{path}, {error}") from error
    declared = _declared(Path(notebooks))
    sections = _section(f"{path}", sections, {EVENTS, COMMON, EXPECT, *declared}, "section")
    events = _event_parameters(f"{path}, {EVENTS}", sections.get(EVENTS))
    everywhere = {name: parameter for parameters in declared.values() for name, parameter in parameters.items()}
    common = _values(f"{path}, {COMMON}", sections.get(COMMON), everywhere)
    parameters = {}
    for name, known in declared.items():
        own = _values(f"{path}, {name}", sections.get(name), known)
        if alone := sorted(SPLIT & own.keys()):
            raise ProfileError(
                f"{path}, {name}: {alone[0]} has one value for all notebooks; set it in the section {COMMON}"
            )
        parameters[name] = {key: value for key, value in common.items() if key in known} | own
    expect = _section(f"{path}, {EXPECT}", sections.get(EXPECT), {"minutes", "auc"}, "entry")
    minutes = _numbers(f"{path}, {EXPECT}, minutes", expect.get("minutes"), Parameter("", float), set(declared))
    aucs = _section(f"{path}, {EXPECT}, auc", expect.get("auc"))
    if unnamed := next((key for key in aucs if not isinstance(key, str) or key.count(", ") != 1), None):
        raise ProfileError(f'{path}, {EXPECT}, auc: {unnamed!r} is not of the form "classifier, features"')
    auc = _numbers(f"{path}, {EXPECT}, auc", aucs, Parameter("", float, comment="in [0, 1]"), set(aucs))
    sizes = {name: common[name] for name in sorted(SPLIT & common.keys())}
    return Profile(path, events, parameters, minutes, auc, sizes)


def _declared(notebooks: Path) -> dict[str, dict[str, Parameter]]:
    """Returns the parameters of each notebook of a folder; raises ProfileError where there are none."""
    files = sorted(notebooks.glob("[0-9]*.ipynb"))
    if not files:
        raise ProfileError(
            f"{notebooks.resolve()}: no notebooks there; call this in the folder of the repository, which holds "
            "notebooks/ and params/"
        )
    try:
        return {file.stem: read_parameters(file) for file in files}
    except ValueError as error:
        raise ProfileError(f"{error}") from error


def _section(where: str, section: object, known: set[str] | None = None, what: str = "parameter") -> dict:
    """Returns a section of a profile, {} for an empty one; raises ProfileError unless it maps known names to values.

    Args:
        where: the place of the section, for the message.
        section: what the file has there.
        known: the names that it may have; None: any.
        what: the word for such a name.
    """
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ProfileError(f"{where}: names and values are expected, not {reprlib.repr(section)}")
    for name in section:
        if known is not None and name not in known:
            raise ProfileError(f"{where}: unknown {what} {reprlib.repr(name)}; {_names_near(f'{name}', known)}")
    return section


def _names_near(name: str, known: set[str]) -> str:
    """Returns the known names in words, or of many only those that are spelled most alike."""
    if len(known) <= N_LISTED:
        return f"known are {', '.join(sorted(known))}"
    return f"the nearest of {len(known)} known ones are {', '.join(get_close_matches(name, known, 5, 0))}"


def _values(where: str, section: object, declared: Mapping[str, Parameter]) -> dict:
    """Returns a section of parameters; raises ProfileError for an unknown name or an invalid value."""
    section = _section(where, section, set(declared) - PATHS)
    for name, value in section.items():
        if words := declared[name].fault(value):
            raise ProfileError(f"{where}: {name} {words}")
    return section


def _numbers(where: str, section: object, of: Parameter, known: set[str]) -> dict[str, float]:
    """Returns a section of numbers that are all of one type; raises ProfileError for any other."""
    return _values(where, section, {name: of._replace(name=name) for name in known})


def _event_parameters(where: str, section: object) -> dict:
    """Returns the section of the events; raises ProfileError for an unknown name or an invalid value."""
    section = _section(where, section, {*EVENT_PARAMETERS, "physics"})
    _values(where, {name: value for name, value in section.items() if name != "physics"}, EVENT_PARAMETERS)
    if section.get("split", "") not in ("", *NAMED_SPLITS):
        raise ProfileError(f"{where}: split is {section['split']!r}, but must be one of {'; '.join(NAMED_SPLITS)}")
    if "physics" not in section:
        return section
    any_number = Parameter("", float, comment="in (-inf, inf)")
    physics = _numbers(f"{where}, physics", section["physics"], any_number, set(SimulationParameters.names()))
    try:
        changed_parameters(physics)
    except DataError as error:
        raise ProfileError(f"{where}, physics: {error}") from error
    return section | {"physics": physics}

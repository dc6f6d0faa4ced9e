"""Recognises the columns of a file of events by their names, whose spelling differs, and other data sets by theirs."""

import re
from collections.abc import Sequence

from higgs_lib.data.features import COLUMNS, COMPLETE, LABEL
from higgs_lib.data.readers.mapping import FIRST, LAST, Mapping
from higgs_lib.data.text import FormError

ATLAS = (
    "the ATLAS Higgs challenge of 2014 (Kaggle, CERN open data), another data set with other features, of Higgs bosons "
    "that decay to tau leptons"
)
SUSY = "UCI SUSY, another data set, with 18 features of other collisions"
HEPMASS = "UCI HEPMASS, another data set, with 27 features of other collisions"
FOREIGN = {
    r"der(mass|pt|deltar|prodeta|lep|sumpt|met)\w*|pri(tau|lep|met|jet)\w*|kaggle(set|weight)": ATLAS,
    r"mt2|mtr2|mr|sr|axialmet|metrel|mdeltar|dphirb|costhetar1": SUSY,
}
"""Names of columns, spelt as `spelling` does, that tell another data set."""

INDEX = {"unnamed0", "indexlevel0"}
"""What pandas calls the index of a frame, which is not read, unless its name is empty."""

SYNONYMS = {
    LABEL: ("label", "class", "classlabel", "target", "y", "issignal"),
    "missing_energy": ("missingenergymagnitude", "missingenergy", "met", "missinget"),
    "missing_energy_phi": ("missingenergyphi", "metphi", "missingetphi"),
}
"""Other names of columns, spelt as `spelling` does."""

ENOUGH_FOREIGN = 3  # names of another data set tell it
MOST_SHOWN = 5  # names in an error


def spelling(name: str) -> str:
    """Returns a name in lower case, with letters and digits alone: "jet 1 b-tag" and "jet1b.tag" are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


KNOWN = {spelling(name): name for name in COLUMNS} | {
    synonym: name for name, synonyms in SYNONYMS.items() for synonym in synonyms
}


def recognise(names: Sequence[str], mapping: Mapping) -> tuple[str | None, ...]:
    """Returns what each column of a file with these names is: one of `data.COLUMNS`, None for the index of pandas.

    Raises FormError, with the names that it does not understand, where names and mapping do not say it.
    """
    check_foreign(names)
    names = list(names)
    used = [n for n, name in enumerate(names) if not _is_index(name)]
    if same := sorted({names[n] for n in used if names.count(names[n]) > 1}):
        raise FormError(f"several columns are called {_listed(same)}: give each a name of its own")
    if len(used) < len(COLUMNS):
        found = {KNOWN.get(spelling(names[n])) for n in used} - {None}
        absent = f"; missing are {_listed([c for c in COLUMNS if c not in found])}" if found else ""
        raise FormError(f"{len(used)} columns, where {len(COLUMNS)} are expected{absent}")
    label = _label(names, used, mapping)
    features = [n for n in used if n != label]
    result: list[str | None] = [None] * len(names)
    result[label] = LABEL
    for n, name in zip(features, _features([names[n] for n in features], mapping), strict=True):
        result[n] = name
    return tuple(result)


def _is_index(name: str) -> bool:
    """Tells whether a column is the index of a frame of pandas."""
    return not name.strip() or spelling(name) in INDEX


def check_foreign(names: Sequence[str]) -> None:
    """Raises FormError where names of columns are those of another data set."""
    spelt = {spelling(name) for name in names}
    if {"f0", "f26"} <= spelt and "f27" not in spelt:
        raise FormError(f"the columns are those of {HEPMASS}")
    for pattern, what in FOREIGN.items():
        if sum(bool(re.fullmatch(pattern, name)) for name in spelt) >= ENOUGH_FOREIGN:
            raise FormError(f"the columns are those of {what}")


def _label(names: list[str], used: list[int], mapping: Mapping) -> int:
    """Returns the number of the label's column."""
    if mapping.label in (FIRST, LAST):
        return used[0] if mapping.label == FIRST else used[-1]
    if mapping.label is not None:
        same = [n for n in used if names[n] == mapping.label] or [
            n for n in used if spelling(names[n]) == spelling(mapping.label)
        ]
        if len(same) != 1:
            raise FormError(f"label is {mapping.label!r}, but {len(same) or 'none'} of the columns {_listed(names)} is")
        return same[0]
    labels = [n for n in used if KNOWN.get(spelling(names[n])) == LABEL]
    if len(labels) != 1:
        shown = _listed([names[n] for n in labels or used])
        why = f"any of {shown} may be the label" if labels else f"none of the columns {shown} is called label or class"
        raise FormError(f"{why}; name it with `higgs-lib ingest --label NAME` (or first, or last)")
    return labels[0]


def _features(names: list[str], mapping: Mapping) -> Sequence[str]:
    """Returns what each of the columns beside the label is; raises FormError unless that is each feature once."""
    understood = [KNOWN.get(spelling(name)) for name in names]
    if mapping.columns is not None:
        _check_agreement(names, understood, mapping.columns)
        return mapping.columns
    unknown = [name for name, column in zip(names, understood, strict=True) if column in (None, LABEL)]
    absent = [column for column in COMPLETE if column not in understood]
    if unknown and not absent:
        raise FormError(f"{_listed(unknown)} are no columns of UCI HIGGS: write the events without them")
    if unknown:
        raise FormError(
            f"the columns {_listed(unknown)} are not understood, and {_listed(absent)} are missing; if the file has "
            "these 28 features, name them in the order of its columns with `higgs-lib ingest --columns "
            f"{COMPLETE[0]},{COMPLETE[1]},...`"
        )
    if len(understood) != len(COMPLETE) or absent:
        twice = sorted({name for name in names if understood.count(KNOWN[spelling(name)]) > 1})
        advice = f", and {_listed(absent)} is missing" if absent else ": write the events without one"
        raise FormError(f"the columns {_listed(twice)} are the same feature twice{advice}")
    return [column for column in understood if column]


def _check_agreement(names: list[str], understood: list[str | None], columns: tuple[str, ...]) -> None:
    """Raises FormError where the names of a file's columns contradict those that the user gives."""
    if len(names) != len(columns):
        raise FormError(
            f"columns names {len(columns)} features, and the file has {len(names)} columns beside the label"
        )
    for name, column, given in zip(names, understood, columns, strict=True):
        if column not in (None, given):
            raise FormError(f"the column {name!r} is {column}, but columns says {given}: leave columns out, or mend it")


def _listed(names: Sequence[str]) -> str:
    """Returns the first names, quoted, and how many more there are."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(repr(name) for name in names[:MOST_SHOWN]) + more

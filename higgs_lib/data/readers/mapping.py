"""What a user says of a file of events, and what its reader finds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, COMPLETE

FIRST, LAST = "first", "last"


@dataclass(frozen=True)
class Mapping:
    """What a user says of a file whose form does not tell everything."""

    label: str | None = None
    """The column of the label: its name, "first" or "last"; for a NumPy array, the path of the file of labels."""
    columns: tuple[str, ...] | None = None
    """The 28 features, as this library names them, in the order of the file."""
    drops_missing: bool = False
    """Whether rows with missing values are left out; otherwise they are refused."""

    @classmethod
    def of(cls, label: str | None, columns: Sequence[str] | None, missing: str) -> "Mapping":
        """Returns the mapping that a user gives; raises DataError for one that fits no file."""
        if missing not in ("refuse", "drop"):
            raise DataError(f'missing is {missing!r}: give "refuse", or "drop" to leave out rows with missing values')
        if label is not None and not label:
            raise DataError('label is empty: give the name of a column, "first" or "last"')
        if columns is not None and sorted(columns) != sorted(COMPLETE):
            raise DataError(f"columns: the 28 features are expected, each once{_difference(columns)}")
        return cls(label, None if columns is None else tuple(columns), missing == "drop")

    def order(self) -> tuple[str, ...]:
        """Returns the 28 features in the order of the file, which is UCI's unless the user gives another."""
        return self.columns or COMPLETE

    def file_of_labels(self) -> Path | None:
        """Returns the path that the label is; None if it is no name."""
        return None if self.label in (None, FIRST, LAST) else Path(f"{self.label}")

    def recipe(self) -> dict[str, Any]:
        """Returns what the user says, for the recipe of the events."""
        missing = "drop" if self.drops_missing else None
        said = {"label": self.label, "columns": self.columns and list(self.columns), "missing": missing}
        return {name: value for name, value in said.items() if value}


def _difference(columns: Sequence[str]) -> str:
    """Returns in words how a list of features differs from the 28."""
    unknown = [name for name in columns if name not in COMPLETE]
    twice = sorted({name for name in columns if name in COMPLETE and list(columns).count(name) > 1})
    absent = [name for name in COMPLETE if name not in columns]
    parts = {"unknown": unknown, "given twice": twice, "missing": absent}
    return "".join(f"; {what}: {', '.join(map(repr, names))}" for what, names in parts.items() if names)


@dataclass
class Findings:
    """What a reader finds in a file; complete when all blocks are read."""

    form: str = ""
    """The form of the file, e.g. "CSV with a header"."""
    columns: tuple[str | None, ...] = COLUMNS
    """What each column of the file is; None for one that is not read."""
    packing: list[str] = field(default_factory=list)
    """How the file is compressed, from the outside."""
    is_uci: bool = False
    """Whether the file is UCI's own, by its sha256."""
    parts: dict[str, int] = field(default_factory=dict)
    """The numbers of events of the parts that the file comes in, in the order of the rows."""
    n_dropped: int = 0
    """The number of rows that are left out since a value is missing."""

    def recipe(self) -> dict[str, Any]:
        """Returns the findings for the recipe of the events; the columns where they are not in UCI's order."""
        names = list(self.columns) if self.columns != COLUMNS else []
        found = {"packing": self.packing, "file_columns": names, "parts": self.parts, "n_dropped": self.n_dropped}
        return {"form": self.form} | {name: value for name, value in found.items() if value}

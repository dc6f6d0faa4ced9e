"""What a run has made: all that does not measure time, to be compared with the same of another run."""

import json
from pathlib import Path

import nbformat
import pyarrow.parquet as pq

from higgs_lib.data import origin

OF_TIME = {
    *("made_with", "seconds", "events_per_second", "phases", "start_up", "measured"),
    *("service_seconds", "n_bytes"),  # of a parameter server, whose messages hold times in words
    *("code", "machine"),  # of the recipe: what made it, not what it is
}
"""Entries of stored results that differ from one run to the next."""

BY_CHANCE = ("asynchronous-DOWNPOUR",)
"""Results to which asynchronous workers contribute in an order of their own: they are there, with other numbers."""

IN_WORDS = ("asynchronous", "learning")
"""Results that are sentences, in which times or results of BY_CHANCE are quoted."""


def without_times(value: object) -> object:
    """Returns a value of JSON's types without its entries of OF_TIME."""
    if isinstance(value, dict):
        return {key: without_times(entry) for key, entry in value.items() if key not in OF_TIME}
    return [without_times(entry) for entry in value] if isinstance(value, list) else value


def results(run: Path) -> dict[str, object]:
    """Returns everything that a run has made and that another run of the same profile makes equally."""
    made = {"events": origin(run / "data" / "events.parquet").sha256}
    for path in sorted((run / "metrics").glob("*.json")):
        result = without_times(json.loads(path.read_text()))
        told_only = path.stem in IN_WORDS or path.stem.startswith(BY_CHANCE)
        made[f"metrics/{path.stem}"] = sorted(result) if told_only else result
    for path in sorted((run / "scores").glob("*.parquet")):
        made[f"scores/{path.stem}"] = pq.read_table(path).to_pydict()
    for path in sorted((run / "published").glob("*.json")):
        made[f"published/{path.stem}"] = json.loads(path.read_text())
    for folder, pattern in (("models", "*"), ("workspaces", "*"), ("report", "*.html")):
        made[folder] = sorted(path.name for path in (run / folder).glob(pattern))
    for path in sorted((run / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, 4).cells
        shown = [[output.output_type for output in cell.get("outputs", [])] for cell in cells]
        made[f"notebooks/{path.stem}"] = [[kind for kind in kinds if kind != "stream"] for kinds in shown]  # no logs
    return made


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """Returns the places in which the results of two runs differ."""
    return sorted(_places("", one, other))


def _places(place: str, one: object, other: object) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        found = [f"{place}/{key}: only in one" for key in one.keys() ^ other.keys()]
        return found + [p for key in one.keys() & other.keys() for p in _places(f"{place}/{key}", one[key], other[key])]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        if "scores/" in place and one != other:
            return [f"{place}: {sum(a != b for a, b in zip(one, other, strict=True))} of {len(one)} differ"]
        return [p for n, pair in enumerate(zip(one, other, strict=True)) for p in _places(f"{place}/{n}", *pair)]
    return [] if one == other else [f"{place}: {one!r:.60} and {other!r:.60}"]

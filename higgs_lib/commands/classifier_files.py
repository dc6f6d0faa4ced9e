"""The files of classifiers: a model with a record of what made it."""

import json
import zipfile
from pathlib import Path

from higgs_lib.commands.parsing import FEATURE_SETS, PARTS, CommandError
from higgs_lib.files import write_atomically
from higgs_lib.models import archive


def save_model(model, destination: Path, record: dict) -> None:
    """Writes a Keras model with the record of what made it, which Keras ignores."""
    with write_atomically(destination) as path:
        model.save(path)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(archive.RECORD, json.dumps(record, indent=1))


def read_model_file(path: str | Path) -> tuple[dict, dict | None]:
    """Returns Keras' own metadata of a `.keras` file, and the record of what made it; None where there is none.

    Raises ModelFileError if it is not a `.keras` file, and CommandError if its record is not one of `save_model`.
    """
    metadata, record = archive.read_keras(Path(path))
    if record is not None and not _is_record(record):
        raise CommandError(f"{path}: its record of what made it ({archive.RECORD}) is wrong; train or save it again")
    return metadata, record


def _is_record(record: dict) -> bool:
    """Tells whether the record of a model names a known feature set, and whole parts of its events."""
    events, splits = record.get("events"), record.get("splits")
    if record.get("features") not in FEATURE_SETS or not isinstance(events, dict) or not isinstance(splits, dict):
        return False
    edges = [edge for rows in splits.values() for edge in (rows if isinstance(rows, list) else [None])]
    return (
        list(splits) == list(PARTS)
        and all(type(edge) is int for edge in [*edges, events.get("n_events")])
        and len(edges) == 2 * len(PARTS)
        and edges[0] >= 0
        and edges == sorted(edges)
        and edges[-1] <= events["n_events"]
    )

"""Converts files of events in any of their forms to Parquet, with every value checked."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from higgs_lib.data import parquet, text
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, POSITIVE
from higgs_lib.data.parquet import EventWriter, Origin
from higgs_lib.data.readers import forms
from higgs_lib.data.readers.compression import DamagedStreamError
from higgs_lib.data.readers.forms import Source
from higgs_lib.data.readers.mapping import Findings, Mapping
from higgs_lib.data.samples import check_classes
from higgs_lib.data.splits import MIN_EVENTS, Sizes
from higgs_lib.files import write_atomically
from higgs_lib.provenance import code_version

MOST_SHOWN = 3  # columns in a warning

log = logging.getLogger(__name__)


def ingest(
    source: str | Path,
    destination: str | Path,
    *,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    missing: str = "refuse",
) -> Origin:
    """Converts a file of UCI HIGGS' events, in any of the forms of docs/own_data.md, to Parquet.

    It takes bounded memory, and warns of events that are sorted by their class. On an error no file is left.

    Args:
        source: Text (CSV, ARFF, libsvm; also in gzip, bzip2, xz or zip), Parquet, a NumPy array, a ROOT tree (FILE or
            `FILE:TREE`), or a folder of arrays of training, validation and test events. The content tells which.
        destination: The Parquet file.
        label: The column of the label, its name, "first" or "last"; for a NumPy array the path of the file of labels.
            Without it, the column's name or UCI's order tells.
        columns: The 28 features, as `data.COMPLETE` names them, in the order of the file. Without it, their names or
            UCI's order tell.
        missing: "refuse", or "drop" for leaving out rows with missing values.

    Returns:
        The origin of the events, whose recipe says the form of the file, the mapping and how many rows were left out.
        A Parquet file of this library keeps its own.

    Raises:
        DataError: the file is of another data set, needs a mapping, is damaged, or a row (from 1, without header and
            empty lines) does not hold 29 finite numbers with a label of 0 or 1; or `destination` is `source`.
    """
    source, destination = Source.of(source), Path(destination)
    mapping = Mapping.of(label, columns, missing)
    recipe = _recipe(source, mapping)
    for file in source.files(mapping):
        if destination.exists() and destination.samefile(file):
            raise DataError(f"{destination}: is the source itself, which would be lost; give another name")
    stored = parquet.origin(source.path) if source.is_own() else None
    findings = Findings()
    with write_atomically(destination) as path, EventWriter(path) as writer:
        _write_events(source, mapping, findings, writer)
        if stored is None:
            origin = writer.close("uci" if findings.is_uci else "file", recipe | {"found": findings.recipe()})
        else:
            origin = writer.close(stored.event_type, stored.recipe)
            parquet.check_values(source.path, stored, origin.sha256)
    if findings.n_dropped:
        n_rows = origin.n_events + findings.n_dropped
        log.warning(
            "%s: %s of %s rows left out for missing values", source.path, f"{findings.n_dropped:,}", f"{n_rows:,}"
        )
    if stored is None:
        _warn_if_impossible(source.path, destination)
    _warn_if_sorted(destination, origin.n_events)
    return origin


def _warn_if_impossible(source: Path, events: Path) -> None:
    """Warns of momenta and masses that are not positive, as where columns have another order; Parquet stores minima."""
    metadata = pq.read_metadata(events)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    smallest = {name: min(group.column(COLUMNS.index(name)).statistics.min for group in groups) for name in POSITIVE}
    if impossible := [f"{name} is {value:g}" for name, value in smallest.items() if value <= 0]:
        log.warning(
            "warning: %s: momenta and masses are positive in every event of UCI HIGGS, and here %s: are these its "
            "columns, in its order?",
            source,
            ", ".join(impossible[:MOST_SHOWN]),
        )


def _warn_if_sorted(path: Path, n_events: int) -> None:
    """Warns if the last events are of one class, as in a file that is sorted: it can be scored, but not trained on."""
    if n_events >= MIN_EVENTS:
        try:
            check_classes(path, Sizes(n_events, n_events).reduced(n_events).split(n_events))
        except DataError as error:
            log.warning("warning: %s", error)


def file_recipe(source: str | Path) -> dict[str, Any]:
    """Returns what determines the events of a user's file without reading it: which file, and the code that reads it.

    That of a Parquet file of this library is its own. Raises DataError if there is no such file.
    """
    return _recipe(Source.of(source), Mapping())


def _recipe(source: Source, mapping: Mapping) -> dict[str, Any]:
    """Returns what determines the events of a source that is read with a mapping."""
    if source.is_own():
        return parquet.origin(source.path).recipe
    status = [file.stat() for file in source.files(mapping)]
    return {
        "source": str(source.path.resolve()) + (f":{source.tree}" if source.tree else ""),
        "bytes": sum(file.st_size for file in status),
        "modified_ns": max(file.st_mtime_ns for file in status),
        "code": code_version("data"),
        **mapping.recipe(),
    }


def _write_events(source: Source, mapping: Mapping, findings: Findings, writer: EventWriter) -> None:
    """Writes the events of a source, without the rows with missing values that the mapping drops.

    Raises DataError for the first invalid row, and for a file that is not read, damaged, or without rows.
    """
    path, n_rows = source.path, 0
    try:
        with contextlib.closing(forms.read(source, mapping, findings)) as blocks:
            for values in blocks:
                n_rows += len(values)
                if mapping.drops_missing:
                    values = values[~np.isnan(values).any(1)]
                writer.write(values)
    except text.InvalidRowError as error:
        raise DataError(f"{path}, row {n_rows + error.row + 1}{error}") from error
    except text.FormError as error:
        raise DataError(f"{path}: {error}") from error
    except text.LongLineError as error:
        raise DataError(f"{path}, row {n_rows + 1}: {error}, where {len(COLUMNS)} columns are expected") from error
    except DamagedStreamError as error:
        raise DataError(f"{path}: damaged or cut short after row {n_rows:,} ({error}); fetch it again") from error
    findings.n_dropped = n_rows - writer.n_events
    if writer.n_events == 0:
        what = "rows, all with missing values" if n_rows else "no rows"
        raise DataError(f"{path}: the file holds {what}; 29 columns per row are expected")

"""NumPy arrays: features with a file of labels, all 29 columns in one, or a folder with three parts of both."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, COMPLETE, LABEL
from higgs_lib.data.parquet import ROW_GROUP
from higgs_lib.data.readers import numeric
from higgs_lib.data.readers.delimited import by_position
from higgs_lib.data.readers.mapping import Findings, Mapping
from higgs_lib.data.text import FormError

PARTS = {"training": "train", "validation": "val", "test": "test"}
"""The parts of a folder, in the order of the events, as its files call them."""

FEATURES = ("X_num_{}.npy", "N_{}.npy", "X_{}.npy")
LABELS = ("Y_{}.npy", "y_{}.npy")
CATEGORIES = re.compile(r"(X_cat|C|X_bin)_\w+\.npy")
N_SAMPLE = 100  # rows, from which the place of the label is judged


def read(source: Path, mapping: Mapping, findings: Findings) -> Iterator[np.ndarray]:
    """Yields the events of an array (n, 28) with a file of labels, or of an array (n, 29)."""
    array, findings.form = _load(source), "NumPy array"
    labels = mapping.file_of_labels()
    if labels is not None:
        findings.form, findings.columns = "NumPy arrays of features and labels", (LABEL, *mapping.order())
        yield from _pair(source, labels, findings.columns, mapping)
        return
    if array.ndim == 2 and array.shape[1] == len(COMPLETE):
        raise FormError("28 columns and no label; give the file of labels: `higgs-lib ingest --label LABELS.npy`")
    _check_shape(source, array, len(COLUMNS))
    sample = [[f"{value}".encode() for value in row] for row in array[:N_SAMPLE]]
    findings.columns = by_position(sample, mapping)
    yield from _blocks(array[:, :0], array, findings.columns, mapping)


def read_folder(source: Path, mapping: Mapping, findings: Findings) -> Iterator[np.ndarray]:
    """Yields the training, validation and test events of a folder of arrays, and counts each part."""
    pairs = folder_files(source)
    if mapping.label is not None:
        raise FormError(f"label is {mapping.label!r}, but the folder has files of labels: leave label out")
    findings.form, findings.columns = "folder of NumPy arrays", (LABEL, *mapping.order())
    for part, (features, labels) in pairs.items():
        findings.parts[part] = 0
        for events in _pair(features, labels, findings.columns, mapping):
            findings.parts[part] += int(np.isfinite(events).all(1).sum())
            yield events


def folder_files(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Returns the files of features and labels of each part; raises DataError for a folder without all of them."""
    names = {path.name for path in folder.iterdir()}
    if others := sorted(filter(CATEGORIES.fullmatch, names)):
        raise DataError(f"{folder}: has categorical features ({others[0]}), and UCI HIGGS has none")
    pairs = {}
    for part, short in PARTS.items():
        features = [name.format(short) for name in FEATURES if name.format(short) in names]
        labels = [name.format(short) for name in LABELS if name.format(short) in names]
        if len(features) != 1 or len(labels) != 1:
            raise DataError(
                f"{folder}: is a folder; give the file of events in it, or a folder with N_{short}.npy (or "
                f"X_num_{short}.npy) and y_{short}.npy for each of train, val and test"
            )
        pairs[part] = (folder / features[0], folder / labels[0])
    return pairs


def _pair(features: Path, labels: Path, columns: tuple[str | None, ...], mapping: Mapping) -> Iterator[np.ndarray]:
    """Yields the events of a file of features and one of labels."""
    table, label = _load(features), _load(labels)
    _check_shape(features, table, len(COMPLETE))
    if label.shape not in ((len(table),), (len(table), 1)):
        raise DataError(
            f"{labels}: an array {label.shape}, where a label for each of {len(table):,} events is expected"
        )
    yield from _blocks(label.reshape(len(table), 1), table, columns, mapping)


def _blocks(
    labels: np.ndarray, table: np.ndarray, columns: tuple[str | None, ...], mapping: Mapping
) -> Iterator[np.ndarray]:
    """Yields blocks of events whose columns are those of `labels` and `table` side by side."""
    places = numeric.ordered(columns)
    for first in range(0, len(table), ROW_GROUP):
        block = [*labels[first : first + ROW_GROUP].T, *table[first : first + ROW_GROUP].T]
        values = [block[place] for place in places]
        yield numeric.checked(values, [place + 1 for place in places], keeps_missing=mapping.drops_missing)


def _load(path: Path) -> np.ndarray:
    """Opens an array of numbers without reading it; raises DataError for other contents."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file of labels") from error
    except ValueError as error:  # also arrays of Python objects, whose loading would run code
        raise DataError(f"{path}: not an array of numbers (.npy), damaged or cut ({error})") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: an array of {array.dtype}, where numbers are expected")
    return array


def _check_shape(path: Path, array: np.ndarray, n_columns: int) -> None:
    """Raises DataError unless an array has rows of as many columns."""
    if array.ndim != 2 or array.shape[1] != n_columns:
        raise DataError(f"{path}: an array {array.shape}, where rows of {n_columns} columns are expected")

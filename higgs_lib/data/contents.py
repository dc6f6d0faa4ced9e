"""Checks that a file of events holds the data set that it is taken for: numbers of events, and the ranges of features.

The bounds are wide enough for samples of some 10,000 events of UCI HIGGS, in whose columns every momentum and mass is
divided by about its mean, and every angle and pseudorapidity by about its spread.
"""

from pathlib import Path

import numpy as np

from higgs_lib.data import kinematics
from higgs_lib.data.datasets import Dataset
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COMPLETE, POSITIVE
from higgs_lib.data.parquet import origin
from higgs_lib.data.samples import load

MEAN_OF_POSITIVE = (0.9, 1.1)  # of momenta and masses
MEAN_OF_DIRECTIONS = (-0.05, 0.05)  # of angles and pseudorapidities
SPREAD_OF_DIRECTIONS = (0.94, 1.06)
LARGEST_PHI, LARGEST_ETA = 1.75, 3.0
TAG_ROUNDING = 1e-3  # of the levels of a b-tag, as text may have fewer digits


def check_contents(path: str | Path, dataset: Dataset, *, name: str = "") -> None:
    """Raises DataError unless an events file has the rows, the signal events and the ranges of a data set.

    The message begins with `name`, that of the file that the events came from, or otherwise with `path`.
    """
    name = name or f"{path}"
    n_rows = origin(path).n_events
    if n_rows != dataset.n_rows:
        raise DataError(
            f"{name}: {n_rows:,} events, but {dataset.title} has {dataset.n_rows:,} without missing values; delete it "
            "and fetch it again, or name another mirror"
        )
    n_signal = int(load(path, (), range(n_rows)).labels.sum())
    if dataset.n_signal and n_signal != dataset.n_signal:
        raise DataError(
            f"{name}: {n_signal:,} signal events, but {dataset.title} has {dataset.n_signal:,}; it is another file"
        )
    for column in COMPLETE:
        if fault := _fault(column, load(path, (column,), range(n_rows)).features[:, 0]):
            raise DataError(f"{name}, column {column}: {fault}, so this is not {dataset.title} in its normalised units")


def _fault(name: str, values: np.ndarray) -> str:
    """Returns what is wrong with the values (n,) of a feature, "" if nothing is."""
    if name.endswith("b_tag"):
        levels = kinematics.B_TAG_LEVELS[int(name[4]) - 1]
        distance = np.abs(values[:, None] - levels).min(1)
        where = int(distance.argmax())
        listed = ", ".join(f"{level:.4g}" for level in levels)
        return f"{values[where]:g} is none of the levels {listed}" if distance[where] > TAG_ROUNDING else ""
    mean = float(values.mean(dtype=float))
    if name in POSITIVE:
        if values.min() <= 0:
            return f"{values.min():g} is not positive"
        return _outside("the mean", mean, MEAN_OF_POSITIVE)
    limit = LARGEST_PHI if name.endswith("phi") else LARGEST_ETA
    largest = float(np.abs(values).max())
    return (
        _outside("the largest absolute value", largest, (0, limit))
        or _outside("the mean", mean, MEAN_OF_DIRECTIONS)
        or _outside("the standard deviation", float(values.std(dtype=float)), SPREAD_OF_DIRECTIONS)
    )


def _outside(what: str, value: float, bounds: tuple[float, float]) -> str:
    """Returns that a value is outside its bounds, "" if it is not."""
    low, high = bounds
    return "" if low <= value <= high else f"{what} is {value:.4g}, not between {low:g} and {high:g}"

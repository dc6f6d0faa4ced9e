"""Checks the numbers of files that hold no text: Parquet, NumPy arrays and ROOT trees."""

from collections.abc import Sequence

import numpy as np

from higgs_lib.data import text
from higgs_lib.data.features import COLUMNS


def checked(values: Sequence[np.ndarray], positions: Sequence[int], *, keeps_missing: bool) -> np.ndarray:
    """Returns events (n, 29), float32.

    Args:
        values: the columns (n,) of any type of numbers, in the order of `data.COLUMNS`.
        positions: of these columns in the file, from 1.
        keeps_missing: whether NaN is valid.

    Returns:
        The values.

    Raises:
        InvalidRowError: a value is not finite, does not fit into float32, or is no label of 0 or 1.
    """
    with np.errstate(over="ignore"):
        events = np.stack([column.astype(np.float32) for column in values], 1)
    if not text.are_valid(events, keeps_missing=keeps_missing):
        valid = np.isfinite(events) | (np.isnan(events) if keeps_missing else False)
        valid[:, 0] &= np.isin(events[:, 0], (0, 1)) | np.isnan(events[:, 0])
        row, column = np.argwhere(~valid)[0].tolist()
        raise text.invalid_value(row, positions[column], COLUMNS[column], f"{values[column][row]}".encode())
    return events


def ordered(columns: Sequence[str | None]) -> list[int]:
    """Returns the numbers, from 0, of a file's columns in the order of `data.COLUMNS`."""
    places = list(columns)
    return [places.index(name) for name in COLUMNS]

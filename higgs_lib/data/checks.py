"""Checks and converts what the kinematics are given; every ValueError says what would be right.

NaN is not refused: what cannot be known of an event is NaN in all that follows from it.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike


def check_floats(name: str, values: ArrayLike) -> np.ndarray:
    """Returns numbers as float32 where they are, as the features in files, otherwise as float64."""
    values = np.asarray(values)
    if values.dtype == np.float32:
        return values
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, not {values.dtype}")
    return values.astype(float, copy=False)


def check_four_vectors(name: str, p: ArrayLike) -> np.ndarray:
    """Returns four-vectors (4, ...) of E, px, py, pz as float64; squares of float32 would lose small masses."""
    p = check_floats(name, p).astype(float, copy=False)
    if p.ndim == 0 or len(p) != 4:
        raise ValueError(f"{name} must be four-vectors (4, ...) of E, px, py, pz, not of shape {p.shape}")
    return p


def check_b_tags(name: str, b_tags: ArrayLike) -> np.ndarray:
    """Returns b-tags; raises ValueError unless all are 0, 1 or 2."""
    b_tags = check_floats(name, b_tags)
    wrong = ~np.isin(b_tags, (0, 1, 2))
    if wrong.any():
        raise ValueError(f"{name} must be 0 without a tag, 1 for a loose or 2 for a tight one, not {b_tags[wrong][0]}")
    return b_tags


def check_feature(name: str, known: Collection[str]) -> str:
    """Returns the name of a feature; raises ValueError unless it is known."""
    if name not in known:
        raise ValueError(f"unknown feature {name!r}: choose one of {', '.join(known)}")
    return name

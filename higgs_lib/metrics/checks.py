"""Checks and converts what the functions of this package are given; every ValueError says what would be right.

Numbers become float64. Scores stay float32 where they are, as sorting these is exact and takes a third of the time.
"""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Events(NamedTuple):
    """The events of both classes as they are counted."""

    is_signal: np.ndarray
    """Whether each event is signal, (n,) bool."""
    values: np.ndarray
    """Their scores or other values (n,), float32 or float64, none of them NaN."""
    n_signal: int
    n_background: int


def check_events(labels: ArrayLike, values: ArrayLike, name: str = "scores") -> Events:
    """Returns events with one label and one value each.

    Raises ValueError if there are none, the lengths differ, a label is neither 0 nor 1, or a value is NaN.
    """
    labels, values = np.asarray(labels), check_floats(name, values)
    if labels.ndim != 1 or labels.shape != values.shape:
        raise ValueError(f"labels {labels.shape} and {name} {values.shape} must be of one length")
    if not len(labels):
        raise ValueError(f"there are no events: labels and {name} are empty")
    is_signal = labels == 1
    n_signal, n_background = (int(np.count_nonzero(of_class)) for of_class in (is_signal, labels == 0))
    if n_signal + n_background != len(labels):
        raise ValueError(
            f"labels must be 1 for signal or 0 for background, not {labels[~is_signal & (labels != 0)][0]}"
        )
    if np.isnan(values.max()):  # finds any NaN, and in one pass
        bad = np.flatnonzero(np.isnan(values))
        raise ValueError(f"{len(bad)} of {len(values)} {name} are NaN, the first that of event {bad[0]} (from 0)")
    return Events(is_signal, values, n_signal, n_background)


def is_correct(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Tells which events (n,) are on the right side of a score of 0.5, on which itself is background.

    Raises the errors of `check_events`.
    """
    events = check_events(labels, scores)
    return (events.values > 0.5) == events.is_signal


def check_scores(labels: ArrayLike, scores: ArrayLike) -> Events:
    """Returns events of both classes; raises the errors of `check_events`, or ValueError if a class is missing."""
    events = check_events(labels, scores)
    if min(events.n_signal, events.n_background) == 0:
        raise ValueError(
            f"a ROC curve needs both classes, but all {len(events.values)} labels are {int(events.n_signal > 0)}"
        )
    return events


def check_spread(n_signal: int, n_background: int) -> None:
    """Raises ValueError for fewer than two events of a class, of which no variance can be measured."""
    if min(n_signal, n_background) < 2:
        raise ValueError(
            f"an interval needs at least two events of each class, not {n_signal} of signal and {n_background} of "
            "background"
        )


def check_probabilities(labels: ArrayLike, scores: ArrayLike) -> Events:
    """Returns events of both classes with float64 scores in [0, 1]; raises the errors of `check_scores`, or for others.

    As labels are compared with the scores, both are needed in full precision.
    """
    events = check_scores(labels, scores)
    low, high = events.values.min(), events.values.max()
    if low < 0 or high > 1:
        raise ValueError(f"scores from {low:g} to {high:g} are no probabilities: use a sigmoid output")
    return events._replace(values=events.values.astype(float))


def check_numbers(name: str, values: ArrayLike, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Returns numbers of any shape as float64; raises ValueError unless all are finite and in [low, high]."""
    values = check_floats(name, values).astype(float)
    right = np.isfinite(values) & (values >= low) & (values <= high)
    if not right.all():
        limits = {(True, True): "", (False, True): f" and at least {low:g}"}.get((low == -np.inf, high == np.inf))
        limits = f" and from {low:g} to {high:g}" if limits is None else limits
        raise ValueError(f"{name} must be finite{limits}, not {values[~right].flat[0]:g}")
    return values


def check_whole(name: str, value: int, least: int) -> int:
    """Returns a whole number as an int; raises ValueError unless it is at least `least`."""
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value}")
    return int(value)


def check_level(level: float) -> float:
    """Returns a confidence level; raises ValueError unless it is between 0 and 1."""
    if not (isinstance(level, Real) and 0 < level < 1):
        raise ValueError(f"a confidence level is above 0 and below 1, such as 0.95, not {level}")
    return float(level)


def check_floats(name: str, values: ArrayLike) -> np.ndarray:
    """Returns numbers as float32 where they are, otherwise as float64; raises ValueError for what are no numbers."""
    array = np.asarray(values)
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind not in "biufO":
        raise ValueError(f"{name} must be numbers, not {array.dtype}")
    try:
        return array.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error

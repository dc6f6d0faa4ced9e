"""Chooses single events by the score of a classifier, for a reader to look at."""

import numpy as np

KINDS = (
    "typical signal",
    "typical background",
    "signal that looks like background",
    "background that looks like signal",
)


def select(labels: np.ndarray, scores: np.ndarray, n_events: int) -> dict[str, np.ndarray]:
    """Returns the rows (n_events,) of each of `KINDS` of events, the clearest example first.

    Typical events have scores next to the median of their class; the others are those that the classifier gets most
    wrong.

    Args:
        labels: labels (n,), 1 for signal and 0 for background.
        scores: scores (n,), higher for signal.
        n_events: the number of events of each kind.

    Returns:
        Fewer rows where a class has fewer events.
    """
    signal, background = np.flatnonzero(labels > 0.5), np.flatnonzero(labels < 0.5)
    distances = (
        (signal, np.abs(scores[signal] - np.median(scores[signal]))),
        (background, np.abs(scores[background] - np.median(scores[background]))),
        (signal, scores[signal]),
        (background, -scores[background]),
    )
    return {
        kind: rows[np.argsort(distance, kind="stable")[:n_events]]
        for kind, (rows, distance) in zip(KINDS, distances, strict=True)
    }

"""States what a run found, for the front page of the report."""

from typing import NamedTuple

from higgs_lib.data import Origin
from higgs_lib.metrics import Interval
from higgs_lib.study import comparison, published
from higgs_lib.study.run import Run

ROWS = {
    "shallow network on masses": ("shallow", "high"),
    "deep network on detector features": ("deep", "low"),
    "modern network on detector features": ("modern", "low"),
    "network with kinematic features on detector features": ("kinematic", "low"),
}
"""Label, classifier and features of the rows."""


class Headline(NamedTuple):
    """The result of a run in a sentence and a table."""

    verdict: str
    """What was found, on which events; one sentence."""
    rows: list[list[str]]
    """Label, our test AUC with its interval, the published one or "", and the events of both."""


def headline(run: Run, events: Origin) -> Headline:
    """Returns the headline of a run whose classifiers were trained on `events`."""
    aucs = {key: comparison.auc(run, *key) for key in ROWS.values()}
    masses = "shallow, high"
    over = {name: comparison.difference(run, f"{name}, low", masses) for name in ("modern", "deep")}
    n_training = {key: run.results(*key)[0]["recipe"]["n_training"] for key in aucs}
    verdict = (
        f"On {events.name} ({n_training['modern', 'low']:,} for training) a modern network on detector features "
        f"(AUC {aucs['modern', 'low']}) is {_relation(over['modern'])} a shallow one on the masses "
        f"({aucs['shallow', 'high'].value:.3f}); the original deep one ({aucs['deep', 'low'].value:.3f}) is "
        f"{_relation(over['deep'])} the shallow one."
    )
    theirs = {(r.classifier, r.features): r for r in published.TABLE_3_1 if r.source == "B"}
    rows = []
    for label, key in ROWS.items():
        other = theirs.get(key)
        of_both = f"{n_training[key]:,} {events.name}" + (f"; [B]: {other.n_training:,} UCI events" if other else "")
        rows.append([label, f"{aucs[key]}", f"{other.auc:.3f}" if other else "", of_both])
    return Headline(verdict, rows)


def _relation(difference: Interval) -> str:
    """Returns in words whether a paired difference is positive, negative or neither."""
    return "better than" if difference.low > 0 else "worse than" if difference.high < 0 else "not distinguishable from"

"""Our results beside the published ones, and what was measured about each gap."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from higgs_lib.metrics import Interval, auc_difference, auc_interval, mean_interval
from higgs_lib.study import published
from higgs_lib.study.run import Run

QUARTER = "_quarter"  # ends the classifier of a classifier trained on a quarter of the events


class ClassifierSummary(NamedTuple):
    """One classifier of classifier on one feature set, over its seeds."""

    classifier: str
    features: str
    auc: Interval
    """On test events: mean over the seeds."""
    seeds: int
    n_training: int
    per_doubling: float
    """Gain in test AUC for each doubling of the training events, between a quarter and all."""
    epochs: int
    """The longest training; 0 for what has no epochs."""
    rising: float
    """Gain in validation AUC in the last quarter of the epochs; nan for what has no epochs."""
    overfitting: float
    """Training less validation AUC at the best epoch; nan for what has no epochs."""
    simulated: bool
    """Whether the events are the built-in simulation's."""


def auc(run: Run, classifier: str, features: str, part: str = "test") -> Interval:
    """The AUC of one classifier on "test" or "validation" events, mean over its seeds."""
    return mean_interval([Interval(**result[part]["auc"]) for result in run.results(classifier, features)])


def ensemble(run: Run, classifier: str, features: str) -> Interval:
    """The test AUC of one classifier on one feature set by the mean of its seeds' scores."""
    found = [run.scores(result["name"], "test") for result in run.results(classifier, features)]
    return auc_interval(found[0].labels, np.mean([seed.scores for seed in found], 0))


def summarise(run: Run, classifier: str, features: str, *, simulated: bool) -> ClassifierSummary:
    """What a run's published results say of one classifier; FileNotFoundError if it was not trained."""
    results = run.results(classifier, features)
    trained = [result for result in results if "history" in result]
    return ClassifierSummary(
        classifier=classifier,
        features=features,
        auc=auc(run, classifier, features),
        seeds=len(results),
        n_training=results[0]["recipe"]["n_training"],
        per_doubling=_per_doubling(run, results[0]),
        epochs=max([len(result["history"]["seconds"]) for result in trained], default=0),
        rising=_mean([_rising(result) for result in trained]),
        overfitting=_mean([_overfitting(result) for result in trained]),
        simulated=simulated,
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _rising(result: dict) -> float:
    aucs = [measures["auc"] for measures in result["history"]["validation"]]
    return aucs[-1] - aucs[-1 - len(aucs) // 4]


def _best_auc(result: dict, part: str) -> float:
    return result["history"][part][result["best_epoch"] - 1]["auc"]


def training_auc(results: list[dict]) -> float:
    """AUC of nets on training events, mean over the seeds, at the epochs whose weights they have."""
    return float(np.mean([_best_auc(result, "training") for result in results]))


def _overfitting(result: dict) -> float:
    return _best_auc(result, "training") - _best_auc(result, "validation")


def _per_doubling(run: Run, full: dict) -> float:
    quarter = run.results(full["recipe"]["classifier"] + QUARTER, full["recipe"]["features"])[0]
    doublings = math.log2(full["recipe"]["n_training"] / quarter["recipe"]["n_training"])
    return (full["test"]["auc"]["value"] - quarter["test"]["auc"]["value"]) / doublings


def difference(run: Run, one: str, other: str) -> Interval:
    """Test AUC of `one` less that of `other`, each "classifier, features", with its interval.

    Both are judged on the same events, so their errors are paired: DeLong et al. 1988, seed by seed; the spread of the
    seeds' differences is added as in `mean_interval`. ValueError where they have no seed in common.
    """
    by_seed = [{r["recipe"]["seed"]: r["name"] for r in run.results(*which.split(", "))} for which in (one, other)]
    common = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not common:
        raise ValueError(f"{one} and {other} have no seed in common: their difference cannot be paired")
    pairs = [[run.scores(names[seed], "test") for names in by_seed] for seed in common]
    return mean_interval([auc_difference(a.labels, a.scores, b.scores) for a, b in pairs])


class Gap(NamedTuple):
    """A published AUC beside ours."""

    published: published.Result
    ours: ClassifierSummary
    gap: float
    """Ours less the published."""
    reason: str
    """What was measured that bears on it, in words."""


def gaps(run: Run, *, simulated: bool) -> list[Gap]:
    """Every published AUC beside ours."""
    rows = []
    for result in published.ALL:
        mine = summarise(run, result.classifier, result.features, simulated=simulated)
        gap = mine.auc.value - result.auc
        rows.append(Gap(result, mine, gap, _reason(result, mine, gap)))
    return rows


def auc_table(run: Run, *, simulated: bool) -> pd.DataFrame:
    """The same as a table to read."""
    rows = [
        (
            f"[{gap.published.source}] {gap.published.model}",
            gap.published.features,
            f"{gap.published.auc:.3f}",
            f"{gap.ours.auc}",
            f"{gap.gap:+.3f}",
            gap.reason,
        )
        for gap in gaps(run, simulated=simulated)
    ]
    return pd.DataFrame(
        rows, columns=["published", "features", "AUC", "ours, 95 %", "gap", "what was measured about it"]
    )


def significance_table(values: dict[tuple[str, str, str], Interval]) -> pd.DataFrame:
    """Every published significance beside ours; `values` by classifier, features and definition."""
    rows = [
        (
            f"[{result.source}] {result.model}",
            result.features,
            result.definition,
            f"{result.significance:.2f}",
            f"{values[result.classifier, result.features, result.definition]:.2f}",
        )
        for result in published.TABLE_3_1
        if result.significance
    ]
    return pd.DataFrame(rows, columns=["published", "features", "definition", "σ", "ours, 95 % [σ]"])


def _reason(result: published.Result, mine: ClassifierSummary, gap: float) -> str:
    """In words: agreement, or what was measured that pulls in the gap's direction; no cause that was not measured."""
    if abs(gap) <= mine.auc.high - mine.auc.value + result.rounding:
        return "agrees within the interval"
    reasons = _shortfall(result, mine) if gap < 0 else []
    if mine.simulated:
        reasons.append("built-in events, which are near to UCI's but not the same")
    return "; ".join(reasons) or "not explained by what was measured here"


def _shortfall(result: published.Result, mine: ClassifierSummary) -> list[str]:
    reasons = []
    if mine.per_doubling > 0:
        fewer = result.n_training / mine.n_training  # 0 where the source does not say
        shortage = f"{fewer:.{0 if fewer > 10 else 1}f} times fewer training events; " if fewer > 1.2 else ""
        reasons.append(f"{shortage}each doubling of ours, events and steps, still gave {mine.per_doubling:+.3f}")
    if mine.epochs and result.source in published.EPOCHS:
        theirs = published.EPOCHS[result.source]
        reasons.append(
            f"{mine.epochs} epochs, the last quarter of them gave {mine.rising:+.3f} ([{result.source}]: {theirs})"
        )
    if mine.overfitting > 0.005:
        reasons.append(f"training events score {mine.overfitting:+.3f} above validation ones: overfitting")
    return reasons

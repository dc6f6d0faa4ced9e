"""Our results next to the published ones, and what was measured about each gap."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from higgs_lib.metrics import Interval, auc_difference, auc_interval, mean_interval
from higgs_lib.study import published
from higgs_lib.study.run import Run

QUARTER = "_quarter"  # ends the name of a classifier trained on a quarter of the events


class ClassifierSummary(NamedTuple):
    """What a run says of one classifier on one feature set, over its seeds."""

    classifier: str
    """The name in files and tables."""
    features: str
    """The feature set: "low", "high" or "complete"."""
    auc: Interval
    """The test AUC, mean over the seeds."""
    seeds: int
    """The number of trainings."""
    n_training: int
    """The number of training events."""
    gain_per_doubling: float
    """The gain in test AUC for each doubling of the training events, between a quarter and all."""
    epochs: int
    """The length of the longest training; 0 for boosted trees."""
    late_gain: float
    """The gain in validation AUC in the last quarter of the epochs; nan for boosted trees."""
    overfitting: float
    """The training AUC less the validation AUC at the best epoch; nan for boosted trees."""
    simulated: bool
    """Whether the events are those of the built-in simulation."""


def auc(run: Run, classifier: str, features: str, part: str = "test") -> Interval:
    """Returns the AUC of one classifier, mean over its seeds.

    Args:
        run: the run whose published results are read.
        classifier: its name.
        features: its feature set.
        part: the events to judge on, "test" or "validation".

    Returns:
        The mean AUC with its interval, by `metrics.mean_interval`.

    Raises:
        FileNotFoundError: the run has no such results.
    """
    return mean_interval([Interval(**result[part]["auc"]) for result in run.results(classifier, features)])


def ensemble(run: Run, classifier: str, features: str) -> Interval:
    """Returns the test AUC of the mean of the scores of a classifier's seeds."""
    by_seed = [run.scores(result["name"], "test") for result in run.results(classifier, features)]
    return auc_interval(by_seed[0].labels, np.mean([seed.scores for seed in by_seed], 0))


def summarise(run: Run, classifier: str, features: str, *, simulated: bool) -> ClassifierSummary:
    """Summarises the published results of one classifier.

    Args:
        run: the run whose published results are read.
        classifier: its name.
        features: its feature set.
        simulated: whether the events are those of the built-in simulation.

    Returns:
        The summary over the seeds.

    Raises:
        FileNotFoundError: the run has no such results, of all events or of a quarter.
    """
    results = run.results(classifier, features)
    trained = [result for result in results if "history" in result]
    return ClassifierSummary(
        classifier=classifier,
        features=features,
        auc=auc(run, classifier, features),
        seeds=len(results),
        n_training=results[0]["recipe"]["n_training"],
        gain_per_doubling=_gain_per_doubling(run, results[0]),
        epochs=max([len(result["history"]["seconds"]) for result in trained], default=0),
        late_gain=_mean([_late_gain(result) for result in trained]),
        overfitting=_mean([_best_auc(result, "training") - _best_auc(result, "validation") for result in trained]),
        simulated=simulated,
    )


def _mean(values: list[float]) -> float:
    """Returns the mean, nan for an empty list."""
    return float(np.mean(values)) if values else math.nan


def _late_gain(result: dict) -> float:
    """Returns the gain in validation AUC of one training in the last quarter of its epochs."""
    aucs = [measures["auc"] for measures in result["history"]["validation"]]
    return aucs[-1] - aucs[-1 - len(aucs) // 4]


def _best_auc(result: dict, part: str) -> float:
    """Returns the AUC of one training on a part of the events at its best epoch."""
    return result["history"][part][result["best_epoch"] - 1]["auc"]


def training_auc(results: list[dict]) -> float:
    """Returns the AUC of networks on training events at their best epochs, mean over the seeds."""
    return float(np.mean([_best_auc(result, "training") for result in results]))


def _gain_per_doubling(run: Run, full: dict) -> float:
    """Returns the gain in test AUC from a quarter to all of the training events, for each doubling."""
    quarter = run.results(full["recipe"]["classifier"] + QUARTER, full["recipe"]["features"])[0]
    doublings = math.log2(full["recipe"]["n_training"] / quarter["recipe"]["n_training"])
    return (full["test"]["auc"]["value"] - quarter["test"]["auc"]["value"]) / doublings


def difference(run: Run, one: str, other: str) -> Interval:
    """Returns the test AUC of `one` less that of `other`, each "classifier, features", with its paired interval.

    Both are judged on the same events, so their errors are paired: DeLong et al. 1988, seed by seed; the spread of the
    seeds' differences is added as in `mean_interval`. Raises ValueError where they have no seed in common.
    """
    by_seed = [{r["recipe"]["seed"]: r["name"] for r in run.results(*which.split(", "))} for which in (one, other)]
    common = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not common:
        raise ValueError(
            f"{run.path}: {one} and {other} have no seed in common, so their difference cannot be paired; give "
            "02_training and 08_kinematics a common seed"
        )
    pairs = [[run.scores(names[seed], "test") for names in by_seed] for seed in common]
    return mean_interval([auc_difference(a.labels, a.scores, b.scores) for a, b in pairs])


def masses_verdict(over_high: Interval, over_complete: Interval, gain: Interval) -> str:
    """States whether a deep network on low-level features does without the masses, as far as the intervals say.

    The differences in test AUC are those of the deep network on low-level features to shallow ones on high-level and
    on complete features, and of the deep network on complete features to that on low-level ones.
    """

    def relation(difference: Interval) -> str:
        return "better than" if difference.low > 0 else "worse than" if difference.high < 0 else "compatible with"

    high, complete = relation(over_high), relation(over_complete)
    again = complete.split()[-1] if complete == high else complete  # "worse than one and than the other"
    sentences = [
        f"The deep network on low-level features is {high} the shallow network on high-level features "
        f"({over_high:+.3f}) and {again} the one on complete features ({over_complete:+.3f})."
    ]
    if high == "worse than":
        sentences.append("With these events and epochs it does not replace the high-level masses.")
    elif high == complete == "better than":
        sentences.append("It does without the high-level masses, as far as a shallow network can use them.")
    else:
        amount = "more" if high == "better than" else "as much, within the interval,"
        limit = {
            "better than": "more than from both",
            "worse than": "but less than from both",
            "compatible with": "and as much, within the interval, as from both",
        }[complete]
        sentences.append(
            f"It gets {amount} from the low-level features {'than' if amount == 'more' else 'as'} a shallow network "
            f"gets from the masses, {limit}."
        )
    if gain.low > 0:
        sentences.append(f"Given the masses as well, the deep network still gains {gain:+.3f}.")
    else:
        sentences.append(f"Given the masses as well, the deep network does not gain measurably ({gain:+.3f}).")
    return " ".join(sentences)


class Gap(NamedTuple):
    """A published AUC next to ours."""

    published: published.Result
    """The published AUC."""
    ours: ClassifierSummary
    """Our classifier."""
    gap: float
    """Our AUC less the published one."""
    reason: str
    """What was measured that bears on the gap, in words."""


def gaps(run: Run, *, simulated: bool) -> list[Gap]:
    """Compares every published AUC with ours."""
    rows = []
    for result in published.ALL:
        ours = summarise(run, result.classifier, result.features, simulated=simulated)
        gap = ours.auc.value - result.auc
        rows.append(Gap(result, ours, gap, _reason(result, ours, gap)))
    return rows


def auc_table(run: Run, *, simulated: bool) -> pd.DataFrame:
    """Returns every published AUC next to ours as a table to read."""
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
    return pd.DataFrame(rows, columns=["published", "features", "AUC", "ours, 95 %", "gap", "measured in this run"])


def significance_table(values: dict[tuple[str, str, str], Interval]) -> pd.DataFrame:
    """Returns every published significance next to ours; `values` by classifier, features and definition."""
    rows = [
        (
            f"[{result.source}] {result.model}",
            result.features,
            f"{result.significance:.2f}",
            result.definition,
            f"{values[result.classifier, result.features, result.definition]:.2f}",
        )
        for result in published.TABLE_3_1
        if result.significance
    ]
    return pd.DataFrame(rows, columns=["published", "features", "published [σ]", "our definition", "ours, 95 % [σ]"])


def _reason(result: published.Result, ours: ClassifierSummary, gap: float) -> str:
    """States agreement, or what was measured that pulls in the direction of the gap; nothing that was not measured."""
    if abs(gap) <= ours.auc.high - ours.auc.value + result.rounding:
        return "agrees within the interval" + (", on built-in events" if ours.simulated else "")
    reasons = _shortfall(result, ours) if gap < 0 else []
    if ours.simulated:
        reasons.append("built-in events")
    return "; ".join(reasons) or "not explained by any measurement here"


def _shortfall(result: published.Result, ours: ClassifierSummary) -> list[str]:
    """Returns what was measured that makes our AUC lower than the published one."""
    reasons = []
    if ours.gain_per_doubling > 0:
        ratio = result.n_training / ours.n_training  # 0 where the source does not say
        if ratio > 1.2:
            reasons.append(f"[{result.source}] had {ratio:.{0 if ratio > 10 else 1}f} times as many training events")
        reasons.append(f"each doubling of our events and steps gave {ours.gain_per_doubling:+.3f}")
    if ours.epochs and result.source in published.EPOCHS:
        theirs = published.EPOCHS[result.source]
        reasons.append(
            f"the last quarter of our {ours.epochs} epochs gave {ours.late_gain:+.3f} ([{result.source}]: {theirs})"
        )
    if ours.overfitting > 0.005:
        reasons.append(f"overfitting: the AUC is {ours.overfitting:.3f} higher on training than on validation events")
    return reasons

"""Our results next to the published ones, and what was measured about each gap."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from higgs_lib.metrics import (
    CUTS,
    AucTest,
    Experiment,
    Interval,
    auc_difference,
    auc_interval,
    best_cut,
    efficiencies,
    holm,
    jeffreys_interval,
    mean_interval,
)
from higgs_lib.study import published
from higgs_lib.study.run import Run

HALF_EPOCHS = "_half_epochs"  # ends the name of a network trained for half of the epochs
HALF_EVENTS = "_half_events"  # ends the name of a classifier trained on half of the events, which is half of the steps

CONVERGED = 0.002  # of AUC: a network that gains less from the last doubling of its epochs counts as converged

MIN_P = 1e-6  # smaller p-values are not distinguished: so far out the distribution of an AUC need not be normal

MIN_COMPARED = 4  # published AUCs of a source within the range of our classifiers, to say which definition is nearest


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
    gain_from_events: float
    """The gain in test AUC from half to all of the training events, with equal numbers of steps; nan where it was not
    measured."""
    epochs: int
    """The length of the longest training; 0 for boosted trees."""
    gain_from_epochs: float
    """The gain in test AUC from half to all of the epochs, on all events; nan where it was not measured."""
    overfitting: float
    """The AUC on training events less that on validation events."""
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


def accuracy(run: Run, classifier: str, features: str) -> Interval:
    """Returns the test accuracy of one classifier, mean over its seeds, by `metrics.mean_interval`.

    The interval of each seed is that of a fraction of the test events, by Jeffreys' prior. Raises the errors of `auc`.
    """
    intervals = []
    for result in run.results(classifier, features):
        value, n_test = result["test"]["accuracy"], result["recipe"]["n_test"]
        low, high = jeffreys_interval(np.array(value * n_test), n_test)
        intervals.append(Interval(value, float(low), float(high)))
    return mean_interval(intervals)


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
        FileNotFoundError: the run has no such results.
    """
    results = run.results(classifier, features)
    trained = [result for result in results if "history" in result]
    return ClassifierSummary(
        classifier=classifier,
        features=features,
        auc=auc(run, classifier, features),
        seeds=len(results),
        n_training=results[0]["recipe"]["n_training"],
        gain_from_events=gain_from_events(run, classifier, features),
        epochs=max([len(result["history"]["seconds"]) for result in trained], default=0),
        gain_from_epochs=gain_from_epochs(run, classifier, features),
        overfitting=auc(run, classifier, features, "training").value
        - auc(run, classifier, features, "validation").value,
        simulated=simulated,
    )


def _test_auc(run: Run, classifier: str, features: str) -> float:
    """Returns the test AUC of the first seed of a classifier; nan where it was not trained."""
    return run.results(classifier, features)[0]["test"]["auc"]["value"] if run.has(classifier, features) else math.nan


def gain_from_epochs(run: Run, classifier: str, features: str) -> float:
    """Returns the gain in test AUC from half to all of the epochs, on all events; nan where it was not measured.

    The learning rate of the shorter training falls to zero as well. Up to `CONVERGED` the network counts as converged.
    """
    return _test_auc(run, classifier, features) - _test_auc(run, classifier + HALF_EPOCHS, features)


def gain_from_events(run: Run, classifier: str, features: str) -> float:
    """Returns the gain in test AUC from half to all of the events, at equal steps; nan where it was not measured.

    Networks are compared at half of their steps, trees at all of their iterations.
    """
    networks = run.has(classifier + HALF_EPOCHS, features)
    full = _test_auc(run, classifier + HALF_EPOCHS if networks else classifier, features)
    return full - _test_auc(run, classifier + HALF_EVENTS, features)


def seconds_to(result: dict, target: float) -> float:
    """Returns the seconds of training after which a network has a validation AUC of `target`; inf if it never has.

    Between the ends of two epochs the AUC is interpolated. Every epoch counts the median time of all, so that the
    compilation in the first one is left out.
    """
    reached = np.array([0.5, *(measures["auc"] for measures in result["history"]["validation"])])
    above = np.flatnonzero(reached >= target)
    if not len(above):
        return math.inf
    last = max(int(above[0]), 1)
    part = (target - reached[last - 1]) / (reached[last] - reached[last - 1])
    return float((last - 1 + max(part, 0.0)) * np.median(result["history"]["seconds"]))


def paired_test(run: Run, one: str, other: str) -> AucTest:
    """Tests the test AUC of `one` less that of `other`, each "classifier, features", over their common seeds.

    Both are judged on the same events, so their errors are paired: DeLong et al. 1988, seed by seed. The spread of the
    seeds' differences is added as in `mean_interval`, by Student's t; with one seed the test is of the events only.
    Raises ValueError where they have no seed in common.
    """
    by_seed = [{r["recipe"]["seed"]: r["name"] for r in run.results(*which.split(", "))} for which in (one, other)]
    common = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not common:
        raise ValueError(
            f"{run.path}: {one} and {other} have no seed in common, so their difference cannot be paired; give "
            "03_training and 06_kinematics a common seed"
        )
    pairs = [[run.scores(names[seed], "test") for names in by_seed] for seed in common]
    return AucTest.from_seeds([auc_difference(a.labels, a.scores, b.scores) for a, b in pairs])


def difference(run: Run, one: str, other: str) -> Interval:
    """Returns the test AUC of `one` less that of `other` with its paired interval, as `paired_test` does."""
    return paired_test(run, one, other).difference


def difference_table(tests: Mapping[str, AucTest], meanings: Mapping[str, str]) -> pd.DataFrame:
    """Returns paired tests as a table to read, with p-values by Holm's correction for all rows.

    `tests` and `meanings`, which say what a positive difference means, are by the name of the difference.
    """
    p_values = holm([test.p_value for test in tests.values()])
    rows = [
        (
            name,
            f"{test.difference:+.4f}",
            f"{p:.1g}" if p >= MIN_P else f"below {MIN_P:g}",
            test.effect_size,
            meanings[name],
        )
        for (name, test), p in zip(tests.items(), p_values, strict=True)
    ]
    columns = ["difference in test AUC", "paired 95 % interval", "p-value, Holm", "size", "if positive"]
    return pd.DataFrame(rows, columns=columns)


def masses_verdict(network: str, over_high: Interval, over_complete: Interval, gain: Interval) -> str:
    """States whether a network on low-level features does without the masses, as far as the intervals say.

    Args:
        network: what texts call it, such as "deep network".
        over_high: its test AUC on low-level features less that of the shallow network on high-level ones.
        over_complete: the same, less that of the shallow network on complete features.
        gain: its test AUC on complete features less that on low-level ones.

    Returns:
        Two or three sentences.
    """

    def relation(difference: Interval) -> str:
        return "better than" if difference.low > 0 else "worse than" if difference.high < 0 else "compatible with"

    high, complete = relation(over_high), relation(over_complete)
    again = complete.split()[-1] if complete == high else complete  # "worse than one and than the other"
    sentences = [
        f"The {network} on low-level features is {high} the shallow network on high-level features "
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
        sentences.append(f"Given the masses as well, the {network} still gains {gain:+.3f}.")
    else:
        sentences.append(f"Given the masses as well, the {network} does not gain measurably ({gain:+.3f}).")
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
    """What was measured that bears on the gap; not that the events are built-in ones, as all rows share it."""

    @property
    def agrees(self) -> bool:
        """Whether the published AUC lies in our interval, widened by its rounding."""
        return _agrees(self.published, self.ours, self.gap)


def gaps(run: Run, *, simulated: bool) -> list[Gap]:
    """Compares every published AUC with ours."""
    rows = []
    for result in published.ALL:
        ours = summarise(run, result.classifier, result.features, simulated=simulated)
        gap = ours.auc.value - result.auc
        rows.append(Gap(result, ours, gap, _reason(result, ours, gap)))
    return rows


def gap_table(compared: list[Gap], n: int) -> pd.DataFrame:
    """Returns the `n` published AUCs that are farthest from ours as a table to read."""
    rows = [
        (
            f"[{gap.published.source}] {gap.published.model}, {gap.published.features}",
            f"{gap.published.auc:.3f}",
            f"{gap.ours.auc}",
            f"{gap.gap:+.3f}",
            gap.reason,
        )
        for gap in sorted(compared, key=lambda gap: -abs(gap.gap))[:n]
    ]
    return pd.DataFrame(rows, columns=["published", "AUC", "ours, 95 %", "gap", "measured in this run"])


def describe_gaps(compared: list[Gap]) -> str:
    """States how many published AUCs agree with ours, and what all or several of the gaps have in common."""
    agree = [gap for gap in compared if gap.agrees]
    higher = [gap for gap in compared if gap.gap < 0 and not gap.agrees]
    fewer = [gap for gap in higher if gap.published.n_training > gap.ours.n_training]
    text = (
        f"Of {len(compared)} published AUCs {len(agree)} agree with ours within the interval; "
        f"{sum(gap.gap > 0 and not gap.agrees for gap in compared)} of the others are lower than ours and "
        f"{len(higher)} are higher."
    )
    if fewer:
        text += f" For {len(fewer)} of those that are higher, the source had more training events than this run."
    if compared[0].ours.simulated:
        text += (
            " All of ours are of built-in events and all of theirs of UCI events, which may explain any of the gaps."
        )
    return text


def significance_table(values: dict[tuple[str, str, str], Interval]) -> pd.DataFrame:
    """Returns every published significance next to ours; `values` by classifier, features and definition."""
    rows = [
        (
            f"[{result.source}] {result.model}",
            result.features,
            f"{result.significance:.2f}",
            result.definition,
            f"{values[result.classifier, result.features, result.definition]:.2f}",
            f"{values['modern', result.features, result.definition]:.2f}" if result.classifier == "deep" else "",
        )
        for result in published.TABLE_3_1
        if result.significance
    ]
    columns = ["published", "features", "published [σ]", "compared by", "ours, 95 % [σ]", "modern network, 95 % [σ]"]
    return pd.DataFrame(rows, columns=columns)


def significances(run: Run, name: str, experiment: Experiment) -> dict[str, float]:
    """Returns the significance of a stored classifier by definition: on test events, at the best cut on validation."""
    definitions = list(experiment.definitions())
    validation = efficiencies(*run.scores(name, "validation"), CUTS)
    cuts = np.array([best_cut(validation, experiment, definition) for definition in definitions])
    test = efficiencies(*run.scores(name, "test"), cuts)
    return {
        definition: float(experiment.significance(definition, signal, background))
        for definition, signal, background in zip(definitions, test.signal, test.background, strict=True)
    }


class Residuals(NamedTuple):
    """How far one definition of significance is from the published significances of one source."""

    source: str
    """A key of `published.SOURCES`."""
    definition: str
    """The name of the definition."""
    values: dict[tuple[str, str], float]
    """Ours, at the published AUC, less the published significance; by classifier and features, nan where the published
    AUC is outside of the range of our classifiers."""

    @property
    def compared(self) -> np.ndarray:
        """The residuals (n,) that are not nan."""
        values = np.array(list(self.values.values()))
        return values[~np.isnan(values)]

    @property
    def rms(self) -> float:
        """The root mean square of the residuals; nan where there are none."""
        return float(np.sqrt(np.mean(self.compared**2))) if len(self.compared) else math.nan


def residuals(aucs: np.ndarray, values: Mapping[str, np.ndarray]) -> list[Residuals]:
    """Compares each definition of significance with each published column at equal AUC.

    Significance is a smooth function of the AUC for classifiers of one kind of events, so a cubic through ours is read
    at the published AUC. It is not read outside of the range of our AUCs.

    Args:
        aucs: the test AUC of our classifiers (n,).
        values: their significance by each definition (n,).

    Returns:
        The residuals for each source and definition.
    """
    compared = []
    for source in published.DEFINITIONS:
        rows = [r for r in published.TABLE_3_1 if r.source == source and r.significance]
        for definition, of_classifiers in values.items():
            curve = np.polynomial.Polynomial.fit(aucs, of_classifiers, 3)
            left = {
                (r.classifier, r.features): float(curve(r.auc)) - r.significance
                if min(aucs) <= r.auc <= max(aucs)
                else math.nan
                for r in rows
            }
            compared.append(Residuals(source, definition, left))
    return compared


def residual_table(compared: list[Residuals]) -> pd.DataFrame:
    """Returns residuals in standard deviations as a table to read: root mean square and range, by definition."""
    rows = {}
    for r in compared:
        row, name = rows.setdefault(r.definition, {"definition": r.definition}), f"[{r.source}]"
        row[f"{name} rms [σ]"] = f"{r.rms:.2f}" if len(r.compared) else "-"
        row[f"{name} from, to [σ]"] = f"{r.compared.min():+.2f}, {r.compared.max():+.2f}" if len(r.compared) else "-"
        row[f"{name} compared"] = f"{len(r.compared)} of {len(r.values)}"
    return pd.DataFrame(rows.values())


def nearest_definitions(compared: list[Residuals]) -> str:
    """States which definition is nearest to each published column, and by how much the next one is farther away.

    Nothing is stated of a column with fewer than `MIN_COMPARED` AUCs within the range of our classifiers.
    """
    statements, too_few = [], []
    for source, name in ((source, published.NAMES[source]) for source in published.DEFINITIONS):
        of_source = [r for r in compared if r.source == source]
        first, second = sorted(of_source, key=lambda r: r.rms)[:2]
        n_compared, n_published = len(first.compared), len(first.values)
        if n_compared < MIN_COMPARED:
            too_few.append(f"{name}, {n_compared} of {n_published}")
        else:
            statements.append(
                f"Of the {len(of_source)} definitions {first.definition} is nearest to the column of {name} (rms "
                f"{first.rms:.2f} σ over {n_compared} values, {n_published - n_compared or 'none'} left out; next "
                f"{second.definition}, {second.rms:.2f} σ)."
            )
    if too_few:
        statements.append(
            f"Too few of the published AUCs of {', and of '.join(too_few)}, are within the range of this run's "
            "classifiers to say which definition is nearest to them."
        )
    return " ".join(statements)


def _agrees(result: published.Result, ours: ClassifierSummary, gap: float) -> bool:
    """Tells whether a gap is within our interval and the rounding of the published AUC."""
    return abs(gap) <= ours.auc.high - ours.auc.value + result.rounding


def _reason(result: published.Result, ours: ClassifierSummary, gap: float) -> str:
    """States agreement, or what was measured that pulls in the direction of the gap; nothing that was not measured."""
    if _agrees(result, ours, gap):
        return "agrees within the interval"
    return "; ".join(_shortfall(result, ours) if gap < 0 else []) or "nothing measured here"


def _shortfall(result: published.Result, ours: ClassifierSummary) -> list[str]:
    """Returns what was measured that makes our AUC lower than the published one."""
    reasons = []
    ratio = result.n_training / ours.n_training  # 0 where the source does not say
    if ratio > 1.2:
        reasons.append(f"[{result.source}] had {ratio:.{0 if ratio > 10 else 1}f} times as many training events")
    if ours.gain_from_events > 0:
        reasons.append(f"each doubling of our events, at equal steps, gave {ours.gain_from_events:+.3f}")
    if ours.gain_from_epochs > 0 and result.source in published.EPOCHS:
        theirs = published.EPOCHS[result.source]
        reasons.append(
            f"twice the epochs, {ours.epochs}, gave {ours.gain_from_epochs:+.3f} ([{result.source}]: {theirs})"
        )
    if ours.overfitting > 0.005:
        reasons.append(f"overfitting: the AUC is {ours.overfitting:.3f} higher on training than on validation events")
    return reasons

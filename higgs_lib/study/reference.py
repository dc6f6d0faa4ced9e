"""The reference of a profile: what some finished runs gave, and whether another run agrees with it.

Runs whose seeds differ give other numbers within their errors. The intervals hold the finite number of events. What
trainings add shows in the scatter of the seeds of a run and of the runs that made the reference; both are pooled over
many values, as the scatter of two trainings alone says little. In units of the errors it is a scale factor, as
that of the Particle Data Group, R. Navas et al., Phys. Rev. D 110 (2024) 030001, section 5.2.2 of the introduction.
"""

import math
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from higgs_lib.data import LABEL, Splits, fingerprint, origin
from higgs_lib.metrics import Interval
from higgs_lib.study.run import Run

FALSE_ALARM = 0.01
"""The probability, of all comparisons together, that a run which differs by its seeds alone counts as different."""

AUC = "auc"  # the section of the test AUCs; other sections are stored results with values
Z = 1.96  # half-width of a normal 95 % interval in standard errors
N_NAMED = 3  # at most, where a message lists what is missing


class CheckError(RuntimeError):
    """A run differs from its reference or cannot be compared; the message says which, in what, and what to do."""


class Outcome(NamedTuple):
    """What is compared of one finished run."""

    facts: dict[str, int | str | list[str]]
    """Exact facts by name: the list of classifiers, the sizes of each one's split, its number of parameters."""
    values: dict[str, dict[str, Interval]]
    """Values with their intervals by section and name."""
    excess: dict[str, Interval]
    """The AUC on test events less that on validation events of each classifier, with the interval from the events."""
    leaks: list[str]
    """In words, where events of one part are also in another or in an unknown one; empty where none are."""
    made_with: dict
    """Events, seeds, versions and commit."""


def outcome(run: Run) -> Outcome:
    """Reads what is compared of a finished run.

    These are the published classifiers, and all stored results whose `values` are rows of a key and an interval.
    """
    published = {}
    for result in run.published():
        published.setdefault(f"{result['recipe']['classifier']}, {result['recipe']['features']}", []).append(result)
    if not published:
        raise CheckError(f"{run.path}: no classifiers are stored there; run `make reproduce` first")
    facts = {"event type": origin(run.events).event_type, "classifiers": sorted(published)}
    for name, results in published.items():
        sizes = (results[0]["recipe"][f"n_{part}"] for part in Splits._fields)
        facts[f"split of {name}"] = " + ".join(f"{size:,}" for size in sizes)
        if "n_parameters" in results[0]:
            facts[f"parameters of {name}"] = results[0]["n_parameters"]
    on_test, on_validation = (
        {name: [Interval(**result[part]["auc"]) for result in of_seeds] for name, of_seeds in published.items()}
        for part in ("test", "validation")
    )
    excess = {name: _mean(of_seeds).minus(_mean(on_validation[name])) for name, of_seeds in on_test.items()}
    scatter = _pooled_scatter(on_test.values())
    values = {AUC: {name: _mean(of_seeds, scatter) for name, of_seeds in on_test.items()}}
    for section, result in run.with_values().items():
        values[section] = {", ".join(row["key"]): Interval(*row["interval"]) for row in result["values"]}
        facts[f"values of {section}"] = sorted(values[section])
        if "nuisances" in result:
            facts[f"nuisances of {section}"] = sorted(result["nuisances"])
    results = list(chain.from_iterable(published.values()))
    return Outcome(facts, values, excess, _leaks(run, results), _made_with(run, results))


def _pooled_scatter(by_classifier: Iterable[list[Interval]]) -> float:
    """Returns the standard deviation of a training, pooled over the seeds of all classifiers; 0 without two seeds."""
    deviations = [np.array([seed.value for seed in seeds]) - _mean(seeds).value for seeds in by_classifier]
    degrees = sum(len(of_seeds) - 1 for of_seeds in deviations)
    return math.sqrt(sum(float(of_seeds @ of_seeds) for of_seeds in deviations) / degrees) if degrees else 0.0


def _mean(seeds: list[Interval], scatter: float = 0.0) -> Interval:
    """Returns the mean over seeds on the same events, with the events' mean error and the scatter of the seeds."""
    value = float(np.mean([seed.value for seed in seeds]))
    half = Z * math.hypot(float(np.mean([_error(seed) for seed in seeds])), scatter / math.sqrt(len(seeds)))
    return Interval(value, value - half, value + half)


def _made_with(run: Run, results: list[dict]) -> dict:
    """Returns the events of a run and what trained its classifiers."""
    versions = {name: v for result in results for name, v in result["recipe"]["versions"].items()}
    return {
        "events": origin(run.events).description,
        "seeds": sorted({result["recipe"]["seed"] for result in results}),
        "commit": sorted({result["made_with"]["commit"] for result in results}),
        "versions": versions | {"python": results[0]["made_with"]["device"]["python"]},
    }


def _leaks(run: Run, results: list[dict]) -> list[str]:
    """Returns in words which classifiers were trained or judged on other rows than those of three disjoint parts.

    The parts are the last rows for testing, those before for validation, and the first or a later part of as many of
    the others for training. A recipe names them by `data.fingerprint`, and stored scores by the labels of their events.
    """
    labels = pq.read_table(run.events, columns=[LABEL])[LABEL].to_numpy()
    leaks = []
    for result in results:
        recipe, name = result["recipe"], result["name"]
        first_test = len(labels) - recipe["n_test"]
        first_validation = first_test - recipe["n_validation"]
        judged = range(first_validation, first_test), range(first_test, len(labels))
        n_training = recipe["n_training"]
        trained = [
            range(start, start + n_training) for start in range(0, first_validation - n_training + 1, n_training)
        ]
        possible = (Splits(rows, *judged) for rows in trained)
        parts = next((part for part in possible if recipe["events"] == fingerprint(run.events, part)), None)
        if n_training > first_validation:
            leaks.append(f"{name}: its {n_training:,} training events reach into the validation or test events")
        elif parts is None:
            leaks.append(f"{name}: its parts of the events are not the first, the middle and the last rows")
        elif any(
            not np.array_equal(run.scores(name, part).labels, labels[rows.start : rows.stop])
            for part, rows in parts._replace(training=parts.training[: recipe["n_validation"]])._asdict().items()
        ):
            leaks.append(f"{name}: its scores are not those of the events of its parts")
    return leaks


def make(profile: str, outcomes: list[Outcome]) -> dict:
    """Returns the reference of a profile as JSON's types, from runs that differ in their seeds.

    Args:
        profile: the name of the profile.
        outcomes: what the runs gave. From one run alone the scatter of trainings is not known, so that the tolerance
            holds the finite number of events only.

    Returns:
        The reference, as `compare` takes it.

    Raises:
        CheckError: the runs differ in facts, or one has a leak.
    """
    first, *others = outcomes
    for one in outcomes:
        if one.leaks:
            raise CheckError(f"no reference can be made: {one.leaks[0]}")
    for one in others:
        if broken := _broken(first.facts, one.facts):
            raise CheckError(f"the runs of a reference must differ in their seeds alone: {broken[0]}")
    return {
        "profile": profile,
        "runs": [one.made_with for one in outcomes],
        "facts": first.facts,
        "sections": {name: _section([one.values[name] for one in outcomes]) for name in first.values},
    }


def _error(interval: Interval) -> float:
    """Returns the standard error of a value with a 95 % interval."""
    return (interval.high - interval.low) / (2 * Z)


def _section(runs: list[dict[str, Interval]]) -> dict:
    """Returns one section of a reference: means over the runs, their scatter and the scale factor.

    Values that are not finite in one of the runs are left out.
    """
    names = [name for name in runs[0] if np.isfinite([run[name] for run in runs]).all()]
    values = np.array([[run[name].value for name in names] for run in runs])
    errors = np.array([[_error(run[name]) for name in names] for run in runs])
    means, halves = values.mean(0), Z * np.sqrt(np.mean(errors**2, 0) / len(runs))
    degrees = len(names) * (len(runs) - 1)
    scatter = values.std(0, ddof=1) if degrees else np.zeros(len(names))
    squares = ((values - means) / np.where(errors > 0, errors, np.inf)) ** 2
    rows = zip(names, means.tolist(), halves.tolist(), scatter.tolist(), strict=True)
    return {
        "scale": max(1.0, math.sqrt(squares.sum() / degrees)) if degrees else 1.0,
        "degrees": degrees,
        "values": {n: {"interval": [mean, mean - half, mean + half], "scatter": s} for n, mean, half, s in rows},
    }


def _tolerance(section: dict, name: str, value: Interval, n_runs: int, level: float) -> float:
    """Returns the tolerance of the difference of a value and its reference, at a level of false alarms.

    Args:
        section: the reference's section.
        name: the name of the value in it.
        value: the value of the run, with its interval.
        n_runs: the number of runs of the reference.
        level: the probability of a false alarm.

    Returns:
        The tolerance, in the value's unit.
    """
    stored = section["values"][name]
    of_events = _error(Interval(*stored["interval"])) * math.sqrt(n_runs), _error(value)
    of_reference, of_run = (max(section["scale"] * error, stored["scatter"]) for error in of_events)
    quantile = float(stats.t.isf(level / 2, section["degrees"] or math.inf))
    return quantile * math.hypot(of_reference / math.sqrt(n_runs), of_run)


class Move(NamedTuple):
    """One value of a run beside that of the reference."""

    name: str
    """The section and the name of the value."""
    reference: float
    """The value in the reference."""
    run: float
    """The value in the run."""
    in_tolerances: float
    """The difference in units of its tolerance; beyond -1 or 1 it is too large, and infinite where the run has nan."""


class Comparison(NamedTuple):
    """A run compared with its reference."""

    moves: list[Move]
    """All values, the one that moved most first."""
    broken: list[str]
    """In words, the facts that differ, and the leaks."""

    @property
    def moved(self) -> list[Move]:
        """The values that differ by more than their tolerance."""
        return [move for move in self.moves if abs(move.in_tolerances) > 1]


def compare(run: Outcome, reference: dict) -> Comparison:
    """Compares a run with a reference of `make`.

    The tolerance of a value is a standard error times a quantile of Student's t, whose level is divided by the number
    of all comparisons (Bonferroni), so that `FALSE_ALARM` is the probability of any false alarm. The error is that of
    the events times the scale factor, or the scatter of the value in the reference's runs where that is larger. The AUC
    on test events less that on validation events is compared with zero and may only be too high, as it is where test
    events were trained on.
    """
    sections = reference["sections"]
    common = {name: [key for key in sections[name]["values"] if key in run.values.get(name, {})] for name in sections}
    n_values = sum(map(len, common.values()))
    level = FALSE_ALARM / (n_values + len(run.excess))
    moves = []
    for section, names in common.items():
        for name in names:
            expected, value = sections[section]["values"][name]["interval"][0], run.values[section][name]
            tolerance = _tolerance(sections[section], name, value, len(reference["runs"]), level)
            moves.append(_move(f"{section}: {name}", expected, value.value, tolerance))
    for name, excess in run.excess.items():
        tolerance = float(stats.norm.isf(level)) * _error(excess)
        moves.append(_move(f"{AUC}: {name}, test - validation", 0.0, max(excess.value, 0.0), tolerance))
    moves.sort(key=lambda move: -abs(move.in_tolerances))
    return Comparison(moves, [*_broken(reference["facts"], run.facts), *run.leaks])


def _move(name: str, reference: float, value: float, tolerance: float) -> Move:
    """Returns a value beside its reference; without a tolerance any difference is too large, and nan always is."""
    difference = value - reference
    in_tolerances = difference / tolerance if tolerance else math.copysign(math.inf, difference)
    return Move(name, reference, value, math.inf if math.isnan(in_tolerances) else in_tolerances)


def _broken(expected: dict, facts: dict) -> list[str]:
    """Returns in words in which facts a run differs: lists by their entries, other facts where both have them."""
    words = []
    for name in sorted(expected.keys() | facts.keys()):
        one, other = expected.get(name), facts.get(name)
        if isinstance(one, list) or isinstance(other, list):
            lost, added = set(one or []) - set(other or []), set(other or []) - set(one or [])
            words += [f"{name}: {_listed(lost)} missing"] if lost else []
            words += [f"{name}: {_listed(added)} not in the reference"] if added else []
        elif None not in (one, other) and one != other:
            words.append(f"{name}: {other} instead of {one}")
    return words


def _listed(names: set[str]) -> str:
    """Returns some names, the first of them where there are many."""
    first = "; ".join(sorted(names)[:N_NAMED])
    return f"{first} and {len(names) - N_NAMED} more" if len(names) > N_NAMED else first

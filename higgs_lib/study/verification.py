"""Verifies scores that others publish: checks what they are of, and computes their measures and differences again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from higgs_lib import metrics
from higgs_lib.data import NAMED_SPLITS, EventStream, Origin, Splits, named_split
from higgs_lib.data.parquet import verify as verify_events
from higgs_lib.metrics import AccuracyTest, AucTest, Interval
from higgs_lib.study.score_files import are_probabilities, measure
from higgs_lib.study.score_reader import ScoredEvents, read_scores

TOLERANCE = 1e-6  # of a claim: more than float32 rounds, and less than the digits of a publication


class VerificationError(ValueError):
    """Scores are not what they claim to be, or do not tell what they are; the message says which and what is wrong."""


class TestRows(NamedTuple):
    """The rows of a file of events on which scores are judged."""

    __test__ = False  # no test of pytest's

    rows: range
    description: str
    """Which rows, in words that follow their number."""


@dataclass(frozen=True)
class VerifiedScores:
    """What the scores of one file give, all of whose checks hold."""

    path: str
    model: dict[str, Any]
    """What made the classifier, where the file tells."""
    sha256: str
    """Hash of the file's values and record; "" for those of another program."""
    measures: dict[str, Interval]
    """The AUC and, if the scores lie in [0, 1], the accuracy, with 95 % intervals."""
    claims: dict[str, float]
    """The values of these that the file claims, which hold; {} where it claims none on these rows."""


@dataclass(frozen=True)
class Verification:
    """One or two files of scores, all of whose checks hold, and their differences."""

    files: list[VerifiedScores]
    test: TestRows
    events: str
    """Which events, in words; "" where no file tells."""
    labels_from: str
    """The file of events that the labels were taken from; "": they are those of the scores' own files."""
    auc_test: AucTest | None
    """The first AUC less the second; None for one file."""
    accuracy_test: AccuracyTest | None
    """The first accuracy less the second; None for one file, or scores outside of [0, 1]."""


class _Tested(NamedTuple):
    """The scores of one file on all test rows, in the order of these."""

    path: str | Path
    labels: np.ndarray
    scores: np.ndarray


def verify(paths: Sequence[str | Path], events: str | Path = "", split: str = "") -> Verification:
    """Checks one file of scores, or two on the same test rows, and computes their measures and differences again.

    Args:
        paths: files of scores, as `score_reader.read_scores` takes them. One that does not tell its events or test
            rows, as those of other programs, needs `events` and `split`; one without rows holds a score for each test
            row, in their order.
        events: a file of events, all of whose values are verified, and from which the labels are then taken.
        split: the test rows, by the name of a split or as "FIRST:STOP" counted from 0; "": those of the first file
            that has a record.

    Returns:
        The measures and differences of scores all of whose checks hold.

    Raises:
        ScoreFileError: a file cannot be read, or its values or record were changed.
        VerificationError: a check fails.
        DataError: the events are missing or damaged.
    """
    files = [(path, read_scores(path)) for path in paths]
    origin = verify_events(events) if events else None
    _check_events(files, origin, events)
    telling = next(((path, scored.record) for path, scored in files if scored.record), (paths[0], {}))
    test = _test_rows(*telling, split, origin)
    looked_up = EventStream.open(events, (), test.rows).load().labels if events else None
    tested = [_on_test_rows(path, scored, test, looked_up) for path, scored in files]
    for one, other in pairwise(tested):
        if not np.array_equal(one.labels, other.labels):
            raise VerificationError(f"{one.path} and {other.path}: their labels of the same rows differ")
    pair = (tested[0].labels, *(one.scores for one in tested)) if len(tested) > 1 else None
    return Verification(
        [_verified(one, scored.record, test) for one, (_, scored) in zip(tested, files, strict=True)],
        test,
        origin.description if origin else f"{telling[1]['events'].get('description', '')}",
        str(events),
        metrics.auc_test(*pair) if pair else None,
        metrics.accuracy_test(*pair) if pair and all(map(are_probabilities, pair[1:])) else None,
    )


def _check_events(files: list[tuple[str | Path, ScoredEvents]], origin: Origin | None, events: str | Path) -> None:
    """Raises VerificationError unless all scores are of the same known events, those of `origin` where it is given."""
    known = {origin.sha256: str(events)} if origin else {}
    for path, scored in files:
        if scored.record and "sha256" not in scored.record:
            raise VerificationError(f"{path}: its record has no hash of what was written; write the file again")
        sha256 = scored.record.get("events", {}).get("sha256", "")
        if not (sha256 or origin):
            raise VerificationError(f"{path}: does not tell of which events its scores are; give these with --events")
        if known and sha256 and sha256 not in known:
            other = next(iter(known.values()))
            raise VerificationError(f"{path}: its scores are of other events than {other}, by the hash of their values")
        if sha256:
            known.setdefault(sha256, str(path))


def _test_rows(path: str | Path, record: dict[str, Any], split: str, origin: Origin | None) -> TestRows:
    """Returns the test rows: those of `split`, or of the record of the scores in a file.

    Args:
        path: the file of scores.
        record: what it tells.
        split: the argument of `verify`.
        origin: that of the events, where they are given.

    Raises:
        VerificationError: they are unknown, or not those of the named split.
    """
    n_events = origin.n_events if origin else record.get("events", {}).get("n_events", 0)
    recorded = range(*record["splits"]["test"]) if "test" in record.get("splits", {}) else None
    if found := re.fullmatch(r"([0-9]{1,18}):([0-9]{1,18})", split):
        rows = range(int(found[1]), int(found[2]))
        test = TestRows(rows, _describe(rows))
    elif name := split or record.get("split", ""):
        test = TestRows(_rows_of_split(name, origin), f"test rows of split {name}")
        if not split and recorded != test.rows:
            raise VerificationError(f"{path}: its {_describe(recorded)} are not those of the split {name}")
    elif recorded is not None:
        test = TestRows(recorded, _describe(recorded))
    elif record:
        test = TestRows(range(n_events), "rows of its events")
    else:
        raise VerificationError(f"{path}: does not tell its test rows; give these with --split")
    if not 0 < len(test.rows) <= test.rows.stop <= n_events:
        raise VerificationError(f"{path}: {n_events:,} events have no {test.description}")
    return test


def _rows_of_split(name: str, origin: Origin | None) -> range:
    """Returns the test rows of a named split; raises VerificationError for an unknown name, or events without it."""
    if name not in NAMED_SPLITS:
        raise VerificationError(f"unknown split {name!r}: choose one of {', '.join(NAMED_SPLITS)}, or FIRST:STOP")
    n_test, n_validation, n_training = NAMED_SPLITS[name].sizes
    splits = Splits.from_sizes(n_training, n_validation, n_test)
    if origin and named_split(origin, splits) != name:
        raise VerificationError(f"{origin.description}: their rows are not in the order of the split {name}")
    return splits.test


def _describe(rows: range | None) -> str:
    """Returns in words which rows."""
    return f"test rows {rows.start:,}:{rows.stop:,}" if rows is not None else "test rows, of which it tells none,"


def _on_test_rows(path: str | Path, scored: ScoredEvents, test: TestRows, looked_up: np.ndarray | None) -> _Tested:
    """Returns the scores on all test rows.

    Args:
        path: the file of scores.
        scored: its scores.
        test: the test rows.
        looked_up: their labels (n_test,) in the file of events, where it is given.

    Raises:
        VerificationError: test rows are missing, labels differ from those looked up or are in neither file, parts are
            not those of the record, or the record says that the classifier has seen test rows.
    """
    _check_parts(path, scored, test)
    if scored.row is not None:
        chosen = scored.take((scored.row >= test.rows.start) & (scored.row < test.rows.stop))
    else:
        chosen = scored if scored.part is None else scored.take(scored.part == "test")
    n, n_test = len(chosen.score), len(test.rows)
    if n != n_test:
        raise VerificationError(f"{path}: {n:,} of {n_test:,} {test.description}: a result needs all of them, once")
    if looked_up is None:
        if chosen.label is None:
            raise VerificationError(f"{path}: has no labels; give the events, which have them, with --events")
        return _Tested(path, chosen.label, chosen.score)
    if chosen.label is not None and len(wrong := np.flatnonzero(chosen.label != looked_up)):
        raise VerificationError(
            f"{path}: {len(wrong):,} of {n_test:,} labels are not those of the events, the first in row "
            f"{test.rows[wrong[0]]:,} from 0: {chosen.label[wrong[0]]:g} instead of {looked_up[wrong[0]]:g}"
        )
    return _Tested(path, looked_up, chosen.score)


def _check_parts(path: str | Path, scored: ScoredEvents, test: TestRows) -> None:
    """Raises VerificationError where parts contradict the record, or test rows were for training or validation."""
    splits = {name: range(*edges) for name, edges in scored.record.get("splits", {}).items()}
    if scored.part is not None and scored.row is not None:
        for name, rows in splits.items():
            if not np.array_equal(scored.part == name, (scored.row >= rows.start) & (scored.row < rows.stop)):
                raise VerificationError(f"{path}: its parts are not those of its split")
    seen = [rows for name, rows in splits.items() if name != "test"]
    n_seen = sum(len(range(max(rows.start, test.rows.start), min(rows.stop, test.rows.stop))) for rows in seen)
    if n_seen:
        raise VerificationError(
            f"{path}: {n_seen:,} of the {test.description} were for training or validation, by its own record"
        )


def _verified(tested: _Tested, record: dict[str, Any], test: TestRows) -> VerifiedScores:
    """Returns the measures of one file; raises VerificationError if one of its claims does not hold."""
    try:
        measures = measure(tested.labels, tested.scores)
    except ValueError as error:
        raise VerificationError(f"{tested.path}: {error}") from error
    is_claimed = record.get("splits", {}).get("test") == [test.rows.start, test.rows.stop]
    claims = record.get("claims", {}) if is_claimed else {}
    for name, claim in claims.items():
        if name not in measures:
            raise VerificationError(f"{tested.path}: claims a value of {name}, which its scores do not give")
        if abs(claim - (value := measures[name].value)) > TOLERANCE:
            raise VerificationError(
                f"{tested.path}: claims {name} {claim:.6f}, but its scores on the test rows give {value:.6f}"
            )
    return VerifiedScores(str(tested.path), record.get("model", {}), record.get("sha256", ""), measures, claims)

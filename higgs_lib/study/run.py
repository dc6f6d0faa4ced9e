"""The files of one run: its folders, and the stored results and scores of its models."""

import glob
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib import provenance
from higgs_lib.files import StoredFileError, canonical_json, read_json, write_atomically
from higgs_lib.study.score_files import score_writer

log = logging.getLogger(__name__)

ADVICE = "call `make reproduce`, which makes it again"


FIRST = "networks"  # what 03_training publishes: the results with which all others are compared


class TestEventsError(ValueError):
    """Results were measured on different numbers of test events, so that they cannot be compared."""

    __test__ = False  # no test of pytest's


class ResultNameError(ValueError):
    """The name of a result leads out of the folder of its run; the message says which."""


class Scores(NamedTuple):
    """The scores of one model on one part of the events."""

    labels: np.ndarray
    """Labels (n,): 1 signal, 0 background."""
    scores: np.ndarray
    """Scores (n,), higher for signal."""


class Run:
    """One folder of results: data, models, scores, metrics, notebooks and report."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def _file(self, folder: str, name: str) -> Path:
        """Returns the path of a file of this run; raises ResultNameError for a name that leads to another folder."""
        if Path(name).name != name or "\0" in name:
            raise ResultNameError(f"{self.path}/{folder}: {name!r} is no name of a file there; leave out / and ..")
        return self.path / folder / name

    @property
    def events(self) -> Path:
        """The default path of the run's events."""
        return self.path / "data" / "events.parquet"

    def model(self, name: str) -> Path:
        """Returns the path of a Keras model."""
        return self._file("models", f"{name}.keras")

    def trees(self, name: str) -> Path:
        """Returns the path of boosted trees."""
        return self._file("models", f"{name}.json")

    def scores_file(self, name: str) -> Path:
        """Returns the path of the scores of a classifier."""
        return self._file("scores", f"{name}.parquet")

    def save_workspace(self, name: str, specification: dict) -> Path:
        """Stores a HistFactory workspace, which pyhf's command line reads, and returns its path."""
        destination = self._file("workspaces", f"{name}.json")
        with write_atomically(destination) as path:
            path.write_text(json.dumps(specification, indent=1))
        return destination

    def checkpoint(self, name: str, recipe: dict) -> Path:
        """Returns the path of an unfinished training's state; each recipe has its own, so that no other resumes it."""
        digest = _digest(canonical_json(recipe))[:16]
        return self._file("checkpoints", f"{name}-{digest}.npz")

    def forget_checkpoints(self, name: str) -> None:
        """Deletes the checkpoints of a finished training and of those that it replaces."""
        for path in (self.path / "checkpoints").glob(f"{glob.escape(name)}-*.npz"):
            path.unlink()

    def _metrics(self, name: str) -> Path:
        """Returns the path of a stored result."""
        return self._file("metrics", f"{name}.json")

    def save(self, name: str, result: dict, files: Sequence[Path] = ()) -> None:
        """Stores a result with the device, versions, commit and time that made it, and digests of itself and of files.

        Args:
            name: of the result.
            result: what JSON can hold.
            files: files of the run that belong to the result, such as a model.
        """
        made_with = {
            "device": provenance.stamp(),
            "commit": provenance.commit(),
            "time": datetime.now(UTC).isoformat("T", "seconds"),
        }
        digests = {"files": {str(path.relative_to(self.path)): _digest(path.read_bytes()) for path in files}}
        content = {"name": name, **result, **(digests if files else {}), "made_with": made_with}
        content = json.loads(json.dumps(content))  # as it is read back
        with write_atomically(self._metrics(name)) as path:
            path.write_text(json.dumps({**content, "sha256": _digest(canonical_json(content))}, indent=1))

    def result(self, name: str) -> dict | None:
        """Returns a stored result, or None where there is none; raises StoredFileError for a damaged one."""
        path = self._metrics(name)
        if not path.exists():
            return None
        result = read_json(path, ADVICE)
        digest = result.pop("sha256", None)
        if digest != _digest(canonical_json(result)) and (
            digest or "made_with" not in result
        ):  # earlier versions had none
            raise StoredFileError(f"{path}: the file is damaged; {ADVICE}")
        return result

    def _undamaged(self, name: str) -> dict | None:
        """Returns a stored result whose files are as they were written, or None where there is none.

        Raises StoredFileError if it, or one of its files, is damaged or missing.
        """
        result = self.result(name)
        for file, digest in (result or {}).get("files", {}).items():
            path = self.path / file
            if not path.is_file() or _digest(path.read_bytes()) != digest:
                state = "damaged" if path.is_file() else "missing"
                raise StoredFileError(f"{path}: the file is {state}; {ADVICE}")
        return result

    def damaged(self) -> dict[Path, str]:
        """Returns the stored results that are damaged, or one of whose files is, and why, by their paths."""
        damaged = {}
        for folder, check in (("metrics", self._undamaged), ("published", self._names)):
            for path in sorted((self.path / folder).glob("*.json")):
                try:
                    check(path.stem)
                except StoredFileError as error:
                    damaged[path] = f"{error}".partition(";")[0]
        return damaged

    def made_by(self, name: str, recipe: dict) -> dict | None:
        """Returns the stored result `name` if `recipe` made it, and it and its files are as they were written."""
        try:
            stored = self._undamaged(name)
        except StoredFileError as error:
            log.warning("%s: made again, as %s", name, f"{error}".partition(";")[0])
            return None
        return stored if stored and stored["recipe"] == json.loads(json.dumps(recipe)) else None  # as it is read back

    def cached(self, name: str, recipe: dict, make: Callable[[], dict], files: Sequence[Path] = ()) -> dict:
        """Returns the stored result `name` if `recipe` made it; otherwise stores what `make` returns and the recipe.

        Args:
            name: of the result.
            recipe: what determines the result.
            make: computes it.
            files: those of the run that `make` writes; if one of them is damaged, it is made again.

        Returns:
            The result.
        """
        if stored := self.made_by(name, recipe):
            log.info("%s: read back", name)
            return stored
        self.save(name, {"recipe": recipe, **make()}, files)
        return self.result(name)

    def publish(self, notebook: str, results: list[dict]) -> None:
        """Makes these the results of a notebook that others read; results of other settings stay, but are not read."""
        names = [result["name"] for result in results]
        with write_atomically(self._file("published", f"{notebook}.json")) as path:
            path.write_text(json.dumps(names, indent=1))

    def results(self, classifier: str, features: str) -> list[dict]:
        """Returns the published results of one classifier on one feature set, one for each seed.

        Raises:
            FileNotFoundError: there are none.
            TestEventsError: they are of other test events than the results of 03_training.
        """
        results = self._published(classifier, features)
        if not results:
            raise FileNotFoundError(
                f"{self.path}: no results of {classifier} on {features} features; run 03_training, 04_performance and "
                "06_kinematics first, whichever makes them"
            )
        first = (self._of_notebook(FIRST) or self.published())[0]
        for result in results:
            n_test, n_first = (of["recipe"]["n_test"] for of in (result, first))
            if n_test != n_first:
                raise TestEventsError(
                    f"{self.path}: {result['name']} was measured on {n_test:,} test events and {first['name']} on "
                    f"{n_first:,}, so they cannot be compared; give all notebooks the same n_test, in the section "
                    "common of the profile"
                )
        return results

    def has(self, classifier: str, features: str) -> bool:
        """Tells whether there are published results of a classifier on a feature set."""
        return bool(self._published(classifier, features))

    def _published(self, classifier: str, features: str) -> list[dict]:
        """Returns the published results of a classifier on a feature set; none is an empty list."""
        key = classifier, features
        return [r for r in self.published() if (r["recipe"]["classifier"], r["recipe"]["features"]) == key]

    def published(self) -> list[dict]:
        """Returns the published results of all classifiers."""
        notebooks = sorted(path.stem for path in (self.path / "published").glob("*.json"))
        return [result for notebook in notebooks for result in self._of_notebook(notebook)]

    def _of_notebook(self, notebook: str) -> list[dict]:
        """Returns the results that a notebook has published; none is an empty list."""
        return [self.result(name) for name in self._names(notebook)]

    def _names(self, notebook: str) -> list[str]:
        """Returns the names of the results that a notebook has published, all of which exist."""
        path = self.path / "published" / f"{notebook}.json"
        names = read_json(path, ADVICE, of=list) if path.exists() else []
        if missing := next((name for name in names if not self._metrics(name).exists()), None):
            raise StoredFileError(f"{path}: its result {missing} is missing; {ADVICE}")
        return names

    def with_values(self) -> dict[str, dict]:
        """Returns the stored results that hold `values`, rows of a key and an interval, by their names."""
        stored = {path.stem: self.result(path.stem) for path in sorted((self.path / "metrics").glob("*.json"))}
        return {name: result for name, result in stored.items() if "values" in result}

    def save_scores(
        self,
        name: str,
        parts: dict[str, Scores],
        rows: Mapping[str, range] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        """Stores a model's scores, in a file that others can check if it has rows and a record.

        Args:
            name: of the model.
            parts: the scores of each part of the events, e.g. "validation" and "test".
            rows: the rows of each part in the file of events, in ascending order.
            record: what made them, as of `score_files.make_record`.
        """
        columns = {
            "part": np.repeat(list(parts), [len(s.labels) for s in parts.values()]),
            "label": np.concatenate([s.labels for s in parts.values()]).astype(np.int8),
            "score": np.concatenate([s.scores for s in parts.values()]).astype(np.float32),
        }
        if rows is not None:
            columns = {"row": np.concatenate([np.asarray(rows[part]) for part in parts]), **columns}
        with score_writer(self.scores_file(name), list(columns), record or {}) as writer:
            writer.write(pa.table(columns))

    def scores(self, name: str, part: str) -> Scores:
        """Returns the stored scores of a model on one part of the events; FileNotFoundError where there are none."""
        path = self.scores_file(name)
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such scores; run 03_training first")
        try:
            table = pq.read_table(path, filters=[("part", "=", part)])
        except (pa.ArrowException, OSError) as error:
            raise StoredFileError(f"{path}: the file is damaged; {ADVICE}") from error
        return Scores(table["label"].to_numpy(), table["score"].to_numpy())


def _digest(content: bytes) -> str:
    """Returns the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def by_epoch(results: list[dict], part: str, measure: str) -> np.ndarray:
    """Returns a measure ("loss", "accuracy", "auc") of trainings by epoch, on "training" or "validation" events.

    The shape is (results, epochs), with nan at the end of trainings that stopped early.
    """
    rows = [[measures[measure] for measures in result["history"][part]] for result in results]
    longest = max(map(len, rows))
    return np.array([row + [np.nan] * (longest - len(row)) for row in rows])

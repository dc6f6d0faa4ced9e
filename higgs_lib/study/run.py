"""The files of one run: its folders, and the stored results and scores of its models."""

import glob
import hashlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib import provenance
from higgs_lib.files import write_atomically

log = logging.getLogger(__name__)


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
        return self._file("models", f"{name}.skops")

    def save_workspace(self, name: str, specification: dict) -> Path:
        """Stores a HistFactory workspace, which pyhf's command line reads, and returns its path."""
        destination = self._file("workspaces", f"{name}.json")
        with write_atomically(destination) as path:
            path.write_text(json.dumps(specification, indent=1))
        return destination

    def checkpoint(self, name: str, recipe: dict) -> Path:
        """Returns the path of an unfinished training's state; each recipe has its own, so that no other resumes it."""
        digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
        return self._file("checkpoints", f"{name}-{digest}.npz")

    def forget_checkpoints(self, name: str) -> None:
        """Deletes the checkpoints of a finished training and of those that it replaces."""
        for path in (self.path / "checkpoints").glob(f"{glob.escape(name)}-*.npz"):
            path.unlink()

    def _metrics(self, name: str) -> Path:
        """Returns the path of a stored result."""
        return self._file("metrics", f"{name}.json")

    def save(self, name: str, result: dict) -> None:
        """Stores a result with the device, versions, commit and time that made it."""
        made_with = {
            "device": provenance.stamp(),
            "commit": provenance.commit(),
            "time": datetime.now(UTC).isoformat("T", "seconds"),
        }
        with write_atomically(self._metrics(name)) as path:
            path.write_text(json.dumps({"name": name, **result, "made_with": made_with}, indent=1))

    def result(self, name: str) -> dict | None:
        """Returns a stored result, or None where there is none."""
        path = self._metrics(name)
        return json.loads(path.read_text()) if path.exists() else None

    def cached(self, name: str, recipe: dict, make: Callable[[], dict]) -> dict:
        """Returns the stored result `name` if `recipe` made it; otherwise stores what `make` returns and the recipe."""
        recipe = json.loads(json.dumps(recipe))  # as it is read back: tuples as lists
        stored = self.result(name)
        if stored and stored["recipe"] == recipe:
            log.info("%s: read back", name)
            return stored
        self.save(name, {"recipe": recipe, **make()})
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
        path = self.path / "published" / f"{notebook}.json"
        return [self.result(name) for name in json.loads(path.read_text())] if path.exists() else []

    def with_values(self) -> dict[str, dict]:
        """Returns the stored results that hold `values`, rows of a key and an interval, by their names."""
        stored = {path.stem: json.loads(path.read_text()) for path in sorted((self.path / "metrics").glob("*.json"))}
        return {name: result for name, result in stored.items() if "values" in result}

    def save_scores(self, name: str, parts: dict[str, Scores]) -> None:
        """Stores a model's scores; `parts` names the part of the events, e.g. "validation" and "test"."""
        table = pa.table(
            {
                "part": pa.array(np.repeat(list(parts), [len(s.labels) for s in parts.values()])).dictionary_encode(),
                "label": np.concatenate([s.labels for s in parts.values()]).astype(np.int8),
                "score": np.concatenate([s.scores for s in parts.values()]).astype(np.float32),
            }
        )
        destination = self._file("scores", f"{name}.parquet")
        with write_atomically(destination) as path:
            pq.write_table(table, path, compression="zstd")

    def scores(self, name: str, part: str) -> Scores:
        """Returns the stored scores of a model on one part of the events; FileNotFoundError where there are none."""
        path = self._file("scores", f"{name}.parquet")
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such scores; run 03_training first")
        table = pq.read_table(path, filters=[("part", "=", part)])
        return Scores(table["label"].to_numpy(), table["score"].to_numpy())


def by_epoch(results: list[dict], part: str, measure: str) -> np.ndarray:
    """Returns a measure ("loss", "accuracy", "auc") of trainings by epoch, on "training" or "validation" events.

    The shape is (results, epochs), with nan at the end of trainings that stopped early.
    """
    rows = [[measures[measure] for measures in result["history"][part]] for result in results]
    longest = max(map(len, rows))
    return np.array([row + [np.nan] * (longest - len(row)) for row in rows])

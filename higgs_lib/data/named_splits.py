"""Splits of public data sets that others have used, so that results on the same test events can be compared.

`Splits` are contiguous rows. A split by indices is therefore an order of the rows, in which `ingest_split` writes them:
training, then validation, then test.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from higgs_lib.data.contents import check_contents
from higgs_lib.data.datasets import OPENML, UCI, Dataset
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS
from higgs_lib.data.ingestion import file_recipe, ingest
from higgs_lib.data.parquet import EventWriter, Origin, origin
from higgs_lib.data.samples import load, load_table
from higgs_lib.data.splits import Sizes, Splits
from higgs_lib.files import write_atomically

BLOCK = 1 << 20  # events that are written at a time
INDEX_FILES = ("idx_train.npy", "idx_val.npy", "idx_test.npy")  # as yandex-research/tabular-dl-tabr names them


class NamedSplit(NamedTuple):
    """A split of a data set."""

    name: str
    """What profiles and tables call it."""
    dataset: Dataset
    """The data set whose rows it divides."""
    sizes: Sizes
    """Events for testing, validation and training."""
    source: str
    """Who used it, and how its rows are chosen; sentences."""


LAST_500K = NamedSplit(
    "last500k",
    UCI,
    Sizes(500_000, 500_000, 10_000_000),
    "P. Baldi, P. Sadowski, D. Whiteson, Nature Communications 5:4308 (2014): the last 500,000 rows of UCI HIGGS are "
    "for testing, the 500,000 before them for validation, and the first 10,000,000 for training.",
)
RTDL = NamedSplit(
    "rtdl",
    OPENML,
    Sizes(19_610, 15_688, 62_751),
    "Yandex Research, repositories tabular-dl-tabr (2023) and tabm (2024), `higgs-small`: without the row that has "
    "missing values, scikit-learn's `train_test_split` sets apart a fifth for testing (random_state 0), and a fifth of "
    "the others for validation (random_state 1), both stratified by class. The older release of Gorishniy et al. 2021 "
    "keeps all 98,050 rows, so that its parts have other rows.",
)
ONE_MILLION = NamedSplit(
    "1m",
    UCI,
    Sizes(500_000, 50_000, 950_000),
    "Repository CyberObservers/274P-Proj (2026), src/data/datasets.py and src/train.py: the first 1,000,000 rows of "
    "UCI HIGGS are for training and validation, the 500,000 after them for testing. Each seed has another 50,000 of "
    "the million for validation; here those of seed 0 are.",
)
NAMED_SPLITS = {split.name: split for split in (LAST_500K, RTDL, ONE_MILLION)}


def split_of(name: str) -> NamedSplit:
    """Returns a named split; raises DataError for an unknown name."""
    if name not in NAMED_SPLITS:
        raise DataError(f"unknown split {name!r}: choose one of {', '.join(NAMED_SPLITS)}")
    return NAMED_SPLITS[name]


def row_order(name: str, labels: np.ndarray, indices: str | Path = "") -> np.ndarray:
    """Returns the rows of a named split, (n,) int64: those for training, then for validation, then for testing.

    Args:
        name: of the split.
        labels: the label of every row of the data set, (n,).
        indices: a folder with the rows of each part (`INDEX_FILES`), which are used instead of the split's own rule.

    Returns:
        The rows, counted from 0; those that no part has are left out.

    Raises:
        DataError: there are not as many rows as the data set has, or the indices are not those of such a split.
    """
    split = split_of(name)
    if len(labels) != split.dataset.n_rows:
        raise DataError(
            f"the split {name} is one of the {split.dataset.n_rows:,} complete rows of {split.dataset.title}, not of "
            f"{len(labels):,} rows"
        )
    parts = _read_indices(Path(indices), split) if indices else _own_rule(split, labels)
    return np.concatenate(parts).astype(np.int64)


def _own_rule(split: NamedSplit, labels: np.ndarray) -> list[np.ndarray]:
    """Returns the rows of each part by the rule of a named split."""
    rows = np.arange(len(labels))
    if split is RTDL:
        from sklearn.model_selection import train_test_split

        known, test = train_test_split(rows, test_size=0.2, stratify=labels, random_state=0)
        training, validation = train_test_split(known, test_size=0.2, stratify=labels[known], random_state=1)
        return [training, validation, test]
    n_test, n_validation, n_training = split.sizes
    if split is ONE_MILLION:
        known = np.random.default_rng(0).permutation(n_training + n_validation)
        return [known[n_validation:], known[:n_validation], rows[len(known) : len(known) + n_test]]
    return [rows]


def _read_indices(folder: Path, split: NamedSplit) -> list[np.ndarray]:
    """Returns the rows of each part from files; raises DataError unless they are such a split of the data set."""
    parts = []
    n_test, n_validation, n_training = split.sizes
    for file, size in zip(INDEX_FILES, (n_training, n_validation, n_test), strict=True):
        path = folder / file
        try:
            rows = np.load(path)
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file; the folder must hold {', '.join(INDEX_FILES)}") from error
        except (ValueError, EOFError, OSError) as error:
            raise DataError(f"{path}: not an array of NumPy ({error})") from error
        if not isinstance(rows, np.ndarray) or rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise DataError(f"{path}: must hold whole numbers (n,), the rows of a part counted from 0")
        if len(rows) != size:
            raise DataError(f"{path}: {len(rows):,} rows, where the split {split.name} has {size:,}")
        if rows.min() < 0 or rows.max() >= split.dataset.n_rows:
            wrong = rows.min() if rows.min() < 0 else rows.max()
            raise DataError(f"{path}: row {wrong} is not between 0 and {split.dataset.n_rows - 1}")
        parts.append(rows)
    together = np.concatenate(parts)
    if len(np.unique(together)) != len(together):
        raise DataError(f"{folder}: a row is in two of the parts, or twice in one")
    return parts


def split_recipe(source: Path, name: str, indices: str | Path = "") -> dict[str, Any]:
    """Returns what determines the events of a file in the order of a named split, before it is read."""
    split = split_of(name)
    if not indices:
        rule = f"scikit-learn {version('scikit-learn')}" if split is RTDL else "own rule"
    else:
        parts = _read_indices(Path(indices), split)
        rule = f"indices {_digest(np.concatenate(parts))}"
    return dataset_recipe(source, split.dataset) | {"split": {"name": name, "rule": rule}}


def dataset_recipe(source: Path, dataset: Dataset) -> dict[str, Any]:
    """Returns what determines the events of a file of a data set, whose incomplete rows are left out."""
    return file_recipe(source) | ({"missing": "drop"} if dataset.n_incomplete else {})


def ingest_split(source: str | Path, destination: str | Path, name: str, *, indices: str | Path = "") -> Origin:
    """Converts a file of a public data set to Parquet, with its rows in the order of a named split.

    Args:
        source: the file.
        destination: the Parquet file.
        name: of the split.
        indices: a folder with the rows of each part, as for `row_order`.

    Returns:
        The origin of the events, whose recipe has the name of the split and a hash of the order.

    Raises:
        DataError: the file is not that of the split's data set; the errors of `ingest` and `row_order`.
    """
    recipe = split_recipe(Path(source), name, indices)
    with _ingested(Path(source), Path(destination), split_of(name).dataset) as (path, found):
        order = row_order(name, load(path, (), range(found.n_events)).labels, indices)
        recipe |= {"found": found.recipe.get("found", {}) | {"order": _digest(order)}}
        like = replace(found, recipe=recipe)
        return write_rows(path, destination, order, like)


def ingest_dataset(source: str | Path, destination: str | Path, dataset: Dataset) -> Origin:
    """Converts a file of a public data set to Parquet, without its incomplete rows; raises DataError for another file.

    A data set is known by its sha256, or otherwise by what it holds (`check_contents`).
    """
    with _ingested(Path(source), Path(destination), dataset) as (path, found):
        return write_rows(path, destination, np.arange(found.n_events), found)


@contextmanager
def _ingested(source: Path, destination: Path, dataset: Dataset) -> Iterator[tuple[Path, Origin]]:
    """Yields a temporary Parquet file with the events of a data set in their own order, and their origin."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=destination.parent, prefix=".ingest-") as folder:
        path = Path(folder, "events.parquet")
        found = ingest(source, path, missing="drop" if dataset.n_incomplete else "refuse")
        if "split" in found.recipe:
            raise DataError(f"{source}: its rows are in the order of a split already; give the original file")
        if found.event_type != dataset.name:
            check_contents(path, dataset, name=f"{source}")
            if not dataset.sha256:
                found = replace(found, event_type=dataset.name)
        yield path, found


def write_rows(source: str | Path, destination: str | Path, order: np.ndarray, like: Origin) -> Origin:
    """Writes rows of an events file in the given order (n,), with the event type and the recipe of `like`.

    All rows up to the last one that is written are in memory.
    """
    table = load_table(source, range(int(order.max()) + 1))
    columns = [table[name].to_numpy() for name in COLUMNS]
    with write_atomically(Path(destination)) as path, EventWriter(path) as writer:
        for start in range(0, len(order), BLOCK):
            rows = order[start : start + BLOCK]
            writer.write(np.stack([column[rows] for column in columns], 1))
        return writer.close(like.event_type, like.recipe)


def _digest(rows: np.ndarray) -> str:
    """Returns 16 hexadecimal digits that identify an order of rows."""
    return hashlib.sha256(np.ascontiguousarray(rows, "<i8").data).hexdigest()[:16]


def named_split(events: Origin, splits: Splits) -> str:
    """Returns the name of the split that events and their parts are of; "" for none.

    The test and the validation events are those of the named split; a study may train on a part of its training events.
    UCI's own file needs no order, so that its last rows are recognised by themselves.
    """
    name = events.recipe.get("split", {}).get("name", "")
    if not name and events.event_type == UCI.name and events.n_events == UCI.n_rows:
        name = LAST_500K.name
    if not name:
        return ""
    n_test, n_validation, n_training = split_of(name).sizes
    expected = Splits.from_sizes(n_training, n_validation, n_test)
    same = (splits.validation, splits.test) == (expected.validation, expected.test)
    return name if same and splits.training.stop <= n_training else ""


def check_split_sizes(events: str | Path, sizes: Sizes) -> None:
    """Raises DataError where the rows of a file have the order of a named split with other sizes than those given."""
    name = origin(events).recipe.get("split", {}).get("name", "")
    if name and sizes[:2] != (own := split_of(name).sizes)[:2]:
        raise DataError(
            f"{events}: its rows are in the order of the split {name}, so the sizes must be its own, n_test: "
            f"{own.n_test:_} and n_validation: {own.n_validation:_}, not {sizes.n_test:_} and {sizes.n_validation:_}; "
            "set them in the section common of the profile"
        )


def part_sizes(events: str | Path, asked: Sizes) -> Sizes:
    """Returns the sizes of the parts of an events file that may be small: `Sizes.reduced` of those asked for.

    Rows in the order of a named split have its sizes: raises the errors of `check_split_sizes`.
    """
    check_split_sizes(events, asked)
    found = origin(events)
    return asked if "split" in found.recipe else asked.reduced(found.n_events)

"""The events of a run: simulated, downloaded or ingested once."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from higgs_lib import data
from higgs_lib.data import DataError, Origin, ingest, origin
from higgs_lib.data.ingestion import file_recipe
from higgs_lib.data.named_splits import dataset_recipe, split_recipe
from higgs_lib.data.parquet import DamagedError, verify
from higgs_lib.data.splits import MIN_EVENTS
from higgs_lib.simulation import changed_parameters, recipe, simulate

log = logging.getLogger(__name__)


def prepare(
    destination: str | Path,
    *,
    source: str = "built-in",
    n_events: int = 500_000,
    seed: int = 1,
    physics: Mapping[str, float] = {},
    split: str = "",
    split_indices: str = "",
    mirror: str = "",
) -> Origin:
    """Makes the events of a run, unless the same recipe made the file that is there and it is undamaged.

    Args:
        destination: the Parquet file.
        source: "built-in" for simulated events, "uci" for the whole of UCI's file or "openml" for OpenML's excerpt of
            it, which are downloaded, or the path of a file of UCI HIGGS' events, in any form that `data.ingest` reads
            without a mapping.
        n_events: the number of simulated events.
        seed: of simulated events.
        physics: parameters of the simulation that differ from their defaults.
        split: the name of a split of UCI's or OpenML's file, in whose order the events are stored; "": the file's own.
        split_indices: a folder with the rows of each part of this split, which are used instead of its own rule.
        mirror: another address of the file that is downloaded.

    Returns:
        The origin of the events.

    Raises:
        DataError: a parameter is invalid, the source is missing or damaged or sorted by class, or not the data set of
            the split, `destination` is a file that this library did not make, or it holds the events of another source
            file, to which the results of a run belong.
    """
    destination = Path(destination)
    _check_options(source, split, split_indices, mirror)
    if source == "built-in":
        changed = changed_parameters(physics)
        requested = recipe(n_events, seed, changed)
        found = _found(destination, requested) or simulate(destination, n_events, seed, physics=changed)
    else:
        requested, make = _ingestion(source, split, split_indices, mirror)
        found = _from_another_file(destination, source, requested, make) or _found(destination, requested)
        found = found or make(destination)
    if found.n_events >= MIN_EVENTS:
        largest = data.Sizes(found.n_events, found.n_events).reduced(found.n_events)
        data.check_classes(destination, largest.split(found.n_events))
    return found


def _check_options(source: str, split: str, split_indices: str, mirror: str) -> None:
    """Raises DataError for options that the source does not have."""
    if mirror and source not in data.DATASETS:
        raise DataError(f"a mirror of {source!r} cannot be used: only {' and '.join(data.DATASETS)} are downloaded")
    if split and source == "built-in":
        raise DataError(f"built-in events have no split {split!r}: it is one of the rows of a public file")
    if split_indices and not split:
        raise DataError(f"{split_indices}: name the split whose rows these are, e.g. `split: rtdl`")


def _ingestion(source: str, split: str, indices: str, mirror: str) -> tuple[dict, Callable[[Path], Origin]]:
    """Returns the recipe of the events of a file, which is downloaded if need be, and what makes them."""
    dataset = data.DATASETS.get(source)
    path = data.fetch(dataset, mirror=mirror) if dataset else Path(source)
    if split:
        return split_recipe(path, split, indices), lambda place: data.ingest_split(path, place, split, indices=indices)
    if dataset and not dataset.sha256:
        return dataset_recipe(path, dataset), lambda place: data.ingest_dataset(path, place, dataset)
    return file_recipe(path), lambda place: ingest(path, place)


def _found(destination: Path, requested: dict) -> Origin | None:
    """Returns the origin of the events that are there, all values verified; None if they have to be made."""
    if not destination.exists():
        return None
    try:
        return verify(destination) if _asks(origin(destination).recipe) == _asks(requested) else None
    except DamagedError as error:
        log.warning("%s; the events are made again", error)
        return None


def _asks(recipe: dict) -> dict:
    """Returns a recipe without what reading the file found."""
    return {name: value for name, value in recipe.items() if name != "found"}


def _from_another_file(
    destination: Path, source: str, requested: dict, make: Callable[[Path], Origin]
) -> Origin | None:
    """Makes the events if those that are there came from a file of another path; returns None otherwise.

    Raises DataError if they differ, so that two files of one name never share the folder of a run.
    """
    try:
        stored = origin(destination)
    except DataError:  # there are none that can be used
        return None
    before, now = stored.recipe["source"], requested["source"]
    is_changed_file = before == now != "built-in"
    is_simulated = source == "built-in" or before == "built-in" != now
    if is_changed_file or is_simulated or _asks(stored.recipe) == _asks(requested):
        return None
    with TemporaryDirectory(dir=destination.parent) as folder:
        path = Path(folder, destination.name)
        new = make(path)
        if new.sha256 != stored.sha256:
            raise DataError(
                f"{destination}: holds the events of {before}, and not those of {source}; use another "
                "folder (RUN=runs/NAME), or delete this one"
            )
        path.replace(destination)  # the file has moved
    return new

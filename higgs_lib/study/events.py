"""The events of a run: simulated, downloaded or ingested once."""

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from higgs_lib import data
from higgs_lib.data import DataError, Origin, ingest, origin
from higgs_lib.data.ingestion import file_recipe
from higgs_lib.data.parquet import DamagedError, verify
from higgs_lib.data.splits import MIN_EVENTS
from higgs_lib.simulation import changed_parameters, recipe, simulate

log = logging.getLogger(__name__)


def prepare(
    destination: str | Path,
    *,
    source: str = "built-in",
    n_events: int = 700_000,
    seed: int = 1,
    physics: Mapping[str, float] = {},
) -> Origin:
    """Makes the events of a run, unless the same recipe made the file that is there and it is undamaged.

    Args:
        destination: the Parquet file.
        source: "built-in" for simulated events, "uci" for the whole of UCI's file, which is downloaded, or the path of
            a file of UCI HIGGS' events, in any form that `data.ingest` reads without a mapping.
        n_events: the number of simulated events.
        seed: of simulated events.
        physics: parameters of the simulation that differ from their defaults.

    Returns:
        The origin of the events.

    Raises:
        DataError: a parameter is invalid, the source is missing or damaged or sorted by class, `destination` is a file
            that this library did not make, or it holds the events of another source file, to which the results of a
            run belong.
    """
    destination = Path(destination)
    if source == "uci":
        source = str(data.fetch())
    changed = changed_parameters(physics)
    requested = recipe(n_events, seed, changed) if source == "built-in" else file_recipe(Path(source))
    found = _from_another_file(destination, source, requested) or _found(destination, requested)
    if not found:
        found = (
            simulate(destination, n_events, seed, physics=changed)
            if source == "built-in"
            else ingest(source, destination)
        )
    if found.n_events >= MIN_EVENTS:
        largest = data.Sizes(found.n_events, found.n_events).reduced(found.n_events)
        data.check_classes(destination, largest.split(found.n_events))
    return found


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


def _from_another_file(destination: Path, source: str, requested: dict) -> Origin | None:
    """Ingests a source file if the events that are there came from a file of another path; returns None otherwise.

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
        new = ingest(source, path)
        if new.sha256 != stored.sha256:
            raise DataError(
                f"{destination}: holds the events of {before}, and not those of {source}; use another "
                "folder (RUN=runs/NAME), or delete this one"
            )
        path.replace(destination)  # the file has moved
    return new

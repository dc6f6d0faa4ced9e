"""The events of a run: simulated, downloaded or ingested once."""

import logging
from collections.abc import Mapping
from pathlib import Path

from higgs_lib import data
from higgs_lib.data import Origin, ingest, origin
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
            a file in UCI's format.
        n_events: the number of simulated events.
        seed: of simulated events.
        physics: parameters of the simulation that differ from their defaults.

    Returns:
        The origin of the events.

    Raises:
        DataError: a parameter is invalid, the source is missing or damaged or sorted by class, or `destination` is a
            file that this library did not make.
    """
    destination = Path(destination)
    if source == "uci":
        source = str(data.fetch())
    changed = changed_parameters(physics)
    requested = recipe(n_events, seed, changed) if source == "built-in" else file_recipe(Path(source))
    found = _found(destination, requested)
    if not found:
        found = (
            simulate(destination, n_events, seed, physics=changed)
            if source == "built-in"
            else ingest(source, destination)
        )
    if found.n_events >= MIN_EVENTS:
        data.check_classes(destination, data.split(found.n_events, n_test=found.n_events, n_validation=found.n_events))
    return found


def _found(destination: Path, requested: dict) -> Origin | None:
    """Returns the origin of the events that are there, all values verified; None if they have to be made."""
    if not destination.exists():
        return None
    try:
        return verify(destination) if origin(destination).recipe == requested else None
    except DamagedError as error:
        log.warning("%s; the events are made again", error)
        return None

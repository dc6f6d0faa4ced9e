"""The events of a run: simulated, downloaded or ingested once."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from higgs_lib import data
from higgs_lib.data import DataError, Origin, ingest, origin
from higgs_lib.data.ingestion import file_recipe
from higgs_lib.simulation import changed_parameters, recipe, simulate


def prepare(
    destination: str | Path,
    *,
    source: str = "built-in",
    n_events: int = 700_000,
    seed: int = 1,
    physics: Mapping[str, float] = {},
) -> Origin:
    """Makes the events of a run, unless the same recipe made the file that is there.

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
        DataError: a parameter is invalid, the source is missing or damaged, or the file that is there holds the events
            of another source file, to which the results of a run belong.
    """
    destination = Path(destination)
    if source == "uci":
        source = str(data.fetch())
    changed = changed_parameters(physics)
    requested = recipe(n_events, seed, changed) if source == "built-in" else file_recipe(Path(source))
    if moved := _from_another_file(destination, requested):
        return moved
    if destination.exists() and origin(destination).recipe == requested:
        return origin(destination)
    if source == "built-in":
        return simulate(destination, n_events, seed, physics=changed)
    return ingest(source, destination)


def _from_another_file(destination: Path, requested: dict) -> Origin | None:
    """Ingests a source file if the events that are there came from a file of another path; returns None otherwise.

    Raises DataError if they differ, so that two files of one name never share the folder of a run.
    """
    try:
        stored = origin(destination)
    except DataError:  # there are none that can be used
        return None
    if "built-in" in (stored.recipe["source"], source := requested["source"]) or stored.recipe["source"] == source:
        return None
    with TemporaryDirectory(dir=destination.parent) as folder:
        path = Path(folder, destination.name)
        new = ingest(source, path)
        if new.sha256 != stored.sha256:
            raise DataError(
                f"{destination}: holds the events of {stored.recipe['source']}, and not those of {source}; use another "
                "folder (RUN=runs/NAME), or delete this one"
            )
        path.replace(destination)  # the file has moved
    return new

"""The events of a run: simulated, downloaded or ingested once."""

from collections.abc import Mapping
from pathlib import Path

from higgs_lib import data
from higgs_lib.data import Origin, ingest, origin
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
        DataError: a parameter is invalid, or the source is missing or damaged.
    """
    destination = Path(destination)
    if source == "uci":
        source = str(data.fetch())
    changed = changed_parameters(physics)
    requested = recipe(n_events, seed, changed) if source == "built-in" else file_recipe(Path(source))
    if destination.exists() and origin(destination).recipe == requested:
        return origin(destination)
    if source == "built-in":
        return simulate(destination, n_events, seed, physics=changed)
    return ingest(source, destination)

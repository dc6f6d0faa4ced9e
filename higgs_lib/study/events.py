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
    n_events: int = 1_400_000,
    seed: int = 1,
    physics: Mapping[str, float] = {},
) -> Origin:
    """Makes the events of a run, unless they are there already and would come out the same.

    `source` is "built-in" (simulated: `n_events` by `seed`, with what `physics` changes of the defaults), "uci"
    (downloaded and whole) or a file in UCI's format.
    """
    destination = Path(destination)
    if source == "uci":
        source = str(data.fetch())
    changed = changed_parameters(physics)
    wanted = recipe(n_events, seed, changed) if source == "built-in" else file_recipe(Path(source))
    if destination.exists() and origin(destination).recipe == wanted:
        return origin(destination)
    if source == "built-in":
        return simulate(destination, n_events, seed, physics=changed)
    return ingest(source, destination)

"""Files of built-in events: written by several processes, and described so that they are made again only if needed."""

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from higgs_lib import processes, provenance
from higgs_lib.data import ROW_GROUP, DataError, Origin
from higgs_lib.data.parquet import EventWriter
from higgs_lib.device import cores
from higgs_lib.files import write_atomically
from higgs_lib.simulation import generator
from higgs_lib.simulation.parameters import SimulationParameters


def simulate(
    destination: str | Path,
    n_events: int,
    seed: int,
    *,
    physics: SimulationParameters = SimulationParameters(),
    workers: int | None = None,
) -> Origin:
    """Writes built-in events to a Parquet file.

    Args:
        destination: the path of the file.
        n_events: the number of events, at least 1.
        seed: the seed, at least 0.
        physics: the parameters of the simulation.
        workers: the number of processes, on which the events do not depend; None: one per core.

    Returns:
        The origin that the file stores.

    Raises:
        DataError: `n_events` is not positive.
    """
    if n_events < 1:
        raise DataError(f"cannot simulate {n_events} events; give n_events a positive number")
    chunks = [(start, min(ROW_GROUP, n_events - start)) for start in range(0, n_events, ROW_GROUP)]
    workers = min(workers or cores(), len(chunks))
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(write_atomically(Path(destination)))
        progress = stack.enter_context(tqdm(total=n_events, unit=" events", unit_scale=True, desc="simulating"))
        pool = stack.enter_context(processes.pool(workers)) if workers > 1 else None
        writer = EventWriter(path)
        make = partial(_generate_rows, seed=seed, physics=physics)
        for rows in pool.map(make, chunks) if pool else map(make, chunks):
            writer.write(rows)
            progress.update(len(rows))
        return writer.close("simulated", recipe(n_events, seed, physics))


def _generate_rows(chunk: tuple[int, int], seed: int, physics: SimulationParameters) -> np.ndarray:
    """Returns the events (n_events, 29) of a chunk, given as first event and number of events."""
    first_event, n_events = chunk
    table = generator.generate(n_events, seed, first_event=first_event, physics=physics)
    return np.stack([column.to_numpy() for column in table.columns], 1)


def recipe(n_events: int, seed: int, physics: SimulationParameters = SimulationParameters()) -> dict:
    """Returns what determines built-in events, including the version of the simulation's code."""
    code = provenance.code_version("simulation")
    recipe = {"source": "built-in", "n_events": n_events, "seed": seed, "code": code}
    return recipe | {"physics": physics.changes()} if physics.changes() else recipe


def parameters_of(origin: Origin) -> SimulationParameters | None:
    """Returns the parameters that a file of built-in events was simulated with; None for other files."""
    return SimulationParameters(**origin.recipe.get("physics", {})) if origin.event_type == "simulated" else None


def changed_parameters(changes: Mapping[str, float]) -> SimulationParameters:
    """Returns the default parameters with `changes`; raises DataError for unknown names and unphysical values."""
    unknown = set(changes) - set(SimulationParameters.names())
    if unknown:
        known = ", ".join(SimulationParameters.names())
        raise DataError(f"SimulationParameters: unknown {', '.join(sorted(unknown))}; known are {known}")
    try:
        return SimulationParameters(**changes)
    except (TypeError, ValueError) as error:
        raise DataError(f"{error}") from error

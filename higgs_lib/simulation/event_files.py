import contextlib
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from higgs_lib import provenance
from higgs_lib.data import ROW_GROUP, DataError, Origin
from higgs_lib.data.parquet import EventWriter
from higgs_lib.device import cores
from higgs_lib.files import write_atomically
from higgs_lib.simulation import generator
from higgs_lib.simulation.parameters import SimulationParameters


def code_version() -> str:
    """Names the code that makes the events."""
    return provenance.code_version("features", "kinematics", "physics", "process", "detector", "simulation")


def simulate(
    destination: str | Path,
    n_events: int,
    seed: int,
    *,
    physics: SimulationParameters = SimulationParameters(),
    workers: int | None = None,
) -> Origin:
    """Writes `n_events` built-in events to Parquet; the same for any number of `workers` (default: the cores)."""
    if n_events < 1:
        raise DataError(f"cannot simulate {n_events} events; give n_events a positive number")
    chunks = [(start, min(ROW_GROUP, n_events - start)) for start in range(0, n_events, ROW_GROUP)]
    workers = min(workers or cores(), len(chunks))
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(write_atomically(Path(destination)))
        progress = stack.enter_context(tqdm(total=n_events, unit=" events", unit_scale=True, desc="simulating"))
        pool = stack.enter_context(ProcessPoolExecutor(workers, get_context("spawn"))) if workers > 1 else None
        writer = EventWriter(path)
        make = partial(_simulated_rows, seed=seed, physics=physics)
        for rows in pool.map(make, chunks) if pool else map(make, chunks):
            writer.write(rows)
            progress.update(len(rows))
        return writer.close("simulated", recipe(n_events, seed, physics))


def _simulated_rows(chunk: tuple[int, int], seed: int, physics: SimulationParameters) -> np.ndarray:
    first_event, n_events = chunk
    table = generator.generate(n_events, seed, first_event=first_event, physics=physics)
    return np.stack([column.to_numpy() for column in table.columns], 1)


def recipe(n_events: int, seed: int, physics: SimulationParameters = SimulationParameters()) -> dict:
    """What determines simulated events, the simulation's own code included."""
    recipe = {"source": "built-in", "n_events": n_events, "seed": seed, "code": code_version()}
    return recipe | {"physics": physics.changes()} if physics.changes() else recipe


def changed_parameters(changes: Mapping[str, float]) -> SimulationParameters:
    """The default physics with `changes`; DataError, by name, for what is unknown or cannot be."""
    unknown = set(changes) - set(SimulationParameters.names())
    if unknown:
        raise DataError(
            f"physics: unknown {', '.join(sorted(unknown))}; known are {', '.join(SimulationParameters.names())}"
        )
    try:
        return SimulationParameters(**changes)
    except (TypeError, ValueError) as error:
        raise DataError(f"{error}") from error

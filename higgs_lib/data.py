"""Files of events: UCI's file downloaded and ingested, or built-in events simulated, as Parquet with their origin."""

import contextlib
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from higgs_lib import download, ingestion, simulation
from higgs_lib.device import code_version, cores
from higgs_lib.download import DataError
from higgs_lib.features import COLUMNS, LABEL, SCHEMA
from higgs_lib.physics import Physics

ROW_GROUP = 65_536  # events; 7.6 MB of float32, small enough to deal out to many readers

# The digits of the other columns are as good as random: a dictionary makes them larger, zstd takes 11 % off and makes
# reading take twice the time; lz4 takes nothing off, unless after BYTE_STREAM_SPLIT, which not every reader knows.
FEW_VALUES = [name for name in COLUMNS if name == LABEL or name.endswith("b_tag")]


@dataclass(frozen=True)
class Origin:
    """Where the events of a Parquet file come from; stored in the file itself."""

    kind: str
    """"simulated" by this package, "uci" for UCI's own file by its sha256, or "file" for any other."""
    n_events: int
    recipe: dict
    """What made the file: enough to tell whether making it again would give the same."""
    sha256: str
    """Of all values, row by row, as little-endian float32."""

    @property
    def physics(self) -> Physics | None:
        """What built-in events were made with; None for others."""
        return Physics(**self.recipe.get("physics", {})) if self.kind == "simulated" else None

    @property
    def description(self) -> str:
        """One line for readers: how many events, and whose they are."""
        if self.kind == "simulated":
            changes = "".join(f", {name} {value:g}" for name, value in self.physics.changes().items())
            return (
                f"{self.n_events:,} events of the built-in simulation (seed {self.recipe['seed']}{changes}), "
                "not UCI's and not an experiment's"
            )
        if self.kind == "uci":
            return f"{self.n_events:,} events of UCI HIGGS (doi:{download.DOI}), simulated by its authors"
        return f"{self.n_events:,} events of {Path(self.recipe['source']).name}, a file in the format of UCI HIGGS"


def origin(path: str | Path) -> Origin:
    """The origin of an events file; DataError where the file is missing or was not made by this package."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file of events; `make reproduce` makes it")
    metadata = pq.read_metadata(path).metadata or {}
    if b"higgs_lib" not in metadata:
        raise DataError(f"{path}: not a file of events made by higgs_lib; ingest the original with higgs_lib.data")
    return Origin(**json.loads(metadata[b"higgs_lib"]))


class _EventWriter:
    """Collects tables of events into row groups of one size and hashes their values on the way."""

    def __init__(self, path: Path):
        self.file = pq.ParquetWriter(path, SCHEMA, compression="none", use_dictionary=FEW_VALUES)
        self.waiting, self.hash, self.n_events = [], hashlib.sha256(), 0

    def write(self, values: np.ndarray) -> None:
        """`values` (n, 29), float32, the columns in the file's order."""
        self.hash.update(np.ascontiguousarray(values, "<f4"))
        self.n_events += len(values)
        self.waiting.append(values)
        if sum(map(len, self.waiting)) >= ROW_GROUP:
            rows = np.concatenate(self.waiting)
            whole = len(rows) // ROW_GROUP * ROW_GROUP
            self._flush(rows[:whole])
            self.waiting = [rows[whole:]]

    def _flush(self, rows: np.ndarray) -> None:
        table = pa.table([np.ascontiguousarray(column) for column in rows.T], SCHEMA)
        self.file.write_table(table, row_group_size=ROW_GROUP)

    def close(self, kind: str, recipe: dict) -> Origin:
        if any(map(len, self.waiting)):
            self._flush(np.concatenate(self.waiting))
        made = Origin(kind, self.n_events, recipe, self.hash.hexdigest())
        self.file.add_key_value_metadata({"higgs_lib": json.dumps(asdict(made))})
        self.file.close()
        return made


@contextlib.contextmanager
def written_whole(destination: Path) -> Iterator[Path]:
    """A path beside `destination` to write to; it takes the destination's name if all went well, else it is removed."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(destination)
    beside = destination.with_name(f".partial-{platform.node()}-{os.getpid()}-{destination.name}")
    try:
        yield beside
        beside.replace(destination)
    finally:
        beside.unlink(missing_ok=True)


def _remove_leftovers(destination: Path) -> None:
    """What processes of this machine that were killed, and so could not tidy up, wrote beside `destination`."""
    name = re.compile(rf"\.partial-{re.escape(platform.node())}-(\d+)-{re.escape(destination.name)}")
    for path in destination.parent.iterdir():
        found = name.fullmatch(path.name)
        if found and not psutil.pid_exists(int(found[1])):
            path.unlink(missing_ok=True)


def simulate(
    destination: str | Path, n_events: int, seed: int, *, physics: Physics = Physics(), workers: int | None = None
) -> Origin:
    """Writes `n_events` built-in events to Parquet; the same for any number of `workers` (default: the cores)."""
    if n_events < 1:
        raise DataError(f"cannot simulate {n_events} events; give n_events a positive number")
    chunks = [(start, min(ROW_GROUP, n_events - start)) for start in range(0, n_events, ROW_GROUP)]
    workers = min(workers or cores(), len(chunks))
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(written_whole(Path(destination)))
        progress = stack.enter_context(tqdm(total=n_events, unit=" events", unit_scale=True, desc="simulating"))
        pool = stack.enter_context(ProcessPoolExecutor(workers, get_context("spawn"))) if workers > 1 else None
        writer = _EventWriter(path)
        make = partial(_simulated_rows, seed=seed, physics=physics)
        for rows in pool.map(make, chunks) if pool else map(make, chunks):
            writer.write(rows)
            progress.update(len(rows))
        return writer.close("simulated", simulation_recipe(n_events, seed, physics))


def _simulated_rows(chunk: tuple[int, int], seed: int, physics: Physics) -> np.ndarray:
    first_event, n_events = chunk
    table = simulation.generate(n_events, seed, first_event=first_event, physics=physics)
    return np.stack([column.to_numpy() for column in table.columns], 1)


def simulation_recipe(n_events: int, seed: int, physics: Physics = Physics()) -> dict:
    """What determines simulated events, the simulation's own code included."""
    recipe = {"source": "built-in", "n_events": n_events, "seed": seed, "code": simulation.code_version()}
    return recipe | {"physics": physics.changes()} if physics.changes() else recipe


def ingest(source: str | Path, destination: str | Path) -> Origin:
    """Turns a file in UCI's format (`.csv` or `.csv.gz`, no header, 29 columns) into Parquet, in bounded memory.

    Every row must hold 29 finite numbers, the first of them 0 or 1; otherwise DataError tells the row (from 1) and
    the value, and no file is left.
    """
    source = Path(source)
    if not source.is_file():
        raise _no_such_file(source)
    if source.stat().st_size == 0:
        raise DataError(f"{source}: the file is empty; 29 columns a row are expected")
    with written_whole(Path(destination)) as path, contextlib.closing(ingestion.CountedFile(source)) as counted:
        writer = _EventWriter(path)
        with contextlib.closing(ingestion.rows(source, counted)) as blocks:
            for values in blocks:
                writer.write(values)
        kind = "uci" if counted.hash.hexdigest() == download.SHA256 else "file"
        return writer.close(kind, file_recipe(source))


def _no_such_file(source: Path) -> DataError:
    return DataError(f"{source}: no such file; give a .csv or .csv.gz in UCI HIGGS' format, e.g. DATA=HIGGS.csv.gz")


def file_recipe(source: Path) -> dict:
    """What determines the events of a user's file, without reading it: which file, and the code that reads it."""
    status = source.stat()
    return {
        "source": str(source.resolve()),
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "code": code_version("features", "ingestion", "data"),
    }


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
        source = str(download.fetch())
    if source != "built-in" and not Path(source).is_file():
        raise _no_such_file(Path(source))
    changed = changed_physics(physics)
    wanted = simulation_recipe(n_events, seed, changed) if source == "built-in" else file_recipe(Path(source))
    if destination.exists() and origin(destination).recipe == wanted:
        return origin(destination)
    if source == "built-in":
        return simulate(destination, n_events, seed, physics=changed)
    return ingest(source, destination)


def changed_physics(changes: Mapping[str, float]) -> Physics:
    """The default physics with `changes`; DataError, by name, for what is unknown or cannot be."""
    unknown = set(changes) - set(Physics.names())
    if unknown:
        raise DataError(f"physics: unknown {', '.join(sorted(unknown))}; known are {', '.join(Physics.names())}")
    try:
        return Physics(**changes)
    except (TypeError, ValueError) as error:
        raise DataError(f"{error}") from error

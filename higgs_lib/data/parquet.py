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
from higgs_lib.data import download
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, LABEL, SCHEMA

ROW_GROUP = 65_536  # events; 7.6 MB of float32, small enough to deal out to many readers

# The digits of the other columns are as good as random: a dictionary makes them larger, zstd takes 11 % off and makes
# reading take twice the time; lz4 takes nothing off, unless after BYTE_STREAM_SPLIT, which not every reader knows.
FEW_VALUES = [name for name in COLUMNS if name == LABEL or name.endswith("b_tag")]


@dataclass(frozen=True)
class Origin:
    """Where the events of a Parquet file come from; stored in the file itself."""

    event_type: str
    """"simulated" by this package, "uci" for UCI's own file by its sha256, or "file" for any other."""
    n_events: int
    recipe: dict
    """What made the file: enough to tell whether making it again would give the same."""
    sha256: str
    """Of all values, row by row, as little-endian float32."""

    @property
    def description(self) -> str:
        """One line for readers: how many events, and whose they are."""
        if self.event_type == "simulated":
            changes = "".join(f", {name} {value:g}" for name, value in self.recipe.get("physics", {}).items())
            return (
                f"{self.n_events:,} events of the built-in simulation (seed {self.recipe['seed']}{changes}), "
                "not UCI's and not an experiment's"
            )
        if self.event_type == "uci":
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


class EventWriter:
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

    def close(self, event_type: str, recipe: dict) -> Origin:
        if any(map(len, self.waiting)):
            self._flush(np.concatenate(self.waiting))
        made = Origin(event_type, self.n_events, recipe, self.hash.hexdigest())
        self.file.add_key_value_metadata({"higgs_lib": json.dumps(asdict(made))})
        self.file.close()
        return made

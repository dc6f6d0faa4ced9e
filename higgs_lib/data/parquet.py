"""Writes events as Parquet with a record of where they come from, and reads that record."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib.data import download
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, LABEL, SCHEMA

ROW_GROUP = 65_536  # events; 7.6 MB of float32, small enough to distribute over many readers

# The digits of the other columns are as good as random: a dictionary enlarges them, and zstd saves 11 % but doubles the
# time to read; lz4 saves nothing, except after BYTE_STREAM_SPLIT, which not every reader knows.
DICTIONARY_COLUMNS = [name for name in COLUMNS if name == LABEL or name.endswith("b_tag")]


NOT_SHOWN = re.compile(r"[^\w .,:()&'%+=@#!/-]")
"""What HTML, Markdown, formulas and terminals may read as more than a letter; readers get a question mark for it."""


@dataclass(frozen=True)
class Origin:
    """Where the events of a Parquet file come from; stored in the file itself."""

    event_type: str
    """"simulated" for built-in events, "uci" for UCI's own file (known by its sha256), "file" for any other file."""
    n_events: int
    recipe: dict
    """Everything that determines the events: the same recipe makes the same file."""
    sha256: str
    """Hash of all values, row by row, as little-endian float32."""

    @property
    def description(self) -> str:
        """One line for readers: how many events, and from where, without letters that a page could take for code."""
        if self.event_type == "simulated":
            changes = "".join(f", {name} {value:g}" for name, value in self.recipe.get("physics", {}).items())
            source = f"the built-in simulation (seed {self.recipe['seed']}{changes}), not UCI's and not an experiment's"
        elif self.event_type == "uci":
            source = f"UCI HIGGS (doi:{download.DOI}), simulated by its authors"
        else:
            source = f"{Path(self.recipe['source']).name}, a file in the format of UCI HIGGS"
        return NOT_SHOWN.sub("?", f"{self.n_events:,} events of {source}")

    @property
    def name(self) -> str:
        """A few words for figures: which events."""
        names = {"simulated": "built-in events", "uci": "UCI events"}
        name = names.get(self.event_type) or f"events of {Path(self.recipe['source']).name}"
        return NOT_SHOWN.sub("?", name)


def origin(path: str | Path) -> Origin:
    """Returns the origin of an events file; raises DataError if it is missing or was not made by this package."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file of events; `make reproduce` makes it")
    metadata = pq.read_metadata(path).metadata or {}
    if b"higgs_lib" not in metadata:
        raise DataError(f"{path}: not a file of events made by higgs_lib; ingest the original with higgs_lib.data")
    record = json.loads(metadata[b"higgs_lib"])
    if "kind" in record:  # as version 0.3.0 and earlier named it
        record["event_type"] = record.pop("kind")
    return Origin(**record)


class EventWriter:
    """Writes blocks of events as row groups of one size, and hashes their values on the way."""

    def __init__(self, path: Path):
        self.file = pq.ParquetWriter(path, SCHEMA, compression="none", use_dictionary=DICTIONARY_COLUMNS)
        self.buffer, self.hash, self.n_events = [], hashlib.sha256(), 0

    def write(self, values: np.ndarray) -> None:
        """Appends `values` (n, 29), float32, with the columns in the order of `COLUMNS`."""
        self.hash.update(np.ascontiguousarray(values, "<f4"))
        self.n_events += len(values)
        self.buffer.append(values)
        if sum(map(len, self.buffer)) >= ROW_GROUP:
            rows = np.concatenate(self.buffer)
            n_full = len(rows) // ROW_GROUP * ROW_GROUP
            self._flush(rows[:n_full])
            self.buffer = [rows[n_full:]]

    def _flush(self, rows: np.ndarray) -> None:
        """Writes `rows` (n, 29) to the file."""
        table = pa.table([np.ascontiguousarray(column) for column in rows.T], SCHEMA)
        self.file.write_table(table, row_group_size=ROW_GROUP)

    def close(self, event_type: str, recipe: dict) -> Origin:
        """Writes the remaining events and the file's origin, and closes the file."""
        if any(map(len, self.buffer)):
            self._flush(np.concatenate(self.buffer))
        result = Origin(event_type, self.n_events, recipe, self.hash.hexdigest())
        self.file.add_key_value_metadata({"higgs_lib": json.dumps(asdict(result))})
        self.file.close()
        return result

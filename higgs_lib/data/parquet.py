"""Writes events as Parquet with a record of where they come from, and reads that record."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib.data import datasets
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, LABEL, SCHEMA

MAGIC = b"PAR1"  # the first bytes of Parquet
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
    """"simulated" for built-in events, "uci" for UCI's own file (known by its sha256), "openml" for OpenML's excerpt of
    it (known by what it holds), "file" for any other file."""
    n_events: int
    recipe: dict[str, Any]
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
            source = f"UCI HIGGS (doi:{datasets.DOI}), simulated by its authors"
        elif self.event_type == "openml":
            source = f"{datasets.OPENML.title}, known by what it holds"
        else:
            source = f"{Path(self.recipe['source']).name}, a file in the format of UCI HIGGS"
        split = f", split {self.recipe['split']['name']}" if "split" in self.recipe else ""
        return NOT_SHOWN.sub("?", f"{self.n_events:,} events of {source}{split}")

    @property
    def name(self) -> str:
        """A few words for figures: which events."""
        names = {"simulated": "built-in events", "uci": "UCI events", "openml": "UCI events (OpenML's excerpt)"}
        name = names.get(self.event_type) or f"events of {Path(self.recipe['source']).name}"
        return NOT_SHOWN.sub("?", name)


class DamagedError(DataError):
    """A Parquet file is damaged or was cut; the message says which."""


class UnknownOriginError(DataError):
    """A Parquet file has no record of where its events come from; the message says which."""


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns what Arrow says of a damaged file into a DamagedError, and leaves errors of the operating system."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(f"{error}".split())
        raise DamagedError(f"{path}: damaged or cut, make it again or fetch it again ({reason})") from error


def origin(path: str | Path) -> Origin:
    """Returns the origin of an events file.

    Raises DataError if it is missing or no Parquet, UnknownOriginError if it was not made by this package, and
    DamagedError if its record cannot be read.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file of events; `make reproduce` makes it")
    _check_format(Path(path))
    with reading(path):
        footer = pq.read_metadata(path)
    record = (footer.metadata or {}).get(b"higgs_lib")
    if record is None:
        raise UnknownOriginError(
            f"{path}: not a file of events made by higgs_lib; ingest the original with higgs_lib.data"
        )
    found = read_record(path, record)
    if found.n_events != footer.num_rows:
        raise DamagedError(f"{path}: damaged, as it holds {footer.num_rows:,} events of {found.n_events:,}")
    return found


def has_origin(path: Path) -> bool:
    """Returns whether a Parquet file has a record of its origin, as those have that this library makes."""
    with reading(path):
        return b"higgs_lib" in (pq.read_metadata(path).metadata or {})


def _check_format(path: Path) -> None:
    """Raises DataError for a file with contents that are not Parquet."""
    with path.open("rb") as file:
        beginning = file.read(len(MAGIC))
    if not MAGIC.startswith(beginning):
        raise DataError(f"{path}: not a Parquet file; `higgs-lib ingest` makes one from other files of events")


def read_record(path: str | Path, record: bytes) -> Origin:
    """Returns the origin that a file stores; raises DamagedError where it cannot be read."""
    try:
        values = json.loads(record)
        if "kind" in values:  # as version 0.3.0 and earlier named it
            values["event_type"] = values.pop("kind")
        return Origin(**values)
    except (ValueError, TypeError) as error:
        raise DamagedError(f"{path}: damaged, as its record of where the events come from cannot be read") from error


def verify(path: str | Path) -> Origin:
    """Returns the origin of an events file, all of whose values are read and agree with the hash that it stores.

    Raises the errors of `origin`, and DamagedError for other values.
    """
    stored, digest = origin(path), hashlib.sha256()
    with reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group, list(COLUMNS)).columns
            digest.update(np.stack([column.to_numpy() for column in columns], 1).astype("<f4", copy=False).data)
    check_values(path, stored, digest.hexdigest())
    return stored


def check_values(path: str | Path, stored: Origin, sha256: str) -> None:
    """Raises DamagedError unless the values that were read from a file have the hash that it stores."""
    if sha256 != stored.sha256:
        raise DamagedError(f"{path}: damaged, as its values are not those that were written; make it again")


class EventWriter:
    """Writes blocks of events as row groups of one size, and hashes their values on the way.

    As a context manager it abandons the file on an exception.
    """

    def __init__(self, path: Path):
        self.file = pq.ParquetWriter(
            path, SCHEMA, compression="none", use_dictionary=DICTIONARY_COLUMNS, write_page_checksum=True
        )
        self.buffer: list[np.ndarray] = []
        self.hash, self.n_events = hashlib.sha256(), 0

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.is_open = False  # or Arrow would write the end of the file whenever it is collected

    def write(self, values: np.ndarray) -> None:
        """Appends `values` (n, 29), float32, with the columns in the order of `COLUMNS`."""
        self.hash.update(np.ascontiguousarray(values, "<f4").data)
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

    def close(self, event_type: str, recipe: dict[str, Any]) -> Origin:
        """Writes the remaining events and the file's origin, and closes the file."""
        if any(map(len, self.buffer)):
            self._flush(np.concatenate(self.buffer))
        result = Origin(event_type, self.n_events, recipe, self.hash.hexdigest())
        self.file.add_key_value_metadata({"higgs_lib": json.dumps(asdict(result))})
        self.file.close()
        return result

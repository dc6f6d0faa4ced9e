"""Files of four-vectors: Parquet, or Arrow's own format, with a record of where the events come from."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib.data.download import DataError
from higgs_lib.data.event_records import NEEDED, SCHEMA
from higgs_lib.data.kinematics import SCALES
from higgs_lib.data.parquet import MAGIC, ROW_GROUP, DamagedError, Origin, read_record, reading

FORMATS = (".parquet", ".arrow", ".feather")
"""Suffixes of files of four-vectors: Parquet, and Arrow's own format under both of its names."""

ARROW = b"ARROW1"
"""The first bytes of a file in Arrow's own format."""

_ORIGIN, _SCALES = b"higgs_lib_four_vectors", b"higgs_lib_scales"  # the keys of a file's metadata

# A dictionary of the other columns, which have many different values, would enlarge them.
_DICTIONARY_COLUMNS = ["label", "lepton.mass", "jets.list.element.mass", "jets.list.element.b_tag", "neutrino_eta"]


@contextlib.contextmanager
def open_writer(path: Path, suffix: str, origin: Origin) -> Iterator[Callable[[pa.Table], None]]:
    """Yields what writes records to a file of four-vectors, and closes the file.

    Args:
        path: The file.
        suffix: One of `FORMATS`, which says how it is written.
        origin: Where the events come from, which the file stores.
    """
    schema = SCHEMA.with_metadata({_ORIGIN: json.dumps(asdict(origin)), _SCALES: json.dumps(SCALES)})
    if suffix == ".parquet":
        with pq.ParquetWriter(
            path, schema, compression="zstd", use_dictionary=_DICTIONARY_COLUMNS, write_page_checksum=True
        ) as file:
            yield file.write_table
    else:
        options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as file:
            yield file.write_table


def read_batches(source: Path) -> Iterator[pa.RecordBatch]:
    """Yields the fields of a file of four-vectors that are needed, in the order of its events.

    Raises DataError for a file that is neither Parquet nor Arrow's, and DamagedError for a damaged one.
    """
    with reading(source):
        if _is_parquet(source):
            with pq.ParquetFile(source, page_checksum_verification=True) as file:
                names = [name for name in NEEDED if name in file.schema_arrow.names]
                yield from file.iter_batches(ROW_GROUP, columns=names, use_threads=False)
        else:
            with pa.OSFile(str(source)) as data, pa.ipc.open_file(data) as file:
                yield from (file.get_batch(number) for number in range(file.num_record_batches))


def read_metadata(source: Path) -> tuple[Origin | None, dict[str, float]]:
    """Returns what a file of four-vectors stores: the origin of its events, and the scales that it was made with.

    Where it does not tell, as after another program, these are None and today's. Raises DataError for a file that is
    neither Parquet nor Arrow's, and DamagedError for records that cannot be read.
    """
    with reading(source):
        if _is_parquet(source):
            schema = pq.read_schema(source)
        else:
            with pa.OSFile(str(source)) as data, pa.ipc.open_file(data) as file:
                schema = file.schema
    metadata = schema.metadata or {}
    origin = read_record(source, metadata[_ORIGIN]) if _ORIGIN in metadata else None
    return origin, _read_scales(source, metadata[_SCALES]) if _SCALES in metadata else SCALES


def _is_parquet(source: Path) -> bool:
    """Tells whether a file is Parquet rather than Arrow's, by its first bytes; raises DataError if it is neither."""
    with source.open("rb") as file:
        beginning = file.read(len(ARROW))
    if not beginning.startswith((MAGIC, ARROW)):
        raise DataError(
            f"{source}: neither Parquet nor Arrow's format, which four-vectors have; `higgs-lib convert --to "
            "four-vectors` makes them from events in Parquet, and `higgs-lib ingest` those from other files"
        )
    return beginning.startswith(MAGIC)


def _read_scales(source: Path, record: bytes) -> dict[str, float]:
    """Returns the scales that a file stores; raises DamagedError where they cannot be read."""
    try:
        scales = {name: float(scale) for name, scale in json.loads(record).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedError(f"{source}: damaged, as its record of the scales cannot be read") from error
    if scales.keys() != SCALES.keys() or not all(np.isfinite(scale) and scale > 0 for scale in scales.values()):
        raise DamagedError(f"{source}: damaged, as its record of the scales is wrong")
    return scales

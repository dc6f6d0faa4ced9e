"""Converts files of events to files of four-vectors in GeV and rad, and back to the same bits."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from higgs_lib import progress
from higgs_lib.data import croissant, event_records
from higgs_lib.data.download import DataError
from higgs_lib.data.features import COLUMNS, COMPLETE, HIGH
from higgs_lib.data.four_vector_files import FORMATS, open_writer, read_batches, read_metadata
from higgs_lib.data.parquet import ROW_GROUP, DamagedError, EventWriter, Origin, UnknownOriginError, origin
from higgs_lib.data.samples import EventStream
from higgs_lib.data.threads import map_in_order
from higgs_lib.device import cores
from higgs_lib.files import write_atomically
from higgs_lib.provenance import code_version

EXPECTED_AGREEMENT = 0.9  # of both masses in events with two stored tags; 0.999 and 0.98 where the units are right
CHECKED = {"m_bb": "the jets", "m_lv": "lepton and missing momentum"}  # masses whose jets, if any, are stored

log = logging.getLogger(__name__)


@dataclass
class Conversion:
    """What a conversion to four-vectors found."""

    origin: Origin
    """Where the events come from."""
    two_tags: int = 0
    """Number of events with two stored tags."""
    agreements: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HIGH, 0))
    """Number of these in which each recomputed mass agrees with the file's within 0.5 %."""

    def count(self, records: pa.Table) -> None:
        """Counts these events too."""
        two_tags = pc.equal(records["n_tags"], 2)
        self.two_tags += pc.sum(two_tags).as_py() or 0
        agrees = records["agrees"].combine_chunks()
        for name in HIGH:
            both = pc.and_(two_tags, pc.fill_null(pc.struct_field(agrees, name), False))
            self.agreements[name] += pc.sum(both).as_py() or 0

    def agreement(self, name: str) -> float:
        """Returns the fraction of events with two stored tags in which a mass agrees; nan where there are none."""
        return self.agreements[name] / self.two_tags if self.two_tags else float("nan")


def convert_to_four_vectors(source: str | Path, destination: str | Path) -> Conversion:
    """Writes the events of Parquet, a file or a folder, as four-vectors in GeV and rad, with a description beside them.

    The file has the records of `event_records.SCHEMA`, as Parquet or, by the suffix .arrow or .feather, in Arrow's own
    format; the description is Croissant, `croissant_path`. It takes bounded memory. Raises DataError for columns that
    are missing, values that UCI's format does not have, and a `destination` that is part of `source`; DamagedError for
    a damaged source.
    """
    destination = Path(destination)
    if destination.suffix not in FORMATS:
        raise DataError(f"{destination}: the name must end with {', '.join(FORMATS)}")
    _refuse_source(source, destination)
    found = _stored_origin(source)
    stream = EventStream.open(source, COMPLETE)
    if not stream.n_events:
        raise DataError(f"{source}: holds no events")
    conversion = Conversion(found or _hashed_origin(source, stream))
    digest = hashlib.sha256()

    def convert(piece: tuple[int, pa.Table]) -> tuple[bytes, pa.Table]:
        first, table = piece
        with _refusing(source):
            return _values(table).tobytes(), event_records.to_records(table, first)

    with contextlib.ExitStack() as stack:
        description = stack.enter_context(write_atomically(croissant_path(destination)))
        path = stack.enter_context(write_atomically(destination))
        bar = stack.enter_context(progress.bar(stream.n_events, "converting", " events", unit_scale=True))
        with open_writer(path, destination.suffix, conversion.origin) as write:
            for values, records in map_in_order(convert, _pieces(stream.tables(COLUMNS)), cores(), n_ahead=cores()):
                digest.update(values)
                conversion.count(records)
                write(records)
                bar.update(len(records))
        if digest.hexdigest() != conversion.origin.sha256:
            raise DamagedError(f"{source}: damaged, as its values are not those that were written; make it again")
        about = croissant.describe(destination.name, path, conversion.origin)
        description.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for mass, momenta in CHECKED.items():
        if conversion.agreement(mass) < EXPECTED_AGREEMENT:
            log.warning(
                "warning: %s: %s recomputed from the four-vectors agrees with the file's in %.1f %% of the events with "
                "two stored tags, where nearly all are expected: the columns of %s are not those of UCI HIGGS in its "
                "units, and these are not GeV",
                source,
                mass,
                100 * conversion.agreement(mass),
                momenta,
            )
    return conversion


def convert_to_events(source: str | Path, destination: str | Path) -> Origin:
    """Writes the events of a file of four-vectors with the 29 columns of UCI HIGGS again, as Parquet.

    The source may have passed through other programs, e.g. with fewer events, as long as it has the fields
    `event_records.NEEDED`. Events that are bit for bit those that the file was made of keep their origin; changed ones
    are those of a user's file. Raises DataError for fields that are missing, values that UCI's format does not have,
    and a `destination` that is `source`; DamagedError for a damaged source.
    """
    source, destination = Path(source), Path(destination)
    _refuse_source(source, destination)
    if not source.is_file():
        raise DataError(f"{source}: no such file; `higgs-lib convert --to four-vectors` makes it")
    stored, scales = read_metadata(source)

    def convert(piece: tuple[int, pa.RecordBatch | pa.Table]) -> np.ndarray:
        with _refusing(source, f"events from {piece[0]:,}: "):
            return _values(event_records.from_records(piece[1], scales))

    with (
        write_atomically(destination) as path,
        EventWriter(path) as writer,
        progress.bar(stored.n_events if stored else 0, "converting", " events", unit_scale=True) as bar,
    ):
        for values in map_in_order(convert, _pieces(read_batches(source)), cores(), n_ahead=cores()):
            writer.write(values)
            bar.update(len(values))
        if not writer.n_events:
            raise DataError(f"{source}: holds no events")
        if stored is not None and writer.hash.hexdigest() == stored.sha256:
            return writer.close(stored.event_type, stored.recipe)
        if stored is not None and writer.n_events == stored.n_events:
            log.warning(
                "warning: %s: its values are not those that it was made of, so they were changed, or are damaged",
                source,
            )
        recipe = {"source": str(source.resolve()), "code": code_version("data")}
        return writer.close("file", recipe | ({"made_from": asdict(stored)} if stored else {}))


def croissant_path(destination: Path) -> Path:
    """Returns the path of the description beside a file of four-vectors: NAME.parquet.croissant.json."""
    return destination.with_name(f"{destination.name}.croissant.json")


def _refuse_source(source: str | Path, destination: Path) -> None:
    """Raises DataError where writing the destination would change the source."""
    for place in (destination, destination.parent):
        if place.exists() and Path(source).exists() and place.samefile(source):
            raise DataError(f"{destination}: is part of the source itself; give the new file another place")


def _stored_origin(source: str | Path) -> Origin | None:
    """Returns the origin that a file of events stores; None for folders, and files of other programs."""
    try:
        return origin(source) if Path(source).is_file() else None
    except UnknownOriginError:
        return None


def _hashed_origin(source: str | Path, stream: EventStream) -> Origin:
    """Returns the origin of events without a record of it, all of which are read for their hash."""
    digest = hashlib.sha256()
    for table in stream.tables(COLUMNS):
        with _refusing(source):
            digest.update(_values(table).tobytes())
    recipe = {"source": str(source), "code": code_version("data")}
    return Origin("file", stream.n_events, recipe, digest.hexdigest())


@contextlib.contextmanager
def _refusing(source: str | Path, place: str = "") -> Iterator[None]:
    """Turns the refusal of a value into a DataError that names the file."""
    try:
        yield
    except DataError:
        raise
    except (ValueError, TypeError) as error:
        raise DataError(f"{source}: {place}{error}") from error


def _values(table: pa.Table) -> np.ndarray:
    """Returns the 29 columns as rows (n, 29) of little-endian float32."""
    return np.stack([np.asarray(table[name], "<f4") for name in COLUMNS], 1)


def _pieces(tables: Iterable[pa.Table | pa.RecordBatch]) -> Iterator[tuple[int, Any]]:
    """Yields pieces of at most `ROW_GROUP` events, and the number of events before each."""
    first = 0
    for table in tables:
        for start in range(0, len(table), ROW_GROUP):
            yield first + start, table.slice(start, ROW_GROUP)
        first += len(table)

"""Parquet of other programs, whose columns have names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from higgs_lib.data.parquet import ROW_GROUP, reading
from higgs_lib.data.readers import columns, numeric
from higgs_lib.data.readers.mapping import Findings, Mapping
from higgs_lib.data.text import FormError

NUMBERS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
)
"""Types of columns that may hold numbers; text is read as that of a CSV."""


def read(source: Path, mapping: Mapping, findings: Findings) -> Iterator[np.ndarray]:
    """Yields the events of a Parquet file, a row group at a time."""
    with reading(source), pq.ParquetFile(source, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        findings.form, findings.columns = "Parquet", columns.recognise(schema.names, mapping)
        places = numeric.ordered(findings.columns)
        names, positions = [schema.names[place] for place in places], [place + 1 for place in places]
        for name in names:
            _check_type(name, schema.field(name).type)
        for batch in file.iter_batches(ROW_GROUP, columns=names):
            values = [_numbers(name, batch[name]) for name in names]
            yield numeric.checked(values, positions, keeps_missing=mapping.drops_missing)


def _check_type(name: str, type_: pa.DataType) -> None:
    """Raises FormError for a column that does not hold one number in each row."""
    type_ = type_.value_type if pa.types.is_dictionary(type_) else type_
    if not any(is_number(type_) for is_number in NUMBERS):
        raise FormError(f"the column {name!r} holds {type_}, where a number in each row is expected")


def _numbers(name: str, column: pa.Array) -> np.ndarray:
    """Returns a column (n,) as numbers, NaN for missing ones; raises FormError for text that is none."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return column.to_numpy(zero_copy_only=False)
    try:
        return column.cast(pa.float64() if pa.types.is_decimal(column.type) else pa.float32()).to_numpy(
            zero_copy_only=False
        )
    except pa.ArrowInvalid as error:
        raise FormError(f"the column {name!r} holds what is no number ({error})") from error

"""CSV, with or without a header: UCI's own format, and that of other libraries."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice

import numpy as np

from higgs_lib.data import text
from higgs_lib.data.features import COLUMNS, LABEL
from higgs_lib.data.readers import columns
from higgs_lib.data.readers.mapping import FIRST, LAST, Findings, Mapping

N_SAMPLE = 100  # rows, from which the place of the label is judged
N_SUSY = 19
HEPMASS_MASSES = (400, 1600)  # GeV: its last column is a mass of 500 to 1500


def recognises(beginning: bytes) -> bool:
    """Returns True, as every other text is taken for CSV."""
    return True


def open_rows(
    blocks: Iterator[bytes], mapping: Mapping, findings: Findings
) -> tuple[Iterator[bytes], Callable[[bytes], np.ndarray]]:
    """Returns blocks of lines without the header, and what parses them; raises FormError for another data set."""
    beginning = next(blocks)
    first_rows = [row[0] for row in islice(re.finditer(rb"[^\r\n]+", beginning), N_SAMPLE)]
    line = first_rows[0] if first_rows else b""
    header = [field.strip(" \t\"'#") for field in line.decode(errors="backslashreplace").split(",")]
    _check_separator(line)
    is_numbered = _is_numbered(header)
    has_header = is_numbered or _has_names(line)
    findings.form = "CSV with a header" if has_header else "CSV"
    if has_header:
        beginning = beginning[beginning.index(line) + len(line) :]
    if has_header and not is_numbered:
        findings.columns = columns.recognise(header, mapping)
    else:
        sample = first_rows[has_header:]
        n_index = len(header) - len(COLUMNS) if is_numbered else 0
        findings.columns = (None,) * n_index + by_position([row.split(b",")[n_index:] for row in sample], mapping)
    row_format = text.RowFormat(findings.columns, mapping.drops_missing)
    return chain([beginning], blocks), partial(text.parse, row_format=row_format)


def by_position(sample: list[list[bytes]], mapping: Mapping) -> tuple[str | None, ...]:
    """Returns what each column is where none has a name, judged by the fields of the first rows.

    Raises FormError for another data set, and where the label seems to stand last and `mapping` does not say so.
    """
    firsts, lasts = ([text.numbers([row[end] for row in sample]) for end in (0, -1)]) if sample else (None, None)
    n_columns = len(sample[0]) if sample else 0
    if n_columns == N_SUSY:
        raise text.FormError(f"{N_SUSY} columns, where {len(COLUMNS)} are expected: this seems to be {columns.SUSY}")
    if lasts is not None and n_columns == len(COLUMNS) and _within(lasts, *HEPMASS_MASSES):
        raise text.FormError(f"the last column holds masses such as {lasts[0]:g}: this seems to be {columns.HEPMASS}")
    if mapping.label is None and n_columns == len(COLUMNS) and not _is_label(firsts) and _is_label(lasts):
        raise text.FormError(
            f"the last column of the first {len(sample)} rows is 0 or 1, and the first is not; if the label stands "
            "last, say so: `higgs-lib ingest --label last`"
        )
    if mapping.label not in (None, FIRST, LAST):
        raise text.FormError(f"label is {mapping.label!r}, but the columns have no names: give first or last")
    return (*mapping.order(), LABEL) if mapping.label == LAST else (LABEL, *mapping.order())


def _check_separator(line: bytes) -> None:
    """Raises FormError for a line whose fields other characters than commas separate."""
    for character, name in ((b"\t", "tabs"), (b";", "semicolons"), (b" ", "spaces")):
        if b"," not in line and len(line.split(character)) == len(COLUMNS):
            raise text.FormError(f"{name} separate its columns, where commas are expected; write it with commas")


def _has_names(line: bytes) -> bool:
    """Returns whether a line is a header: none of its fields is a number, and one is more than a missing value."""
    fields = line.split(b",")
    names = [field for field in fields if field.strip() not in text.MISSING]
    return bool(names) and not any(text.numbers([field]) is not None for field in fields)


def _is_numbered(header: list[str]) -> bool:
    """Returns whether a header holds the numbers of the columns, as pandas writes it, also with that of an index."""
    numbers = [str(n) for n in range(len(COLUMNS))]
    return header in (numbers, ["", *numbers])


def _within(values: np.ndarray, low: float, high: float) -> bool:
    """Returns whether all values lie between two limits."""
    return bool(((values > low) & (values < high)).all())


def _is_label(values: np.ndarray | None) -> bool:
    """Returns whether all values are 0 or 1."""
    return values is not None and bool(np.isin(values, (0, 1)).all())

"""ARFF, Weka's format, in which OpenML has HIGGS: a header that names the columns, and rows of text."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import numpy as np

from higgs_lib.data import text
from higgs_lib.data.readers import columns
from higgs_lib.data.readers.mapping import Findings, Mapping

COMMENTS = rb"(?m)^[ \t]*%[^\r\n]*"
RELATION = rb"(?i)\s*@relation\b"
DATA = rb"(?im)^[ \t]*@data\b[^\r\n]*"
ATTRIBUTE = r"""(?imx) ^ [ \t]* @attribute [ \t]+ (?: '(?P<single>[^'\r\n]*)' | "(?P<double>[^"\r\n]*)" |
    (?P<plain>[^\s'"]+) ) [ \t]* (?P<type>[^\r\n]*)"""
NUMERIC = r"(?i)(numeric|real|integer)\s*|\{[\s\d.,'\"]*\}\s*"
LONGEST_HEADER = 1 << 22  # bytes


def recognises(beginning: bytes) -> bool:
    """Returns whether a text begins as ARFF does, behind comments."""
    return bool(re.match(RELATION, re.sub(COMMENTS, b"", beginning[:LONGEST_HEADER])))


def open_rows(
    blocks: Iterator[bytes], mapping: Mapping, findings: Findings
) -> tuple[Iterator[bytes], Callable[[bytes], np.ndarray]]:
    """Returns blocks of the rows of data, and what parses them; raises FormError for a header that does not fit."""
    header = next(blocks)
    while not (start := re.search(DATA, header)) and len(header) < LONGEST_HEADER and (block := next(blocks, b"")):
        header += block
    if not start:
        raise text.FormError("an ARFF file without @data; it is damaged or cut: fetch it again")
    attributes = re.finditer(ATTRIBUTE, header[: start.start()].decode(errors="backslashreplace"))
    types = [
        (match["single"] or match["double"] or match["plain"] or "", match["type"].strip()) for match in attributes
    ]
    findings.form, findings.columns = "ARFF", columns.recognise([name for name, _ in types], mapping)
    for (name, type_), column in zip(types, findings.columns, strict=True):
        if column and not re.fullmatch(NUMERIC, type_):
            raise text.FormError(f"the attribute {name!r} is {type_!r}, where numbers are expected")
    row_format = text.RowFormat(findings.columns, mapping.drops_missing)
    rows = (_without_comments(block) for block in chain([header[start.end() :]], blocks))
    return rows, partial(_parse, row_format)


def _without_comments(block: bytes) -> bytes:
    """Returns lines of data without those that are comments."""
    return re.sub(COMMENTS, b"", block) if b"%" in block else block


def _parse(row_format: text.RowFormat, block: bytes) -> np.ndarray:
    """Returns the values (n, 29) of rows of data; raises FormError for rows that list only what is not zero."""
    if block.lstrip().startswith(b"{"):
        raise text.FormError("an ARFF file with sparse rows ({0 1, 3 0.5}); write it with all values in each row")
    return text.parse(block, row_format)

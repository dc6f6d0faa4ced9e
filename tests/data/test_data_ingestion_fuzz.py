"""Nearly valid files of events: each gives the right values, or one line of DataError and no file."""

import bz2
import gzip
import lzma
import math
import random
import re
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from higgs_lib import data
from higgs_lib.data import COLUMNS, DataError, text

GZIP = b"\x1f\x8b"
NUMBER = re.compile(rb"[ \t]*-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[ \t]*")
"""What a number is for certain; other texts may be read or refused, but not as another number than Python reads."""

NUMBERS = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**40), 10**40).map(str),
    st.from_regex(r"-?[0-9]{1,30}\.[0-9]{0,30}(e-?[0-9]{1,3})?", fullmatch=True),
)
ODD_TEXTS = st.one_of(
    st.sampled_from(["", " ", "nan", "inf", "-Infinity", "1_0", "0x10", "+1", "1e39", "1e400", "1e-400", "1e", "."]),
    st.sampled_from(["\0", '"1"', "'1'", "1 2", "١", "\ufeff1", "1.0f", "1,5", "1;5", "TRUE", "null", "1e+5", "--1"]),
    st.text(max_size=8),
)
FIELDS = st.one_of(NUMBERS, NUMBERS, ODD_TEXTS)
FORMATS = ("{:.18e}", "{:.3f}", "{:g}", "{!r}")
LINE_ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n", " \n", "\n \n", ",\n", "\0\n"])


@st.composite
def texts(draw):
    """Rows of random numbers, of which at most three have a drawn text instead, or a column more or fewer."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    rows = [
        [generator.choice("01"), *(generator.choice(FORMATS).format(generator.gauss(0, 2)) for _ in COLUMNS[1:])]
        for _ in range(draw(st.integers(0, 5)))
    ]
    for fields in draw(st.lists(st.sampled_from(rows), max_size=3)) if rows else ():
        column = draw(st.integers(0, 28))
        fields[column : column + draw(st.sampled_from([1, 1, 1, 1, 1, 1, 0, 2]))] = [draw(FIELDS)]
    mark = draw(st.sampled_from(["", "", "", "\ufeff", "\ufeff\ufeff", "\n", "label\n"]))
    end, last = draw(LINE_ENDS), draw(st.booleans())
    return (mark + end.join(map(",".join, rows)) + (end if last else "")).encode(errors="surrogatepass")


@st.composite
def mutated(draw, contents):
    """Contents with bytes replaced, inserted, removed, repeated, or the end cut."""
    content = bytearray(draw(contents))
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, len(content)))
        stop = draw(st.integers(first, min(len(content), first + 8)))
        how = draw(st.sampled_from(["replace", "repeat", "cut", "flip"]))
        if how == "replace":
            content[first:stop] = draw(st.binary(max_size=4))
        elif how == "repeat":
            content[first:first] = content[first:stop] * draw(st.integers(1, 300))
        elif how == "cut":
            del content[first:]
        elif first < len(content):
            content[first] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


@st.composite
def files(draw):
    """A file: text, or one or several members of gzip, and either may be damaged."""
    content = draw(st.one_of(texts(), mutated(texts())))
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(content)))
        content = gzip.compress(content[:cut], 1) + (gzip.compress(content[cut:], 1) if draw(st.booleans()) else b"")
        if draw(st.booleans()):
            content = draw(mutated(st.just(content)))
    return content


def nearest_float32(number: str) -> np.float32:
    """Returns the float32 that is nearest to a number: by float64, but where that lies midway between two."""
    value = float(number)
    with np.errstate(over="ignore"):
        low, high = (np.float32(np.nextafter(value, end)) for end in (-np.inf, np.inf))
        ends = [np.clip(float(end), -(2.0**128), 2.0**128) for end in (low, high)]
        if low == high or sum(ends) / 2 != value or Decimal(number.strip()) == Decimal(value):
            return np.float32(value)
        return low if Decimal(number.strip()) < Decimal(value) else high


def as_python_reads(content: bytes) -> tuple[np.ndarray, bool]:
    """Returns the values (n, 29) that Python's float reads, NaN where it cannot, and whether all of it is certain."""
    lines = [line for line in re.split(rb"[\r\n]+", content.removeprefix(b"\xef\xbb\xbf")) if line]
    rows = [line.split(b",") for line in lines]
    certain = bool(rows) and all(len(row) == len(COLUMNS) for row in rows)
    values = np.full((len(rows), len(COLUMNS)), np.nan, np.float32)
    for row, fields in enumerate(rows):
        for column, field in enumerate(fields[: len(COLUMNS)]):
            try:
                values[row, column] = nearest_float32(field.decode())
            except (ValueError, ArithmeticError):
                certain = False
            certain = certain and bool(NUMBER.fullmatch(field))
    return values, certain and bool(np.isfinite(values).all() and np.isin(values[:, 0], (0, 1)).all())


def check_ingestion(content: bytes, block: int) -> None:
    """Ingests a file in blocks of this many bytes, and compares it with Python's own reading."""
    with tempfile.TemporaryDirectory() as folder:
        source, destination = Path(folder, "events.csv"), Path(folder, "out", "events.parquet")
        source.write_bytes(content)
        origin, refusal, whole, text.BLOCK = None, "", text.BLOCK, block
        try:
            origin = data.ingest(source, destination)
        except DataError as error:
            refusal = f"{error}"
        finally:
            text.BLOCK = whole
        if origin is None:
            assert len(refusal.splitlines()) == 1
            assert len(refusal) < 400 + len(folder)
            assert not destination.parent.exists() or not list(destination.parent.iterdir())
            assert content[:2] == GZIP or len(content) > block or not as_python_reads(content)[1], refusal
            return
        values = np.stack([column.to_numpy() for column in pq.read_table(destination).columns], 1)
        unpacked = gzip.decompress(content) if content[:2] == GZIP else content
        assert np.array_equal(values, as_python_reads(unpacked)[0])
        assert origin.n_events == len(values) > 0


@examples
@given(files(), st.sampled_from([700, 3000, 4 << 20]))
def test_a_nearly_valid_file_gives_the_right_values_or_one_line(content, block):
    check_ingestion(content, block)


@examples
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 28))
def test_every_number_of_python_is_read_as_numpy_rounds_it(value, column):
    fields = ["1"] + ["0"] * 28
    fields[column] = repr(value)
    content = ",".join(fields).encode()
    rounded = nearest_float32(repr(value))
    if math.isinf(rounded):
        message = f", column {column + 1} ({COLUMNS[column]}): '{value!r}' does not fit into float32"
        with pytest.raises(text.InvalidRowError, match=re.escape(message)):
            text.parse(content)
    else:
        assert text.parse(content)[0, column] == rounded


@st.composite
def other_forms(draw):
    """The same rows as ARFF, libsvm's text or CSV with a header, in some compression; and the values."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    rows = [[generator.choice("01"), *(repr(generator.gauss(0, 2)) for _ in COLUMNS[1:])] for _ in range(4)]
    order = generator.sample(range(29), 29)
    lines = [",".join(row[n] for n in order) for row in rows]
    header = ",".join(COLUMNS[n].upper() for n in order)
    attributes = "".join(f"@attribute {COLUMNS[n]} real\n" for n in order)
    pairs = [" ".join([row[0], *(f"{n}:{value}" for n, value in enumerate(row[1:], 1))]) for row in rows]
    forms = ["\n".join([header, *lines]), f"@relation x\n{attributes}@data\n" + "\n".join(lines), "\n".join(pairs)]
    content = draw(st.sampled_from(forms)).encode()
    pack = draw(st.sampled_from([bytes, bz2.compress, lzma.compress, gzip.compress]))
    return pack(content), [[nearest_float32(value) for value in row] for row in rows]


@examples
@given(other_forms(), st.sampled_from([1000, 4 << 20]), st.data())
def test_other_forms_give_the_right_values_and_damaged_ones_one_line(file, block, choices):
    content, expected = file
    damaged = choices.draw(mutated(st.just(content)))
    for written in (content, damaged):
        values = ingested_or_refused(written, block)
        if written == content:
            assert values is not None
            assert np.array_equal(values, np.array(expected, np.float32))


def ingested_or_refused(content: bytes, block: int) -> np.ndarray | None:
    """Returns the values (n, 29) of a file; None where one line refuses it, which leaves no file."""
    with tempfile.TemporaryDirectory() as folder:
        source, destination = Path(folder, "events"), Path(folder, "out", "events.parquet")
        source.write_bytes(content)
        refusal, whole, text.BLOCK = "", text.BLOCK, block
        try:
            data.ingest(source, destination)
        except DataError as error:
            refusal = f"{error}"
        finally:
            text.BLOCK = whole
        if refusal:
            assert len(refusal.splitlines()) == 1
            assert len(refusal) < 800 + len(folder)
            assert not destination.parent.exists() or not list(destination.parent.iterdir())
            return None
        return np.stack([column.to_numpy() for column in pq.read_table(destination).columns], 1)

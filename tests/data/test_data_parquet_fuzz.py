"""Damaged files of events: they are read with the values that were written, or one line of DataError says so."""

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from higgs_lib import data
from higgs_lib.data import COMPLETE, DataError, parquet


@pytest.fixture(scope="module")
def whole(tmp_path_factory, rows) -> bytes:
    """A file of 400 events in two row groups."""
    path = tmp_path_factory.mktemp("whole") / "events.parquet"
    size, parquet.ROW_GROUP = parquet.ROW_GROUP, 200
    with parquet.EventWriter(path) as writer:
        writer.write(rows[:400])
        writer.close("file", {"source": "/somewhere/mine.csv"})
    parquet.ROW_GROUP = size
    return path.read_bytes()


@st.composite
def damages(draw, n_bytes: int = 50_800, footer: int = 8_000):
    """Returns a function that changes some bytes, most often in the footer, cuts the file, or empties a block of it."""
    places = st.one_of(st.integers(0, n_bytes), st.integers(1, footer).map(lambda n: -n), st.integers(-16, -1))
    changes = draw(st.lists(st.tuples(places, st.integers(1, 255)), max_size=3))
    cut = draw(st.one_of(st.none(), st.integers(0, n_bytes)))
    hole = draw(st.one_of(st.none(), st.tuples(st.integers(0, n_bytes), st.sampled_from([1, 512, 4096]))))

    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        for place, bits in changes:
            changed[place % len(changed)] ^= bits
        if hole:
            changed[hole[0] : hole[0] + hole[1]] = bytes(len(changed[hole[0] : hole[0] + hole[1]]))
        return bytes(changed[:cut] if cut is not None and not changes else changed)

    return damage


def attempt(read):
    """Returns what a function returns; None where it raises a DataError of one line."""
    try:
        return read()
    except DataError as error:
        refusal = f"{error}"
    assert len(refusal.splitlines()) == 1
    return None


@examples
@given(damages())
def test_a_damaged_file_gives_what_was_written_or_one_line(tmp_path, whole, rows, damage):
    path = tmp_path / "events.parquet"
    path.write_bytes(damage(whole))
    found = attempt(lambda: data.origin(path))
    assert found is None or found.n_events == 400
    sample = attempt(lambda: data.load(path, COMPLETE, range(400)))
    if sample is not None:
        assert np.array_equal(sample.features, rows[:400, 1:])
        assert np.array_equal(sample.labels, rows[:400, 0])
    verified = attempt(lambda: parquet.verify(path))
    assert verified is None or sample is not None

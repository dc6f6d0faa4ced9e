import pickle
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from higgs_lib import data, simulation
from higgs_lib.data import COLUMNS, COMPLETE, FEATURE_SETS, DataError, EventStream, parquet, samples


def test_loading_returns_the_given_rows_and_columns(events):
    table = pq.read_table(events)
    for features in FEATURE_SETS.values():
        sample = data.load(events, features, range(123, 15_000))
        assert sample.features.flags.c_contiguous
        assert sample.features.dtype == np.float32
        assert np.array_equal(sample.labels, table["label"].to_numpy()[123:15_000])
        expected = np.stack([table[name].to_numpy()[123:15_000] for name in features], 1)
        assert np.array_equal(sample.features, expected)


def test_loading_crosses_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 300)
    simulation.simulate(tmp_path / "events.parquet", 1000, seed=1, workers=1)
    whole = data.load(tmp_path / "events.parquet", COMPLETE, range(1000))
    part = data.load(tmp_path / "events.parquet", COMPLETE, range(250, 901))
    assert np.array_equal(part.features, whole.features[250:901])
    table = data.load_table(tmp_path / "events.parquet", range(250, 901))
    assert table.schema.names == list(COLUMNS)
    assert np.array_equal(table["m_bb"].to_numpy(), part.features[:, COMPLETE.index("m_bb")])


@pytest.fixture
def streamed(tmp_path, monkeypatch):
    """A stream of 651 events in four row groups, two of them in part, and the same events in memory."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 300)
    path = tmp_path / "events.parquet"
    simulation.simulate(path, 1000, seed=1, workers=1)
    whole = data.load(path, FEATURE_SETS["high"], range(1000))
    stream = data.EventStream.open(path, FEATURE_SETS["high"], range(250, 901))
    return stream, data.Sample(*(array[250:901] for array in whole))


def test_a_stream_yields_the_events_of_the_sample_in_memory(streamed):
    stream, in_memory = streamed
    assert stream.n_events == in_memory.n_events == 651
    assert [block.n_events for block in stream.blocks()] == [50, 300, 300, 1]
    rows = np.random.default_rng(1).permutation(651)
    for selected in (rows, rows[:7], np.array([650]), np.array([400, 400, 60])):
        expected = in_memory.take(selected)
        for copy in (stream, pickle.loads(pickle.dumps(stream))):  # the latter as another process gets it
            taken = copy.take(selected)
            assert np.array_equal(taken.features, expected.features)
            assert np.array_equal(taken.labels, expected.labels)
    assert np.array_equal(stream.load().features, in_memory.features)


def test_a_stream_reads_a_row_group_only_if_it_is_needed(streamed, monkeypatch):
    stream, _ = streamed
    read = []
    table = data.EventStream._table
    monkeypatch.setattr(
        data.EventStream, "_table", lambda s, shard, c: (read.append(shard.group), table(s, shard, c))[1]
    )
    stream.take(np.array([0, 49, 350, 351]))
    assert sorted(read) == [0, 2]


def test_events_that_do_not_fit_in_memory_stay_in_the_file(events, monkeypatch):
    assert isinstance(data.EventStream.open(events, COMPLETE, range(1000)).load_if_fits(), data.Sample)
    free = SimpleNamespace(available=4 * 29 * 1000)
    monkeypatch.setattr(samples.psutil, "virtual_memory", lambda: free)
    assert isinstance(data.EventStream.open(events, COMPLETE, range(1000)).load_if_fits(), data.EventStream)


def test_a_folder_of_files_is_one_data_set(tmp_path, events):
    """As Spark writes it; it may be given as a URI."""
    folder = tmp_path / "events"
    folder.mkdir()
    table = pq.read_table(events)
    for number, start in enumerate(range(0, 20_000, 7000)):
        pq.write_table(table.slice(start, 7000), folder / f"part-{number:05d}.parquet", row_group_size=3000)
    (folder / "_SUCCESS").touch()
    expected = data.load(events, COMPLETE, range(2500, 16_000))
    for place in (folder, str(folder), folder.as_uri()):
        stream = data.EventStream.open(place, COMPLETE, range(2500, 16_000))
        assert stream.n_events == 13_500
        assert np.array_equal(stream.load().features, expected.features)
        rows = np.array([0, 13_499, 4499, 4500, 4501])
        assert np.array_equal(stream.take(rows).features, expected.features[rows])
    with pytest.raises(FileNotFoundError, match="nowhere: no such events"):
        data.EventStream.open(tmp_path / "nowhere", COMPLETE, range(5))


def test_ranges_of_a_stream_are_a_stream(events):
    stream = data.EventStream.open(events, COMPLETE, range(100, 19_000))
    ranges = [range(5, 10), range(10, 4000), range(10_000, 10_001), range(18_000, 18_900)]
    rows = np.concatenate([np.arange(r.start, r.stop) for r in ranges])
    some = pickle.loads(pickle.dumps(stream)).select(ranges)  # as a worker gets it
    assert some.n_events == len(rows)
    assert np.array_equal(some.load().features, stream.take(rows).features)
    assert np.array_equal(some.load().labels, stream.load().labels[rows])
    assert stream.select([]).load().features.shape == (0, 28)


def test_no_rows_and_no_features_can_be_read(events):
    nothing = data.load(events, COMPLETE, range(100, 100))
    assert nothing.features.shape == (0, 28)
    assert data.load(events, (), range(5)).features.shape == (5, 0)


@pytest.mark.parametrize("rows", [range(19_000, 20_001), range(-5, 5), range(0, 100, 2), range(10, 0, -1)])
def test_rows_outside_the_file_are_errors(events, rows):
    with pytest.raises(ValueError, match="are not consecutive rows of its 20,000"):
        data.load(events, COMPLETE, rows)


def test_a_missing_column_is_named(events):
    with pytest.raises(DataError, match=r"events.parquet: the columns m_zz are missing"):
        data.load(events, ("m_bb", "m_zz"), range(10))


def test_a_file_that_is_damaged_after_it_was_opened_is_an_error(tmp_path, events):
    """The error is raised in a thread that reads."""
    content = bytearray(events.read_bytes())
    (tmp_path / "events.parquet").write_bytes(content)
    stream = EventStream.open(tmp_path / "events.parquet", COMPLETE, range(20_000))
    content[len(content) // 2] ^= 1
    (tmp_path / "events.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"events.parquet: damaged or cut, make it again or fetch it again \(.*CRC"):
        stream.load()


def test_events_that_are_sorted_by_class_are_refused(tmp_path, events):
    table, parts = pq.read_table(events), data.split(20_000, n_test=2000, n_validation=1000)
    data.check_classes(events, parts)
    pq.write_table(table.sort_by([("label", "descending")]), tmp_path / "sorted.parquet")
    with pytest.raises(DataError, match=r": all 1,000 validation events \(rows 17,001 to 18,000\) are backgr"):
        data.check_classes(tmp_path / "sorted.parquet", parts)


def test_events_in_two_parts_are_counted(tmp_path, events):
    table = pq.read_table(events).slice(0, 1000)
    again = pa.concat_tables([table.slice(0, 850), table.slice(3, 20), table.slice(870, 130)])
    pq.write_table(again, tmp_path / "events.parquet")
    splits = data.split(1000, n_test=100, n_validation=50)
    assert data.overlaps(tmp_path / "events.parquet", splits) == {
        ("training", "validation"): 20,
        ("training", "test"): 0,
        ("validation", "test"): 0,
    }

import pickle
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from higgs_lib import data, simulation
from higgs_lib.data import COLUMNS, COMPLETE, FEATURE_SETS, parquet, samples


def test_all_of_uci_higgs_is_split_as_by_baldi():
    splits = data.split(11_000_000, n_test=500_000, n_validation=500_000)
    assert splits.training == range(10_000_000)
    assert splits.validation == range(10_000_000, 10_500_000)
    assert splits.test == range(10_500_000, 11_000_000)


def test_a_small_file_gives_a_fifth_and_a_tenth_rounded_down():
    splits = data.split(40_681, n_test=100_000, n_validation=50_000)
    assert [len(rows) for rows in splits] == [28_681, 4000, 8000]
    assert splits.test.stop == 40_681


def test_training_events_can_be_limited():
    assert data.split(1000, n_test=100, n_validation=50, n_training=200).training == range(200)
    assert data.split(1000, n_test=100, n_validation=50, n_training=5000).training == range(850)


@pytest.mark.parametrize("sizes", [(50, 10, 10, 0), (1000, 0, 10, 0), (1000, 10, 10, -1)])
def test_sizes_that_cannot_be_are_refused(sizes):
    n_events, n_test, n_validation, n_training = sizes
    with pytest.raises(ValueError, match="cannot split"):
        data.split(n_events, n_test=n_test, n_validation=n_validation, n_training=n_training)


def test_loading_gives_the_rows_and_columns_asked(events):
    table = pq.read_table(events)
    for features in FEATURE_SETS.values():
        sample = data.load(events, features, range(123, 15_000))
        assert sample.features.flags.c_contiguous
        assert sample.features.dtype == np.float32
        assert np.array_equal(sample.labels, table["label"].to_numpy()[123:15_000])
        wanted = np.stack([table[name].to_numpy()[123:15_000] for name in features], 1)
        assert np.array_equal(sample.features, wanted)


def test_so_many_rows_for_each_part():
    assert data.contiguous(70, 10, 30) == data.Splits(range(70), range(70, 80), range(80, 110))


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
    """651 events in four row groups, two of them in part, and the same in memory."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 300)
    path = tmp_path / "events.parquet"
    simulation.simulate(path, 1000, seed=1, workers=1)
    whole = data.load(path, FEATURE_SETS["high"], range(1000))
    stream = data.EventStream.open(path, FEATURE_SETS["high"], range(250, 901))
    return stream, data.Sample(*(array[250:901] for array in whole))


def test_a_stream_gives_the_events_that_memory_has(streamed):
    stream, held = streamed
    assert stream.n_events == held.n_events == 651
    assert [block.n_events for block in stream.blocks()] == [50, 300, 300, 1]
    rows = np.random.default_rng(1).permutation(651)
    for chosen in (rows, rows[:7], np.array([650]), np.array([400, 400, 60])):
        wanted = held.take(chosen)
        for taken in (stream.take(chosen), pickle.loads(pickle.dumps(stream)).take(chosen)):  # as for another process
            assert np.array_equal(taken.features, wanted.features)
            assert np.array_equal(taken.labels, wanted.labels)
    assert np.array_equal(stream.load().features, held.features)


def test_a_stream_reads_a_row_group_only_if_it_is_needed(streamed, monkeypatch):
    stream, _ = streamed
    read = []
    table = data.EventStream._table
    monkeypatch.setattr(
        data.EventStream, "_table", lambda s, shard, c: (read.append(shard.group), table(s, shard, c))[1]
    )
    stream.take(np.array([0, 49, 350, 351]))
    assert sorted(read) == [0, 2]


def test_what_memory_does_not_hold_stays_in_the_file(events, monkeypatch):
    assert isinstance(data.EventStream.open(events, COMPLETE, range(1000)).load_if_fits(), data.Sample)
    free = SimpleNamespace(available=4 * 29 * 1000)
    monkeypatch.setattr(samples.psutil, "virtual_memory", lambda: free)
    assert isinstance(data.EventStream.open(events, COMPLETE, range(1000)).load_if_fits(), data.EventStream)


def test_a_folder_of_files_is_one_data_set(tmp_path, events):
    """As Spark writes it; by its address as well."""
    folder = tmp_path / "events"
    folder.mkdir()
    table = pq.read_table(events)
    for number, start in enumerate(range(0, 20_000, 7000)):
        pq.write_table(table.slice(start, 7000), folder / f"part-{number:05d}.parquet", row_group_size=3000)
    (folder / "_SUCCESS").touch()
    wanted = data.load(events, COMPLETE, range(2500, 16_000))
    for place in (folder, str(folder), folder.as_uri()):
        stream = data.EventStream.open(place, COMPLETE, range(2500, 16_000))
        assert stream.n_events == 13_500
        assert np.array_equal(stream.load().features, wanted.features)
        rows = np.array([0, 13_499, 4499, 4500, 4501])
        assert np.array_equal(stream.take(rows).features, wanted.features[rows])
    with pytest.raises(FileNotFoundError, match="nowhere: no such events"):
        data.EventStream.open(tmp_path / "nowhere", COMPLETE, range(5))


def test_a_stream_of_some_of_its_events(events):
    stream = data.EventStream.open(events, COMPLETE, range(100, 19_000))
    ranges = [range(5, 10), range(10, 4000), range(10_000, 10_001), range(18_000, 18_900)]
    rows = np.concatenate([np.arange(r.start, r.stop) for r in ranges])
    some = pickle.loads(pickle.dumps(stream)).select(ranges)  # as a worker gets it
    assert some.n_events == len(rows)
    assert np.array_equal(some.load().features, stream.take(rows).features)
    assert np.array_equal(some.load().labels, stream.load().labels[rows])
    assert stream.select([]).load().features.shape == (0, 28)


def test_no_rows_or_no_features_are_read_as_such(events):
    nothing = data.load(events, COMPLETE, range(100, 100))
    assert nothing.features.shape == (0, 28)
    assert data.load(events, (), range(5)).features.shape == (5, 0)


@pytest.mark.parametrize("rows", [range(19_000, 20_001), range(-5, 5), range(0, 100, 2), range(10, 0, -1)])
def test_rows_that_are_not_there_are_refused(events, rows):
    with pytest.raises(ValueError, match="are not consecutive rows of its 20,000"):
        data.load(events, COMPLETE, rows)


def test_what_fails_in_a_thread_is_raised(events):
    with pytest.raises(KeyError):
        data.load(events, ("no_such_column",), range(10))


def test_events_that_stand_in_two_parts_are_counted(tmp_path, events):
    table = pq.read_table(events).slice(0, 1000)
    again = pa.concat_tables([table.slice(0, 850), table.slice(3, 20), table.slice(870, 130)])
    pq.write_table(again, tmp_path / "events.parquet")
    splits = data.split(1000, n_test=100, n_validation=50)
    assert data.overlaps(tmp_path / "events.parquet", splits) == {
        ("training", "validation"): 20,
        ("training", "test"): 0,
        ("validation", "test"): 0,
    }


def test_the_fingerprint_names_events_and_split(tmp_path, events):
    one = data.split(20_000, n_test=2000, n_validation=1000)
    other = data.split(20_000, n_test=3000, n_validation=1000)
    simulation.simulate(tmp_path / "events.parquet", 20_000, seed=8, workers=1)
    names = {data.fingerprint(events, one), data.fingerprint(events, other)}
    names.add(data.fingerprint(tmp_path / "events.parquet", one))
    assert len(names) == 3
    assert data.fingerprint(events, one) in names

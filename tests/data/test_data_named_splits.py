"""Named splits: the rows that others used, in the order of training, validation and test."""

import numpy as np
import pytest

from higgs_lib import data
from higgs_lib.data import DataError, Sizes, Splits, datasets, named_splits
from higgs_lib.data.named_splits import INDEX_FILES, LAST_500K, NAMED_SPLITS, ONE_MILLION, RTDL, row_order

CLASSES = {"training": (29_582, 33_169), "validation": (7_396, 8_292), "test": (9_245, 10_365)}
"""Background and signal events of each part of rtdl: `support` in the result files of yandex-research/tabm."""


def parts(order, name):
    n_test, n_validation, n_training = NAMED_SPLITS[name].sizes
    splits = Splits.from_sizes(n_training, n_validation, n_test)
    return {part: order[rows.start : rows.stop] for part, rows in splits._asdict().items()}


@pytest.fixture(scope="module")
def labels():
    """Labels of OpenML's 98,049 complete rows, in an order of our own."""
    return np.random.default_rng(3).permutation(np.repeat([0, 1], [46_223, 51_826]))


def test_the_sizes_of_a_split_are_those_of_its_data_set():
    assert sum(RTDL.sizes) == datasets.OPENML.n_rows == 98_049
    assert sum(LAST_500K.sizes) == datasets.UCI.n_rows == 11_000_000
    assert sum(ONE_MILLION.sizes) == 1_500_000
    for name, split in NAMED_SPLITS.items():
        assert split.name == name
        assert split.source.endswith(".")


def test_rtdl_has_the_classes_that_were_published(labels):
    order = row_order("rtdl", labels)
    assert np.array_equal(np.sort(order), np.arange(98_049))
    for part, rows in parts(order, "rtdl").items():
        assert tuple(np.bincount(labels[rows])) == CLASSES[part]


def test_last500k_is_the_order_of_the_file():
    order = row_order("last500k", np.zeros(11_000_000, np.int8))
    assert np.array_equal(order, np.arange(11_000_000))
    assert Splits.from_sizes(10_000_000, 500_000, 500_000) == data.split(
        11_000_000, n_test=LAST_500K.sizes.n_test, n_validation=LAST_500K.sizes.n_validation
    )


def test_1m_tests_on_the_rows_after_the_first_million():
    of = parts(row_order("1m", np.zeros(11_000_000, np.int8)), "1m")
    assert np.array_equal(of["test"], np.arange(1_000_000, 1_500_000))
    assert len(of["validation"]) == 50_000
    assert np.array_equal(np.sort(np.r_[of["training"], of["validation"]]), np.arange(1_000_000))
    assert np.array_equal(of["validation"], np.random.default_rng(0).permutation(1_000_000)[:50_000])


def save(folder, training, validation, test):
    folder.mkdir(exist_ok=True)
    for file, rows in zip(INDEX_FILES, (training, validation, test), strict=True):
        np.save(folder / file, rows)
    return folder


def test_index_files_win_over_the_rule(tmp_path, labels):
    rows = np.random.default_rng(5).permutation(98_049)
    given = save(tmp_path / "indices", rows[:62_751], rows[62_751:78_439], rows[78_439:])
    assert np.array_equal(row_order("rtdl", labels, given), rows)
    assert not np.array_equal(row_order("rtdl", labels), rows)


def wrong_indices(kind):
    rows = np.arange(98_049)
    training, validation, test = rows[:62_751].copy(), rows[62_751:78_439].copy(), rows[78_439:].copy()
    if kind == "twice":
        test[0] = training[0]
    elif kind == "outside":
        test[0] = 98_049
    elif kind == "negative":
        validation[3] = -1
    elif kind == "short":
        validation = validation[1:]
    elif kind == "floats":
        test = test.astype(float)
    return training, validation, test


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("twice", "a row is in two of the parts"),
        ("outside", r"idx_test\.npy: row 98049 is not between 0 and 98048"),
        ("negative", r"idx_val\.npy: row -1 is not between"),
        ("short", r"idx_val\.npy: 15,687 rows, where the split rtdl has 15,688"),
        ("floats", r"idx_test\.npy: must hold whole numbers"),
    ],
)
def test_wrong_indices_are_refused(tmp_path, labels, kind, message):
    with pytest.raises(DataError, match=message):
        row_order("rtdl", labels, save(tmp_path / "indices", *wrong_indices(kind)))


def test_indices_that_are_missing_or_no_arrays_are_refused(tmp_path, labels):
    with pytest.raises(DataError, match=r"idx_train\.npy: no such file; the folder must hold idx_train\.npy, idx_val"):
        row_order("rtdl", labels, tmp_path)
    (tmp_path / "idx_train.npy").write_text("0\n1\n")
    with pytest.raises(DataError, match=r"idx_train\.npy: not an array of NumPy"):
        row_order("rtdl", labels, tmp_path)


def test_a_split_of_other_rows_is_refused(labels):
    with pytest.raises(DataError, match=r"one of the 98,049 complete rows of OpenML's .*, not of 98,048 rows"):
        row_order("rtdl", labels[1:])
    with pytest.raises(DataError, match="unknown split 'rtd': choose one of last500k, rtdl, 1m"):
        row_order("rtd", labels)


@pytest.fixture
def small(monkeypatch, rows):
    """Splits of the 500 rows of a test file, which is not known by its sha256."""
    openml = datasets.OPENML._replace(n_rows=500, n_signal=int(rows[:, 0].sum()))
    split = RTDL._replace(dataset=openml, sizes=Sizes(100, 80, 320))
    monkeypatch.setattr(named_splits, "RTDL", split)
    monkeypatch.setitem(NAMED_SPLITS, "rtdl", split)
    monkeypatch.setattr("higgs_lib.data.contents.MEAN_OF_POSITIVE", (0.8, 1.2))
    monkeypatch.setattr("higgs_lib.data.contents.MEAN_OF_DIRECTIONS", (-0.2, 0.2))
    monkeypatch.setattr("higgs_lib.data.contents.SPREAD_OF_DIRECTIONS", (0.8, 1.2))
    return split


def test_an_ingested_split_has_its_rows_in_order_and_says_so(tmp_path, rows, small):
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",")
    origin = data.ingest_split(tmp_path / "mine.csv", tmp_path / "events.parquet", "rtdl")
    assert origin == data.origin(tmp_path / "events.parquet")
    assert (origin.event_type, origin.recipe["split"]["name"]) == ("openml", "rtdl")
    assert "an excerpt of UCI HIGGS" in origin.description
    assert origin.description.endswith("known by what it holds, split rtdl")
    order = row_order("rtdl", rows[:, 0])
    table = data.load_table(tmp_path / "events.parquet", range(500))
    stored = np.stack([column.to_numpy() for column in table.columns], 1)
    np.testing.assert_array_equal(stored, rows[order])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.parquet", "mine.csv"]


def test_the_split_of_a_study_is_told_by_its_events_and_its_parts(tmp_path, rows, small):
    path = tmp_path / "events.parquet"
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",")
    origin = data.ingest_split(tmp_path / "mine.csv", path, "rtdl")
    splits = data.split(500, n_test=100, n_validation=80)
    assert data.named_split(origin, splits) == "rtdl"
    assert data.named_split(origin, splits._replace(training=range(50))) == "rtdl"
    assert data.named_split(origin, data.split(500, n_test=101, n_validation=80)) == ""
    assert data.part_sizes(path, Sizes(100, 80)) == (100, 80, 0)
    with pytest.raises(DataError, match="order of the split rtdl, so the sizes must be its own, n_test: 100 and n_val"):
        data.part_sizes(path, Sizes(90, 80))
    plain = data.ingest(tmp_path / "mine.csv", path)
    assert data.named_split(plain, splits) == ""
    assert data.part_sizes(path, Sizes(100_000, 50_000)) == (100, 50, 0)


def test_uci_s_own_file_needs_no_order():
    uci = data.Origin("uci", 11_000_000, {"source": "HIGGS.csv.gz"}, "")
    assert data.named_split(uci, data.split(11_000_000, n_test=500_000, n_validation=500_000)) == "last500k"
    assert data.named_split(uci, data.split(11_000_000, n_test=500_000, n_validation=400_000)) == ""
    simulated = data.Origin("simulated", 11_000_000, {"source": "built-in", "seed": 1}, "")
    assert data.named_split(simulated, data.split(11_000_000, n_test=500_000, n_validation=500_000)) == ""


def test_another_file_than_the_split_s_is_refused_and_leaves_nothing(tmp_path, rows):
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",")
    with pytest.raises(DataError, match=r"mine\.csv: 500 events, but OpenML's data set 23512.* has 98,049"):
        data.ingest_split(tmp_path / "mine.csv", tmp_path / "events.parquet", "rtdl")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]

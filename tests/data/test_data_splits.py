import pytest

from higgs_lib import data, simulation


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
def test_impossible_sizes_are_errors(sizes):
    n_events, n_test, n_validation, n_training = sizes
    with pytest.raises(ValueError, match="cannot split"):
        data.split(n_events, n_test=n_test, n_validation=n_validation, n_training=n_training)


def test_parts_of_given_sizes():
    assert data.Splits.from_sizes(70, 10, 30) == data.Splits(range(70), range(70, 80), range(80, 110))


def test_the_fingerprint_identifies_events_and_split(tmp_path, events):
    one = data.split(20_000, n_test=2000, n_validation=1000)
    other = data.split(20_000, n_test=3000, n_validation=1000)
    simulation.simulate(tmp_path / "events.parquet", 20_000, seed=8, workers=1)
    names = {data.fingerprint(events, one), data.fingerprint(events, other)}
    names.add(data.fingerprint(tmp_path / "events.parquet", one))
    assert len(names) == 3
    assert data.fingerprint(events, one) in names

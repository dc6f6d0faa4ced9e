import pytest

from higgs_lib import data, simulation


def test_all_of_uci_higgs_is_split_as_by_baldi():
    splits = data.split(11_000_000, n_test=500_000, n_validation=500_000)
    assert splits.training == range(10_000_000)
    assert splits.validation == range(10_000_000, 10_500_000)
    assert splits.test == range(10_500_000, 11_000_000)


SMOKE = data.Sizes(8000, 4000)  # what params/smoke.yaml asks for


@pytest.mark.parametrize(("n_events", "sizes"), [(40_681, [28_681, 4000, 8000]), (32_000, [23_000, 3000, 6000])])
def test_smoke_splits_uci_s_sample_and_its_own_events(n_events, sizes):
    splits = data.split(n_events, **SMOKE.reduced(n_events)._asdict())
    assert [len(rows) for rows in splits] == sizes
    assert splits.test.stop == n_events


def test_a_small_file_gives_a_fifth_and_a_tenth_rounded_down():
    asked = data.Sizes(100_000, 50_000)
    assert asked.reduced(40_681) == (8000, 4000, 0)
    assert asked.reduced(11_000_000) == asked
    assert data.Sizes(1000, 500, 5000).reduced(1000) == (200, 100, 700)
    assert asked.reduced(100) == (20, 10, 0)
    with pytest.raises(ValueError, match="99 events are too few to divide"):
        asked.reduced(99)


def test_sizes_state_how_they_differ_from_those_that_were_asked_for():
    asked = data.Sizes(8000, 4000, 15_000)
    assert asked.describe_changes(asked) == ""
    assert asked.reduced(32_000).describe_changes(asked) == (
        "The file is too small for the sizes asked for: it gives 6,000 events for testing instead of 8,000 and 3,000 "
        "events for validation instead of 4,000."
    )
    assert "700 events for training instead of 15,000" in asked.reduced(1000).describe_changes(asked)


@pytest.mark.parametrize("sizes", [(100, 50, 850), (998, 1, 1), (1, 1, 998), (500, 400, 0)])
def test_the_sizes_are_those_asked_for(sizes):
    n_test, n_validation, n_training = sizes
    splits = data.split(1000, n_test=n_test, n_validation=n_validation, n_training=n_training)
    assert [len(rows) for rows in splits] == [n_training or 1000 - n_test - n_validation, n_validation, n_test]
    assert splits.training.start == 0
    assert splits.validation.stop == splits.test.start
    assert splits.test.stop == 1000


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1000, 900, 100, 0), "can be at most 999 together, which leaves 1 for training"),
        ((1000, 100, 50, 851), "at most 850 are left"),
        ((1000, 0, 10, 0), "n_test must be a whole number of at least 1, not 0"),
        ((1000, 10, -5, 0), "n_validation must be a whole number of at least 1, not -5"),
        ((1000, 10, 10, -1), "n_training must be a whole number of at least 0, not -1"),
        ((1000, 100.5, 10, 0), "n_test must be a whole number"),
        ((1000, float("nan"), 10, 0), "n_test must be a whole number"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_the_largest_that_do(sizes, message):
    n_events, n_test, n_validation, n_training = sizes
    with pytest.raises(ValueError, match=message):
        data.split(n_events, n_test=n_test, n_validation=n_validation, n_training=n_training)


def test_parts_of_given_sizes():
    assert data.Splits.from_sizes(70, 10, 30) == data.Splits(range(70), range(70, 80), range(80, 110))
    with pytest.raises(ValueError, match="n_validation must be a whole number of at least 0"):
        data.Splits.from_sizes(70, -10, 30)


def test_the_fingerprint_identifies_events_and_split(tmp_path, events):
    one = data.split(20_000, n_test=2000, n_validation=1000)
    other = data.split(20_000, n_test=3000, n_validation=1000)
    simulation.simulate(tmp_path / "events.parquet", 20_000, seed=8, workers=1)
    names = {data.fingerprint(events, one), data.fingerprint(events, other)}
    names.add(data.fingerprint(tmp_path / "events.parquet", one))
    assert len(names) == 3
    assert data.fingerprint(events, one) in names

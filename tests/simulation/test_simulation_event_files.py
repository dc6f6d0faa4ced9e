import pytest

from higgs_lib import simulation
from higgs_lib.data import DataError, parquet
from higgs_lib.simulation import event_files


def test_simulated_files_do_not_depend_on_the_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 8192)
    monkeypatch.setattr(event_files, "ROW_GROUP", 8192)
    one, two = (simulation.simulate(tmp_path / f"{n}.parquet", 20_000, seed=3, workers=n) for n in (1, 2))
    assert one == two
    assert one.n_events == 20_000
    assert "not UCI's and not an experiment's" in one.description


@pytest.mark.parametrize(
    ("n_events", "seed", "message"),
    [
        (0, 1, "cannot simulate 0 events"),
        (-5, 1, "cannot simulate -5 events"),
        (10, -1, "with seed -1; give a seed of 0"),
    ],
)
def test_requests_that_cannot_be_are_refused(tmp_path, n_events, seed, message):
    for refuse in (simulation.recipe, lambda *what: simulation.simulate(tmp_path / "events.parquet", *what)):
        with pytest.raises(DataError, match=message):
            refuse(n_events, seed)
    assert list(tmp_path.iterdir()) == []

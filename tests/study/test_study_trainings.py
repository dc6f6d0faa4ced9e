import numpy as np
import pytest

from higgs_lib import device, processes, study
from higgs_lib.models import ModelSpec
from higgs_lib.study import Study, Training, trainings
from higgs_lib.training import DivergenceError, TrainConfig, steps

FIT = TrainConfig(epochs=2, batch_size=300)  # which leaves a smaller batch over


@pytest.fixture
def small(tmp_path, events) -> Study:
    return Study.open(str(tmp_path), str(events), n_test=2000, n_validation=1000, n_training=4000)


def of(small: Study, *widths: int, **changed) -> list[Training]:
    spec = {width: ModelSpec((width,), learning_rate=0.01) for width in widths}
    return [Training(small, f"width_{width}", spec[width], "high", 1, FIT, **changed) for width in widths]


@pytest.fixture
def side_by_side(monkeypatch):
    """Processes start however short the trainings are."""
    monkeypatch.setattr(trainings, "START", 0.0)
    monkeypatch.setattr(device, "cores", lambda: 2)


def test_networks_that_train_side_by_side_learn_as_in_turn(small, tmp_path, side_by_side, monkeypatch):
    together = study.train(of(small, 10, 20, 30))
    assert [result["recipe"]["classifier"] for result in together] == ["width_10", "width_20", "width_30"]
    other = Study(study.Run(tmp_path / "in_turn"), small.events, small.splits)
    monkeypatch.setattr(trainings, "START", np.inf)
    monkeypatch.setattr(processes, "pool", None)  # no process could be started
    for result, alone in zip(together, study.train(of(other, 10, 20, 30)), strict=True):
        for part in ("training", "validation", "test"):
            assert result[part]["auc"]["value"] == pytest.approx(alone[part]["auc"]["value"], abs=1e-4)
    assert study.train(of(small, 10, 20, 30)) == together  # read back


def test_only_what_is_not_stored_is_trained(small, side_by_side, monkeypatch):
    first = study.train(of(small, 10, 20))
    started = []
    train = study.train(of(small, 10, 20, 30))
    assert train[:2] == first
    monkeypatch.setattr(processes, "pool", lambda *arguments: started.append(arguments))
    assert study.train(of(small, 10, 20, 30)) == train
    assert not started


def test_an_error_of_one_network_is_that_of_all(small, side_by_side):
    with pytest.raises(ValueError, match="an epoch of 100 events cannot hold 4000"):
        study.train(of(small, 10, 20, events_per_epoch=100))
    wrong = ModelSpec((10,), activation="relu", optimizer="sgd", learning_rate=1e30)
    with pytest.raises(DivergenceError, match="wrong"):
        study.train([Training(small, "wrong", wrong, "high", 1, FIT), *of(small, 10)])


@pytest.mark.parametrize(
    ("free", "cores", "n_trainings", "has_gpu", "expected"),
    [
        (64e9, 8, 9, False, 8),
        (64e9, 8, 3, False, 3),
        (3.5 * 7000 * 7 * 12, 8, 9, False, 3),  # three times the values of four bytes, each
        (1.0, 8, 9, False, 1),
        (64e9, 8, 9, True, 1),
        (64e9, 1, 9, False, 1),
        (64e9, 8, 0, False, 1),
    ],
)
def test_processes_are_as_many_as_cores_networks_and_memory_allow(
    small, monkeypatch, free, cores, n_trainings, has_gpu, expected
):
    monkeypatch.setattr(trainings, "START", 1e-3)
    monkeypatch.setattr(device, "cores", lambda: cores)
    monkeypatch.setattr(steps, "has_gpu", lambda: has_gpu)
    memory = type("Memory", (), {"available": free})
    monkeypatch.setattr(trainings.psutil, "virtual_memory", lambda: memory)
    assert trainings._n_processes(of(small, *range(1, n_trainings + 1))) == expected


def test_a_few_short_trainings_start_no_processes(small, monkeypatch):
    monkeypatch.setattr(device, "cores", lambda: 2)
    assert trainings._n_processes(of(small, 10, 20)) == 1
    assert trainings._n_processes(of(small, *range(10, 20))) == 2

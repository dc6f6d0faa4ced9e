import numpy as np
import pytest

from higgs_lib.performance.scaling import summary
from higgs_lib.study.timed import TimedTraining, epoch_timings
from higgs_lib.training import Phases


def timed_training(n_workers, seconds, aucs, waiting=0.0):
    phases = [Phases(0.1, s - 0.5, 0.4, waiting, 0.2, 8.0, []) for s in seconds]
    return TimedTraining(n_workers, 1000, seconds, [[phase] * n_workers for phase in phases], aucs, 9.0, 10)


def test_the_time_to_an_auc_counts_the_epochs_until_it_is_reached():
    training = timed_training(1, [5.0, 2.0, 3.0], [0.6, 0.71, 0.70])
    assert training.seconds_to(0.6) == 5.0
    assert training.seconds_to(0.7) == 7.0
    assert training.seconds_to(0.8) == np.inf


def test_phases_are_those_of_the_epochs_after_the_first():
    training = timed_training(2, [5.0, 2.0, 3.0], [0.6] * 3, waiting=0.3)
    means = training.mean_phases()
    assert means["compute"] == pytest.approx(2.0)
    assert means["transfer"] == pytest.approx(0.1)
    assert training.per_step("transfer", n_events=2500) == pytest.approx(0.1 / 3)
    assert training.transfers(n_events=2500) == pytest.approx([0.1 / 3] * 2)


def test_epoch_timings_leave_the_first_epoch_of_each_training_out():
    trainings = [timed_training(1, [5.0, 2.0, 3.0], [0.6] * 3), timed_training(2, [4.0, 1.5], [0.6] * 2)]
    timings = epoch_timings([*trainings, timed_training(2, [4.0, 1.4], [0.6] * 2)])
    assert timings.workers.tolist() == [1, 1, 2, 2]
    assert timings.seconds.tolist() == [2.0, 3.0, 1.5, 1.4]


def test_epochs_of_single_trainings_give_no_interval():
    trainings = [timed_training(1, [5.0, 2.0, 3.0], [0.6] * 3), timed_training(2, [4.0, 1.5, 1.1], [0.6] * 3)]
    timings = epoch_timings(trainings)
    assert timings.workers.tolist() == [1, 2]
    assert timings.seconds.tolist() == pytest.approx([2.5, 1.3])
    speed_up = summary(timings).speed_up[1]
    assert speed_up.value == pytest.approx(2.5 / 1.3)
    assert np.isnan([speed_up.low, speed_up.high]).all()

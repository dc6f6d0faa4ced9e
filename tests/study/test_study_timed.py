import numpy as np
import pytest
from scipy import stats

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


def test_a_training_is_one_timing_without_its_first_epoch():
    trainings = [timed_training(1, [5.0, 2.0, 3.0], [0.6] * 3), timed_training(2, [4.0, 1.5, 9.0, 1.7], [0.6] * 4)]
    timings = epoch_timings([*trainings, timed_training(2, [4.0, 1.4], [0.6] * 2)])
    assert timings.workers.tolist() == [1, 2, 2]
    assert timings.seconds.tolist() == [2.5, 1.7, 1.4]


def test_epochs_that_share_their_conditions_do_not_narrow_the_interval():
    """Trainings scatter by 10 %, epochs within one hardly: 95 % of the intervals hold the truth nevertheless."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(200):
        conditions = np.exp(rng.normal(0, 0.1, (2, 4)))
        trainings = [
            timed_training(n, [9.0, *(4 / n * condition * np.exp(rng.normal(0, 0.01, 4)))], [0.6] * 5)
            for n in (1, 2)
            for condition in conditions[n - 1]
        ]
        speed_up = summary(epoch_timings(trainings)).speed_up[1]
        inside += speed_up.low <= 2 <= speed_up.high
    low, high = stats.binom.interval(0.999, 200, 0.95)
    assert low <= inside <= high


def test_single_trainings_give_no_interval():
    trainings = [timed_training(1, [5.0, 2.0, 3.0], [0.6] * 3), timed_training(2, [4.0, 1.5, 1.1], [0.6] * 3)]
    speed_up = summary(epoch_timings(trainings)).speed_up[1]
    assert speed_up.value == pytest.approx(2.5 / 1.3)
    assert np.isnan([speed_up.low, speed_up.high]).all()

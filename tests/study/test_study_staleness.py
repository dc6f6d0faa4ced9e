import numpy as np
import pytest

from higgs_lib.metrics import Interval
from higgs_lib.study import staleness
from higgs_lib.study.asynchronous import AsynchronousTraining


def test_commits_that_are_geometric_act_like_momentum():
    values = np.random.default_rng(1).geometric(1 / 4, 100_000) - 1
    compared = staleness.compared_with_momentum(values, 4)
    assert compared.mean == pytest.approx(3, abs=0.05)
    assert compared.standard_deviation == pytest.approx(compared.momentum_standard_deviation, rel=0.02)
    assert compared.distance < 0.01


def test_workers_that_take_turns_do_not():
    """All commits have a staleness of 1, which momentum gives a quarter of its weight with two workers."""
    compared = staleness.compared_with_momentum(np.ones(10, int), 2)
    assert (compared.mean, compared.standard_deviation) == (1, 0)
    assert compared.momentum_standard_deviation == pytest.approx(2**0.5)
    assert compared.distance == pytest.approx(0.75)


def training(losses):
    numbers = {"n_bytes": [], "staleness": [], "events_per_second": 1.0, "service_seconds": 0.0, "start_up": 0.0}
    auc = {"validation_auc": [0.5] * len(losses), "validation_loss": losses, "auc": Interval(0.5, 0.5, 0.5)}
    return AsynchronousTraining("DOWNPOUR", 2, 100, [1.0] * len(losses), **auc, **numbers, divergence="")


def test_the_nearest_loss_is_named():
    alone = ("plain SGD", training([0.7, 0.6])), ("momentum 0.5", training([0.7, 0.68]))
    name, distance = staleness.nearest_loss(("2 workers", training([0.7, 0.66])), *alone)
    assert name == "momentum 0.5"
    assert distance == pytest.approx(0.02 / 2**0.5)


def test_a_training_that_diverged_is_near_to_none():
    name, distance = staleness.nearest_loss(("2 workers", training([])), ("plain SGD", training([0.7])))
    assert (name, np.isnan(distance)) == ("", True)

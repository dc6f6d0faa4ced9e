import numpy as np
import pytest

from higgs_lib.metrics import Interval
from higgs_lib.study.asynchronous import AsynchronousTraining, momentum_kernel, temporal_efficiency


def training(seconds, aucs, **others):
    fields = {
        **{"rule": "DOWNPOUR", "n_workers": 2, "n_events": 1000, "seconds": seconds, "validation_auc": aucs},
        **{"validation_loss": [1 - auc for auc in aucs], "auc": Interval(0.7, 0.69, 0.71), "n_bytes": [8] * len(aucs)},
        **{"staleness": [1], "events_per_second": 500.0, "service_seconds": 1e-3, "start_up": 3.0, "divergence": ""},
    }
    return AsynchronousTraining(**fields | others)


def test_times_and_events_are_counted_over_the_epochs():
    trained = training([2.0, 1.0, 1.5], [0.6, 0.75, 0.74])
    assert trained.times.tolist() == [2.0, 3.0, 4.5]
    assert trained.events.tolist() == [1000, 2000, 3000]
    assert [trained.seconds_to(auc) for auc in (0.6, 0.7, 0.8)] == [2.0, 3.0, np.inf]


def test_the_temporal_efficiency_is_the_ratio_of_the_areas():
    """By hand: the first training has 0.55 * 2 + 0.65 * 2, the other, until the first one ends, 0.55 * 4."""
    assert temporal_efficiency([2, 4], [0.6, 0.7], [4, 8], [0.6, 0.7]) == pytest.approx((1.1 + 1.3) / 2.2)
    assert temporal_efficiency([4, 8], [0.6, 0.7], [2, 4], [0.6, 0.7]) == pytest.approx(2.2 / (1.1 + 1.3))
    assert temporal_efficiency([1, 5], [0.6, 0.8], [1, 5], [0.6, 0.8]) == pytest.approx(1)


def test_the_kernel_is_that_of_steps_with_momentum():
    """The weights of past gradients in the velocity, which steps with momentum add up one after the other."""
    momentum, velocity = 1 - 1 / 4, np.zeros(30)
    for step in range(30):  # the gradient of step k is the unit vector k
        velocity = momentum * velocity + (1 - momentum) * np.eye(30)[step]
    assert momentum_kernel(4, 30) == pytest.approx(velocity[::-1])
    ages = np.arange(2000)
    assert momentum_kernel(4, 2000) @ ages == pytest.approx(4 - 1)  # the mean staleness of n workers
    assert momentum_kernel(1, 3).tolist() == [1, 0, 0]

"""Compares the staleness of asynchronous commits with that which acts like momentum."""

from typing import NamedTuple

import numpy as np

from higgs_lib.study.asynchronous import AsynchronousTraining, momentum_kernel


class Staleness(NamedTuple):
    """The staleness of the commits of n workers, and that of momentum 1 - 1/n, whose mean is n - 1."""

    n_workers: int
    """n"""
    mean: float
    """Mean staleness of the commits, in changes of the centre"""
    standard_deviation: float
    """Standard deviation of the staleness of the commits"""
    momentum_standard_deviation: float
    """Standard deviation of the staleness that acts like momentum"""
    distance: float
    """Total variation distance of the two distributions: 0 for equal ones, 1 for those without anything in common"""


def compared_with_momentum(values: np.ndarray, n_workers: int) -> Staleness:
    """Compares the staleness of every commit (n_commits,) with that of momentum.

    The latter is geometric: k has the probability (1/n) (1 - 1/n)^k (I. Mitliagkas et al., arXiv:1605.09774).
    """
    values = np.asarray(values)
    expected = momentum_kernel(n_workers, 1 + values.max())
    counted = np.bincount(values) / len(values)
    distance = np.abs(counted - expected).sum() / 2 + (1 - expected.sum()) / 2
    spread = float(np.sqrt(n_workers * (n_workers - 1)))
    return Staleness(n_workers, float(values.mean()), float(values.std()), spread, float(distance))


def nearest_loss(
    workers: tuple[str, AsynchronousTraining], *alone: tuple[str, AsynchronousTraining]
) -> tuple[str, float]:
    """Returns the name of the training whose validation loss is nearest to that of several workers, and its distance.

    Args:
        workers: name and training of the workers.
        alone: those of the trainings on one worker.

    Returns:
        The name, and the root mean square of the difference over epochs; "" and nan where the workers' weights were not
        finite.
    """
    loss = np.array(workers[1].validation_loss)
    if not len(loss):
        return "", np.nan
    distances = {name: float(np.sqrt(np.mean((loss - training.validation_loss) ** 2))) for name, training in alone}
    name = min(distances, key=distances.get)
    return name, distances[name]

"""Extrapolates the test AUC of a network to more training events than a run has."""

from collections.abc import Sequence

import numpy as np
from scipy import optimize

from higgs_lib.metrics import Interval

MIN_SIZES = 4  # numbers of training events: one more than the curve has parameters
DRAWS = 200

_LOWER, _UPPER = (0.5, 0.0, 0.1), (1.0, 0.5, 1.5)  # of the limit, the deficit at the first size and the exponent


def extrapolate(n_training: Sequence[int], aucs: Sequence[Interval], n_events: int, *, seed: int) -> Interval:
    """Returns the AUC that a learning curve predicts for `n_events` training events.

    The curve is A - B N^-c, the power law with a limit that learning curves of networks follow (J. Hestness et al.
    2017, arXiv:1712.00409). The 95 % interval comes from curves through AUCs drawn within their own intervals, as if
    these were independent. The errors of the test events are common to all sizes, so it is wide rather than narrow. It
    does not contain what another kind of events or another network would change.

    Args:
        n_training: the numbers of training events (n,).
        aucs: the test AUC at each (n,).
        n_events: the number of training events to predict for.
        seed: of the draws.

    Returns:
        The predicted AUC.

    Raises:
        ValueError: there are fewer than `MIN_SIZES` sizes.
    """
    if len(set(n_training)) < MIN_SIZES:
        raise ValueError(f"a learning curve needs {MIN_SIZES} numbers of training events, not {len(set(n_training))}")
    sizes = np.asarray(n_training, float) / min(n_training)
    values = np.array([auc.value for auc in aucs])
    errors = np.array([(auc.high - auc.low) / (2 * 1.96) for auc in aucs])

    def predict(measured: np.ndarray) -> float:
        start = (min(measured.max() + 0.01, 0.99), max(np.ptp(measured), 1e-3), 0.5)
        solution = optimize.least_squares(
            lambda p: (_curve(sizes, *p) - measured) / errors, start, bounds=(_LOWER, _UPPER), x_scale=(0.1, 0.1, 0.5)
        )
        return float(_curve(n_events / min(n_training), *solution.x))

    rng = np.random.default_rng(seed)
    draws = [predict(rng.normal(values, errors)) for _ in range(DRAWS)]
    return Interval(predict(values), *np.quantile(draws, [0.025, 0.975]).tolist())


def _curve(size, limit: float, deficit: float, exponent: float):
    """Returns the AUC at a size, in units of the first, where it is `limit - deficit`."""
    return limit - deficit * size**-exponent

"""The update rules against their formulas, written down once more with plain numbers."""

import numpy as np
import pytest

from higgs_lib.training.update_rules import (
    ADAG,
    AEASGD,
    AGN,
    DOWNPOUR,
    EAMSGD,
    RULES,
    Averaging,
    DynSGD,
    Ensemble,
    Single,
)

# centre now, centre that the worker pulled, its weights after the window, steps of the window, staleness
CENTRE, PULLED, WEIGHTS, N_STEPS, STALENESS = 2.0, 1.5, 2.25, 4, 3


def vector(x):
    return np.full(3, x, np.float32)


def after(rule):
    """The centre after a commit, and the commit."""
    commit = rule.commit(vector(WEIGHTS), vector(PULLED), N_STEPS)
    centre = vector(CENTRE)
    updated = rule.update(centre, commit, vector(PULLED), STALENESS)
    assert updated.dtype == commit.dtype == np.float32
    assert centre[0] == CENTRE  # workers that have pulled it keep it
    return updated[0], commit[0]


@pytest.mark.parametrize(
    ("rule", "centre", "commit"),
    [
        (DOWNPOUR(), 2 + 0.75, 0.75),
        (AGN(), 2 + 0.75 / 4, 0.75 / 4),
        (DynSGD(), 2 + 0.75 / (3 + 1), 0.75),
        (ADAG(), 2 + 0.1875 / (0.5**2 / 0.1 + 1), 0.1875),
        (ADAG(learning_rate=0.5), 2 + 0.1875 / (0.5**2 / 0.5 + 1), 0.1875),
        (AEASGD(), 2 + 5 * 0.1 * 0.75, 5 * 0.1 * 0.75),
        (AEASGD(rho=2.0), 2 + 2 * 0.1 * 0.75, 2 * 0.1 * 0.75),
        (EAMSGD(), 2 + 5 * 0.1 * 0.75, 5 * 0.1 * 0.75),
    ],
    ids=repr,
)
def test_a_commit_changes_the_centre_by_the_formula(rule, centre, commit):
    assert after(rule) == pytest.approx((centre, commit), rel=1e-6)


def test_the_windows_are_those_of_distributed_keras():
    windows = {name: rule.window for name, rule in RULES.items()}
    assert windows == {
        "Single": None,
        "Averaging": None,
        "Ensemble": None,
        "DOWNPOUR": 5,
        "AGN": 12,
        "DynSGD": 5,
        "AEASGD": 32,
        "EAMSGD": 32,
        "ADAG": 5,
    }
    assert {name for name, rule in RULES.items() if rule.window and rule.elastic} == {"AEASGD", "EAMSGD"}


def test_averaging_equal_workers_is_the_identity():
    weights = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    for n in (1, 3, 7):
        assert np.array_equal(Averaging().mean([weights] * n), weights)
    assert Single().mean([vector(1.0)]).dtype == np.float32
    assert Averaging().mean([vector(1.0), vector(4.0)]).tolist() == [2.5] * 3


def test_elastic_workers_and_their_centre_meet():
    """Without local steps; the sum of all weights is conserved."""
    rule, centre = AEASGD(), vector(0.0)
    workers = [vector(3.0), vector(-1.0), vector(7.0)]
    for _ in range(30):
        for number, weights in enumerate(workers):
            commit = rule.commit(weights, centre, 32)
            workers[number] = weights - commit
            centre = rule.update(centre, commit, centre, 0)
    for weights in (centre, *workers):
        assert weights == pytest.approx(vector((3 - 1 + 7) / 4), rel=1e-5)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="AGN: the window must be one batch or more, not 0"):
        AGN(window=0)
    with pytest.raises(ValueError, match=r"EAMSGD: rho \* learning_rate must be between 0 and 1, not 2"):
        EAMSGD(rho=20.0)
    assert Ensemble(initial_weights=([np.ones(1)],)) == Ensemble()

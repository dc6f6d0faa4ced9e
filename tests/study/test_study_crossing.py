import numpy as np
import pytest
from repository import ROOT

from higgs_lib.study import Run, crossing
from higgs_lib.study.learning_curve import Measured


def measured(sizes, aucs, error=0.001):
    return Measured.from_trainings(sizes, aucs, np.diag(np.full(len(sizes), error**2)))


def stored(steps, networks):
    return crossing.Stored("GPU", steps, "2026-01-01", networks)


SIZES = [100, 1000, 10_000]


def test_a_network_overtakes_where_it_stays_above_the_interval_of_the_masses():
    networks = {
        "deep, low": measured(SIZES, [0.70, 0.75, 0.81]),
        "modern, low": measured(SIZES, [0.90, 0.75, 0.90]),  # falls below once
        "kinematic, low": measured(SIZES, [0.82, 0.85, 0.90]),
        "slow, low": measured(SIZES, [0.60, 0.70, 0.803]),  # above, but within the intervals
    }
    few = stored(10, {"shallow, high": measured(SIZES, [0.78, 0.79, 0.80])})
    found = crossing.Crossing.from_stored([stored(20, networks), few])
    assert [found.overtakes(name) for name in networks] == [10_000, 10_000, 100, None]
    assert found.masses.value == pytest.approx(0.80)
    text = found.describe()
    assert "the deep one in 20 steps, overtake" in text
    assert "the masses (AUC 0.800 from 10,000 events in 10 steps): " in text
    assert "the deep one between 1,000 and 10,000" in text
    assert "the kinematic one at the fewest, 100, already" in text
    assert "the slow one not up to 10,000" in text


def test_without_a_shallow_network_on_the_masses_there_is_no_crossing():
    with pytest.raises(ValueError, match="is stored"):
        crossing.Crossing.from_stored([stored(20, {"deep, low": measured(SIZES, [0.7, 0.7, 0.7])})])


def test_the_stored_curves_are_those_of_the_benchmark():
    curves = crossing.stored_curves(ROOT / "benchmarks" / "results" / "learning-curve")
    assert [curve.steps for curve in curves] == sorted((curve.steps for curve in curves), reverse=True)
    assert {"deep, low", "modern, low", "kinematic, low"} <= set(curves[0].networks)
    assert curves[0].networks["deep, low"].n_training[-1] == 10_000_000
    assert any("shallow, high" in curve.networks for curve in curves)


def test_published_marks_are_those_of_the_paper():
    assert crossing.published_marks() == {"deep, low": (10_000_000, 0.880), "shallow, high": (10_000_000, 0.777)}


def test_a_run_is_shown_by_its_fully_trained_networks(tmp_path):
    """A network of a learning curve has a name of its own, so its few steps are not shown beside full trainings."""
    run, trained = Run(tmp_path), {"deep": (0.70, 23_000), "deep_23000_events": (0.60, 23_000)}
    for name, (auc, n_training) in trained.items():
        recipe = {"classifier": name, "features": "low", "seed": 1, "n_training": n_training, "n_test": 100}
        run.save(name, {"recipe": recipe, "test": {"auc": {"value": auc, "low": auc - 0.01, "high": auc + 0.01}}})
    run.publish("all", [{"name": name} for name in trained])
    assert crossing.points_of_run(run) == {"deep, low": ([23_000], [pytest.approx((0.70, 0.69, 0.71))])}

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from higgs_lib import models
from higgs_lib.metrics import CalibrationError, Interval, accuracy, auc_interval
from higgs_lib.study import Run, Scores, comparison, tables
from higgs_lib.study.diagnostics import RangeComparison
from higgs_lib.training import TrainConfig

EPOCHS = {"best_epoch": 3, "seconds": 12.4, "events_per_second": 1234.5}


@pytest.fixture
def run(tmp_path):
    """A run with the stored results of one network on all feature sets, of two seeds on one of them."""
    run, rng, names = Run(tmp_path), np.random.default_rng(1), []
    for features, seed in (("low", 1), ("high", 1), ("high", 2), ("complete", 1)):
        names.append(f"shallow-{features}-seed{seed}")
        labels = rng.integers(0, 2, 500).astype(float)
        scores = np.clip(0.25 + 0.5 * labels + 0.3 * rng.normal(size=500), 0, 1).astype(np.float32)
        measured = {"auc": auc_interval(labels, scores)._asdict(), "accuracy": accuracy(labels, scores)}
        recipe = {"classifier": "shallow", "features": features, "seed": seed, "n_test": 500}
        parts = dict.fromkeys(("training", "validation", "test"), measured)
        run.save(names[-1], {"recipe": recipe, **EPOCHS, **parts})
        run.save_scores(names[-1], {"test": Scores(labels, scores)})
    run.publish("networks", [{"name": name} for name in names])
    return run


def test_networks_have_the_parameters_of_their_layers():
    table = tables.networks({"shallow": models.PRESETS["shallow"]}, {"shallow": TrainConfig(24, 1024)})["shallow"]
    assert table["parameters, low"] == f"{21 * 300 + 300 + 300 + 1:,}"
    assert (table["hidden layers"], table["epochs, at most"], table["batch size"]) == ("1 x 300 tanh", 24, 1024)


def test_trainings_have_a_row_for_each_seed(run):
    table = tables.trainings(run, ["shallow"])
    assert list(zip(table["features"], table["seed"], strict=True)) == [
        ("low", 1),
        ("high", 1),
        ("high", 2),
        ("complete", 1),
    ]
    assert (table["seconds"][0], table["events/s"][0]) == ("12", "1,234")
    assert table["best epoch"].tolist() == [3] * 4


def test_performance_is_the_mean_over_the_seeds(run):
    table = tables.performance(run, [("shallow", "high")]).set_index("features")
    scores = [run.scores(f"shallow-high-seed{seed}", "test") for seed in (1, 2)]
    aucs = [sk.roc_auc_score(*one) for one in scores]
    accuracies = [sk.accuracy_score(one.labels, one.scores > 0.5) for one in scores]
    assert table.loc["high", "test AUC, 95 %"].startswith(f"{np.mean(aucs):.3f} [")
    assert table.loc["high", "test accuracy, 95 %"].startswith(f"{np.mean(accuracies):.3f} [")
    assert len(table.columns) < 7


def test_the_interval_of_an_accuracy_is_binomial(run):
    one = run.scores("shallow-low-seed1", "test")
    n_right = int(np.sum((one.scores > 0.5) == one.labels))
    low, high = stats.binomtest(n_right, 500).proportion_ci(method="wilson")
    value, lowest, highest = comparison.accuracy(run, "shallow", "low")
    assert value == pytest.approx(n_right / 500)
    assert (highest - lowest) == pytest.approx(high - low, rel=0.01)
    assert lowest < low + 0.003
    assert highest > high - 0.003


def test_calibration_and_ranges_in_words():
    one = Interval(0.01, 0.005, 0.02)
    row = tables.calibration({"deep": one}, {"deep": CalibrationError(one, 0.012, 0.006)}).iloc[0]
    assert row["ECE corrected, 95 %"] == "0.0100 [0.0050, 0.0200]"
    assert (row["ECE as usual"], row["if exact, 97.5 % below"]) == ("0.0120", "0.0060")
    compared = [RangeComparison("recoil [GeV]", 1, 100.0, None, (0.05, 0.06), Interval(0.2, 0.1, 0.3))]
    row = tables.ranges(compared, ("UCI", "built-in")).iloc[0]
    assert (row["class"], row["range"], row["UCI"], row["built-in"]) == ("signal", "above 100", "5.00%", "6.00%")
    assert row["excess of built-in events, 95 %"] == "+20% [+10%, +30%]"

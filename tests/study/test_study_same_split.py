"""Published results stand beside those of a run only where both are of the same test events."""

import math
import re

import numpy as np
import pytest

from higgs_lib import metrics
from higgs_lib.data import NAMED_SPLITS, Origin, Sizes
from higgs_lib.study import Run, Scores, published, same_split

RTDL = Origin("openml", 98_049, {"source": "higgs.arff", "split": {"name": "rtdl", "rule": "own"}}, "")
UCI = Origin("uci", 11_000_000, {"source": "HIGGS.csv.gz"}, "")
BUILT_IN = Origin("simulated", 98_049, {"source": "built-in", "seed": 1}, "")


@pytest.fixture
def run(tmp_path):
    """A run with results of two classifiers, as if they were of the split rtdl."""
    run, names = Run(tmp_path), []
    labels = np.repeat([0, 1], 1000)
    noise = np.random.default_rng(1).normal(size=2000)
    for classifier in ("modern", "trees"):
        scores = Scores(labels, (1 / (1 + np.exp(-noise - labels))).astype(np.float32))
        sizes = {"n_test": 19_610, "n_validation": 15_688, "n_training": 62_751}
        recipe = {"classifier": classifier, "features": "complete", "seed": 1, **sizes}
        measured = {"auc": metrics.auc_interval(*scores)._asdict(), "accuracy": metrics.accuracy(*scores)}
        run.save(f"{classifier}-complete-seed1", {"recipe": recipe, "test": measured})
        names.append({"name": f"{classifier}-complete-seed1"})
    run.publish("networks", names)
    return run


def test_a_run_has_the_split_of_its_events_and_sizes(run):
    assert same_split.split_name(run, RTDL) == "rtdl"
    assert same_split.split_name(run, BUILT_IN) == ""
    assert same_split.split_name(run, UCI) == ""


def test_the_table_has_the_published_rows_of_the_split_and_those_of_the_run(run):
    table = same_split.table(run, "rtdl")
    assert table.iloc[0].tolist() == [
        "[M] TabM, ensemble of 5, mean of 3",
        "complete",
        "0.8217",
        "0.7410",
        "62,751",
    ]
    ours = table[table[""] == "this run: modern"].iloc[0]
    result = run.result("modern-complete-seed1")["test"]
    assert ours["test AUC, 95 %"] == f"{metrics.Interval(**result['auc']):.4f}"
    limits = metrics.jeffreys_interval(np.array(result["accuracy"] * 19_610), 19_610)
    shown = [float(number) for number in re.findall(r"0\.\d{4}", ours["test accuracy, 95 %"])]
    assert shown == pytest.approx([result["accuracy"], *map(float, limits)], abs=2e-4)
    assert len(table) == len(published.of_split("rtdl")) + 2


def test_the_statement_says_whose_split_it_is_or_that_there_is_none():
    assert "TabM" not in same_split.statement("")
    assert "not those of a split that others have published results on (last500k, rtdl, 1m)" in same_split.statement("")
    assert NAMED_SPLITS["rtdl"].source in same_split.statement("rtdl")


def test_every_split_has_published_results_of_its_size_and_every_result_a_source():
    for name, split in NAMED_SPLITS.items():
        results = published.of_split(name)
        assert results
        assert {r.n_test for r in results} == {split.sizes.n_test}
        assert max(r.n_training for r in results) <= sum(split.sizes) - split.sizes.n_test
    for result in published.ALL + published.RECENT:
        assert result.source in published.SOURCES.keys() & published.NAMES.keys()
        assert 0.5 < result.auc < 1
        assert not math.isnan(result.auc)
        assert result.accuracy is None or 0.5 < result.accuracy < 1
    assert published.of_split("") == []


def test_the_means_of_three_ensembles_are_those_of_the_result_files():
    """`roc-auc` and `accuracy` of `test` in 0-ensemble-5/{0,1,2} (TabM, TabR) and 2-ensemble-5/{0,1,2} (CatBoost)."""
    of_ensembles = {
        "TabM": ((0.8216258, 0.8223663, 0.8211164), (0.7408975, 0.7419174, 0.7402856)),
        "CatBoost": ((0.8091417, 0.8088001, 0.8081971), (0.7275370, 0.7281999, 0.7262621)),
        "TabR": ((0.8053854, 0.8056637, 0.8057383), (0.7251402, 0.7265171, 0.7252932)),
    }
    stored = {r.model.split(",")[0]: r for r in published.of_split("rtdl")}
    for model, (aucs, accuracies) in of_ensembles.items():
        assert stored[model].auc == pytest.approx(np.mean(aucs), abs=5.1e-5)
        assert stored[model].accuracy == pytest.approx(np.mean(accuracies), abs=5.1e-5)


def test_the_sizes_of_the_fixture_are_those_of_the_split():
    assert NAMED_SPLITS["rtdl"].sizes == Sizes(19_610, 15_688, 62_751)

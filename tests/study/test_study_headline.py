import numpy as np
import pytest

from higgs_lib import metrics
from higgs_lib.data import Origin
from higgs_lib.study import Run, Scores
from higgs_lib.study.headline import ROWS, headline

BUILT_IN = Origin("simulated", 4000, {"seed": 1}, "")


@pytest.fixture
def stored(tmp_path):
    """Returns a function that stores a run whose classifiers separate the classes by these distances."""

    def make(distances):
        run, names = Run(tmp_path), []
        labels = np.repeat([0, 1], 1000)
        noise = np.random.default_rng(1).normal(size=2000)
        for (classifier, features), distance in zip(ROWS.values(), distances, strict=True):
            name = f"{classifier}-{features}-seed1"
            scores = Scores(labels, (noise + distance * labels).astype(np.float32))
            recipe = {
                "classifier": classifier,
                "features": features,
                "seed": 1,
                "n_training": 1_250_000,
                "n_test": 2000,
            }
            measured = {"auc": metrics.auc_interval(*scores)._asdict()}
            run.save(name, {"recipe": recipe, "test": measured})
            run.save_scores(name, {"test": scores})
            names.append({"name": name})
        run.publish("all", names)
        return run

    return make


@pytest.mark.parametrize(
    ("distances", "modern", "deep"),
    [
        ((1.0, 0.7, 1.4, 1.8), "better than", "worse than"),
        ((1.0, 1.4, 0.7, 1.8), "worse than", "better than"),
        ((1.0, 1.0, 1.0, 1.8), "not distinguishable from", "not distinguishable from"),
    ],
)
def test_the_verdict_is_what_the_paired_intervals_allow(stored, distances, modern, deep):
    verdict, _ = headline(stored(distances), BUILT_IN)
    assert verdict.startswith("On built-in events (1,250,000 for training) a modern network")
    assert f"is {modern} a shallow one" in verdict
    assert f"is {deep} the shallow one." in verdict
    assert verdict.count(". ") == 0


def test_published_values_stand_beside_the_same_classifiers_and_name_their_events(stored):
    run = stored((1.0, 0.7, 1.4, 1.8))
    _, rows = headline(run, BUILT_IN)
    assert [row[2] for row in rows] == ["0.777", "0.880", "", ""]
    assert rows[1][3] == "1,250,000 built-in events; [B]: 10,000,000 UCI events"
    assert rows[2][3] == "1,250,000 built-in events"
    auc = metrics.auc_interval(*run.scores("kinematic-low-seed1", "test"))
    assert rows[3][1] == f"{auc}"

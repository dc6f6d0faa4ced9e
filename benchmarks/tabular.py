"""Measures boosted trees and RealMLP, what a tabular expert takes today, on a file of UCI events.

    make env EXTRAS=tabular
    python benchmarks/tabular.py HIGGS_sample.csv.gz

The split is that of `kinematics.py`, so that the rows of both can be compared: the last 8,000 rows are test events and
select nothing, and the 4,000 before them choose the best tree or epoch. Each classifier takes the columns of every
feature set, and the kinematic features computed from them. RealMLP has the settings that its authors tuned on other
data sets (D. Holzmüller, L. Grinsztajn, I. Steinwart, NeurIPS 2024), but a quarter of their 256 epochs, for time.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import harness
import numpy as np
from pytabkit import RealMLP_TD_Classifier

from higgs_lib import data, metrics
from higgs_lib.data import FEATURE_SETS, Sample
from higgs_lib.models.kinematic_layer import kinematic_features
from higgs_lib.study import trees

N_TEST, N_VALIDATION = 8000, 4000
N_EPOCHS = 64  # of RealMLP, over which its learning rate rises and falls four times
KINEMATIC = ("low", "complete")  # the feature sets of which kinematic features can be computed

log = logging.getLogger("tabular")


def boosted_trees(training: Sample, validation: Sample, features: np.ndarray, seed: int) -> np.ndarray:
    """Returns the scores (n,) of `features` by the trees of the study for few events."""
    return trees.fit_predict(training, [features], seed=seed, validation=validation)[0]


def real_mlp(training: Sample, validation: Sample, features: np.ndarray, seed: int) -> np.ndarray:
    """Returns the scores (n,) of `features` by RealMLP, with the weights of the epoch of lowest validation loss."""
    chosen_by = {"n_cv": 1, "val_metric_name": "cross_entropy"}
    network = RealMLP_TD_Classifier(device="cpu", random_state=seed, n_epochs=N_EPOCHS, **chosen_by)
    network.fit(*training, X_val=validation.features, y_val=validation.labels)
    return network.predict_proba(features)[:, 1]


CLASSIFIERS: dict[str, Callable[..., np.ndarray]] = {"trees": boosted_trees, "RealMLP": real_mlp}


def measure(parts: list[Sample], seeds: range) -> dict:
    """Trains every classifier with every seed; returns AUCs, and AUC and accuracy of the mean score, by classifier."""
    training, validation, test = parts
    results = {}
    for name, classify in CLASSIFIERS.items():
        start = time.perf_counter()
        scores = [classify(training, validation, test.features, seed) for seed in seeds]
        seconds = (time.perf_counter() - start) / len(seeds)
        intervals, mean_score = [metrics.auc_interval(test.labels, score) for score in scores], np.mean(scores, 0)
        results[name] = {
            "auc": [interval.value for interval in intervals],
            "mean": list(metrics.mean_interval(intervals)),
            "ensemble": list(metrics.auc_interval(test.labels, mean_score)),
            "accuracy": list(metrics.accuracy_interval(test.labels, mean_score)),
            "seconds": seconds,
        }
        log.info("  %s: mean %s, %.0f s each", name, format(metrics.mean_interval(intervals), ".4f"), seconds)
    return results


def inputs(events: Path, features: str, kind: str, splits: data.Splits) -> list[Sample]:
    """Returns training, validation and test events: the columns of a feature set, or its kinematic features."""
    names = data.feature_set(features)
    parts = [data.load(events, names, rows) for rows in splits]
    if kind == "columns":
        return parts
    return [part._replace(features=kinematic_features(part.features, names)) for part in parts]


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "tabular.json", repeats=None)
    parser.add_argument("events", type=Path, help="UCI events: .csv or .csv.gz in UCI's format")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings of each classifier")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        n_events = data.ingest(options.events, events).n_events
        splits = data.split(n_events, n_test=N_TEST, n_validation=N_VALIDATION)
        rows = []
        for kind, sets in (("columns", FEATURE_SETS), ("kinematics", KINEMATIC)):
            for features in sets:
                log.info("%s, %s", features, kind)
                measured = measure(inputs(events, features, kind, splits), range(1, options.seeds + 1))
                rows.append({"features": features, "inputs": kind, "classifiers": measured})
    about = {"n_events": n_events, "n_test": N_TEST, "n_validation": N_VALIDATION, "n_epochs": N_EPOCHS}
    harness.save(options.result, about | {"rows": rows})


if __name__ == "__main__":
    main()

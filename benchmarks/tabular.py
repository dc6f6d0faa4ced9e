"""Measures boosted trees and RealMLP, the usual choices for tables, on a file of UCI events.

    make env EXTRAS=tabular
    python benchmarks/tabular.py HIGGS_sample.csv.gz

The last 8,000 rows are test events and select nothing, as in `kinematics.py`, so that the rows of both can be compared.
The 4,000 before them choose the best tree or epoch. Each classifier takes the columns of every feature set, and the
kinematic features computed from them. RealMLP has the settings that its authors tuned on other data sets
(D. Holzmüller, L. Grinsztajn, I. Steinwart, NeurIPS 2024), but a quarter of their 256 epochs, for time. Each classifier
is stored as soon as it is measured, beside what the file has of others.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import harness
import numpy as np
from pytabkit import RealMLP_TD_Classifier

from higgs_lib import data
from higgs_lib.data import FEATURE_SETS, Sample
from higgs_lib.models.kinematic_layer import kinematic_features
from higgs_lib.study import trees

N_TEST, N_VALIDATION = 8000, 4000
N_EPOCHS = 64  # of RealMLP, over which its learning rate rises and falls four times
KINEMATIC = ("low", "complete")  # the feature sets of which kinematic features can be computed

log = logging.getLogger("tabular")


def boosted_trees(training: Sample, validation: Sample, features: np.ndarray, seed: int) -> np.ndarray:
    """Trains the trees of the study for few events.

    Args:
        training: the training events.
        validation: the events that choose the number of trees.
        features: what is scored (n, k).
        seed: of the trees.

    Returns:
        The scores (n,) of `features`.
    """
    return trees.fit_predict(training, [features], seed=seed, validation=validation)[0]


def real_mlp(training: Sample, validation: Sample, features: np.ndarray, seed: int) -> np.ndarray:
    """Trains RealMLP, whose epoch the validation events choose; arguments and result are those of `boosted_trees`."""
    selection = {"n_cv": 1, "val_metric_name": "cross_entropy"}
    network = RealMLP_TD_Classifier(device="cpu", random_state=seed, n_epochs=N_EPOCHS, **selection)
    network.fit(*training, X_val=validation.features, y_val=validation.labels)
    return network.predict_proba(features)[:, 1]


CLASSIFIERS: dict[str, Callable[..., np.ndarray]] = {"trees": boosted_trees, "RealMLP": real_mlp}
INPUTS = {"columns": tuple(FEATURE_SETS), "kinematics": KINEMATIC}


def measure(name: str, parts: list[Sample], seeds: range) -> dict:
    """Trains a classifier with every seed; returns the AUCs, their mean, and AUC and accuracy of the mean score."""
    training, validation, test = parts
    start = time.perf_counter()
    scores = [CLASSIFIERS[name](training, validation, test.features, seed) for seed in seeds]
    seconds = (time.perf_counter() - start) / len(seeds)
    measured = harness.summary(test.labels, scores)
    log.info(harness.describe_summary(f"  {name}", measured))
    return measured | {"seconds": seconds}


def load(events: Path, features: str, inputs: str, splits: data.Splits) -> list[Sample]:
    """Returns training, validation and test events: the columns of a feature set, or its kinematic features."""
    names = data.feature_set(features)
    parts = [data.load(events, names, rows) for rows in splits]
    if inputs == "columns":
        return parts
    return [part._replace(features=kinematic_features(part.features, names)) for part in parts]


def main() -> None:
    """Measures and stores, after each classifier."""
    parser = harness.arguments(__doc__, "tabular.json", repeats=None)
    parser.add_argument("events", type=Path, help="UCI events: .csv or .csv.gz in UCI's format")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings of each classifier")
    parser.add_argument(
        "--inputs", nargs="+", choices=INPUTS, default=list(INPUTS), help="columns or kinematic features"
    )
    parser.add_argument(
        "--feature-sets", nargs="+", choices=FEATURE_SETS, default=list(FEATURE_SETS), help="of which features"
    )
    parser.add_argument(
        "--classifiers", nargs="+", choices=CLASSIFIERS, default=list(CLASSIFIERS), help="those to measure"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        n_events = data.ingest(options.events, events).n_events
        splits = data.split(n_events, n_test=N_TEST, n_validation=N_VALIDATION)
        about = {"n_events": n_events, "n_test": N_TEST, "n_validation": N_VALIDATION}
        for inputs in options.inputs:
            for features in (name for name in INPUTS[inputs] if name in options.feature_sets):
                log.info("%s, %s", features, inputs)
                parts = load(events, features, inputs, splits)
                for name in options.classifiers:
                    measured = measure(name, parts, range(1, options.seeds + 1))
                    harness.merge(options.result, (inputs, features, name), about | measured)


if __name__ == "__main__":
    main()

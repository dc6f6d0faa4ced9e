"""Measures what kinematic features bring to the deep network on a file of UCI events, and what they cost in training.

    python benchmarks/kinematics.py HIGGS_sample.csv.gz
    KERAS_BACKEND=jax python benchmarks/kinematics.py HIGGS_sample.csv.gz --parts pre_trained --epochs 10    # on a GPU

The last 8,000 rows are test events and select nothing; the 4,000 validation events before them choose the best epoch.
The network with kinematic features is trained on UCI events alone, and on built-in events before. The simulation was
fitted to two thirds of the UCI events, so the test events of the last third are also judged by themselves. The layer is
timed inside the network, in steps of 1024 events. Each part is stored with the machine that measured it, beside what
the file has of others.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import harness
import numpy as np

from higgs_lib import data, metrics, models
from higgs_lib.data import feature_set
from higgs_lib.models import PRESETS
from higgs_lib.performance import timing
from higgs_lib.study import Run, Scores, Study, prepare
from higgs_lib.training import TrainConfig

HELD_OUT = 3  # `tools/fit_simulation.py` left out the first of this many folds of UCI events

FEATURES = ("low", "complete")

COLUMNS = replace(PRESETS["deep"], dropout=0.3, learning_rate=0.002, schedule="cosine")
KINEMATIC = PRESETS["kinematic_few"]
ON_COLUMNS = TrainConfig(epochs=40, batch_size=128, patience=8)
ON_KINEMATICS = TrainConfig(epochs=40, batch_size=128)
BUILT_IN = PRESETS["kinematic"]
TUNED = replace(BUILT_IN, optimizer="adam", learning_rate=2e-4)
ON_BUILT_IN, AFTER_BUILT_IN = TrainConfig(epochs=2, batch_size=2048), TrainConfig(epochs=5, batch_size=128)
N_TEST, N_VALIDATION = 8000, 4000  # UCI events
N_TEST_BUILT_IN, N_VALIDATION_BUILT_IN = 500_000, 50_000
BATCH_SIZE, N_TIMED = 1024, 65_536

log = logging.getLogger("kinematics")


def summarise(name: str, seeds: list[Scores]) -> dict:
    """Returns the AUC of each seed's scores, their mean, and AUC and accuracy of the mean score, with intervals."""
    measured = harness.summary(seeds[0].labels, [seed.scores for seed in seeds])
    log.info(harness.describe_summary(name, measured))
    return measured


def compare_fitted(study: Study, seeds: list[Scores]) -> dict:
    """Returns the AUC of the mean score on the test events that the simulation was fitted to, and on the others."""
    labels, scores = seeds[0].labels, np.mean([seed.scores for seed in seeds], 0)
    unfitted = np.array(study.splits.test) % HELD_OUT == 0
    parts = {"ensemble_on_fitted": ~unfitted, "ensemble_on_unfitted": unfitted}
    return {name: metrics.auc_interval(labels[rows], scores[rows]) for name, rows in parts.items()}


def summarise_training(study: Study, name: str, trained: list[dict]) -> dict:
    """Returns the summary of the test scores of trained networks, and the mean seconds of their trainings."""
    scores = [study.run.scores(result["name"], "test") for result in trained]
    return summarise(name, scores) | {"seconds": float(np.mean([result["seconds"] for result in trained]))}


def train_on_uci(study: Study, options: argparse.Namespace, features: str) -> dict:
    """Trains on UCI events alone; returns summaries of the networks with columns and with kinematic features."""
    networks = {"columns": (COLUMNS, ON_COLUMNS), "kinematic": (KINEMATIC, ON_KINEMATICS)}
    measured: dict[str, object] = {"n_training": len(study.splits.training)}
    for name, (spec, config) in networks.items():
        trained = [study.train(name, spec, features, seed, config) for seed in range(1, options.seeds + 1)]
        measured[name] = summarise_training(study, f"{features}, {name}", trained)
    return measured


def pre_train(study: Study, options: argparse.Namespace, features: str) -> dict:
    """Trains on built-in events, then on UCI events.

    Returns:
        Summaries of the pre-trained networks on built-in events and on UCI events, and of the networks after both.
    """
    simulated = study.run.path / "simulated.parquet"
    splits = data.Splits.from_sizes(options.built_in, N_VALIDATION_BUILT_IN, N_TEST_BUILT_IN)
    prepare(simulated, n_events=splits.test.stop, seed=1_000_033)
    built_in, config = Study(study.run, simulated, splits), ON_BUILT_IN._replace(epochs=options.epochs)
    seeds = range(1, options.pre_trained + 1)
    before = [built_in.train("built_in", BUILT_IN, features, seed, config) for seed in seeds]
    after = [
        study.train("tuned", TUNED, features, seed, AFTER_BUILT_IN, before=result)
        for seed, result in zip(seeds, before, strict=True)
    ]
    on_uci = {
        "before_uci": [study.scores_of(result) for result in before],
        "tuned": [study.run.scores(result["name"], "test") for result in after],
    }
    measured = {
        "n_training": len(study.splits.training),
        "n_built_in": options.built_in,
        "epochs": options.epochs,
        "n_test_built_in": N_TEST_BUILT_IN,
        "built_in": summarise_training(study, f"{features}, built-in", before),
        "before_uci": summarise(f"{features}, before UCI events", on_uci["before_uci"]),
        "tuned": summarise_training(study, f"{features}, after UCI events", after),
    }
    for name, scores in on_uci.items():
        measured[name] |= compare_fitted(study, scores)
    return measured


def time_layer(study: Study, options: argparse.Namespace, features: str) -> dict:
    """Times epochs of the deep network with and without the layer; returns rates, and the layer's part of an epoch."""
    columns = feature_set(features)
    sample = data.load(study.events, columns, range(min(N_TIMED, data.origin(study.events).n_events)))
    epochs = {}
    for inputs, layer_columns in (("columns", ()), ("kinematics", columns)):
        spec = replace(PRESETS["deep"], inputs=inputs)
        model = models.build(spec, models.standardisation(sample, layer_columns), seed=1)
        optimizer = models.optimizer(spec, n_events=sample.n_events, batch_size=BATCH_SIZE, epochs=1)
        epochs[inputs] = timing.timed(timing.library_epoch(model, optimizer, sample, BATCH_SIZE))
    seconds = {inputs: np.array(taken) for inputs, taken in timing.in_turn(epochs, options.repeats).items()}
    share = harness.spread(1 - seconds["columns"] / seconds["kinematics"])
    log.info("%s: the layer takes %.0f %% of a step", features, 100 * share["median"])
    rates = {inputs: harness.rate(sample.n_events, taken) for inputs, taken in seconds.items()}
    return {"batch_size": BATCH_SIZE, "share_of_step": share, "events_per_second": rates}


PARTS: dict[str, Callable[[Study, argparse.Namespace, str], dict]] = {
    "layer": time_layer,
    "uci": train_on_uci,
    "pre_trained": pre_train,
}


def main() -> None:
    """Measures and stores, after each part of each feature set."""
    parser = harness.arguments(__doc__, "kinematics.json")
    parser.add_argument("events", type=Path, help="UCI events: .csv or .csv.gz in UCI's format")
    parser.add_argument("--seeds", type=int, default=5, help="number of trainings on UCI events alone")
    parser.add_argument("--pre-trained", type=int, default=2, help="number of trainings on built-in events before")
    parser.add_argument("--built-in", type=int, default=10_000_000, help="built-in events to train on before")
    parser.add_argument("--epochs", type=int, default=ON_BUILT_IN.epochs, help="passes over the built-in events")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured")
    parser.add_argument("--feature-sets", nargs="+", choices=FEATURES, default=FEATURES, help="of which features")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        n_events = data.ingest(options.events, events).n_events
        study = Study(Run(folder), events, data.split(n_events, n_test=N_TEST, n_validation=N_VALIDATION))
        about = {"n_events": n_events, "n_test": N_TEST, "n_validation": N_VALIDATION}
        for part in options.parts:
            for features in options.feature_sets:
                harness.merge(options.result, (part, features), about | PARTS[part](study, options, features))


if __name__ == "__main__":
    main()

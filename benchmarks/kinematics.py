"""Measures what kinematic features bring to the deep network on a file of UCI events, and what they cost in training.

    python benchmarks/kinematics.py HIGGS_sample.csv.gz

The split is that of the study for few events: the last 8,000 rows are test events and select nothing. The network with
kinematic features is trained on UCI events alone, and on built-in events before. `tools/fit_simulation.py` fitted the
simulation to two thirds of the UCI events, so the test events of the last third are also judged by themselves. The cost
is that of the layer inside the network, in steps of 1024 events.
"""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import harness
import numpy as np

from higgs_lib import data, metrics, models, simulation
from higgs_lib.data import feature_set
from higgs_lib.models import PRESETS
from higgs_lib.performance import timing
from higgs_lib.study import Run, Scores, Study
from higgs_lib.training import TrainConfig

HELD_OUT = 3  # `tools/fit_simulation.py` left out the first of this many folds of UCI events

COLUMNS = replace(PRESETS["deep"], dropout=0.3, learning_rate=0.002, schedule="cosine")
KINEMATIC = PRESETS["kinematic_few"]
ON_COLUMNS = TrainConfig(epochs=40, batch_size=128, patience=8)
ON_KINEMATICS = TrainConfig(epochs=40, batch_size=128)
BUILT_IN = PRESETS["kinematic"]
TUNED = replace(BUILT_IN, optimizer="adam", learning_rate=2e-4)
ON_BUILT_IN, AFTER_BUILT_IN = TrainConfig(epochs=2, batch_size=2048), TrainConfig(epochs=5, batch_size=128)
BATCH_SIZE, N_TIMED = 1024, 65_536

log = logging.getLogger("kinematics")


def summarise(features: str, classifier: str, seeds: list[Scores]) -> dict:
    """Returns the AUC of each seed, their mean, and AUC and accuracy of the mean score, with intervals."""
    labels, scores = seeds[0].labels, np.mean([seed.scores for seed in seeds], 0)
    intervals = [metrics.auc_interval(*seed) for seed in seeds]
    measured = {
        "mean": metrics.mean_interval(intervals),
        "ensemble": metrics.auc_interval(labels, scores),
        "accuracy": metrics.accuracy_interval(labels, scores),
    }
    shown = ", ".join(f"{name} {interval:.4f}" for name, interval in measured.items())
    log.info("%s, %s: %s", features, classifier, shown)
    about = {"features": features, "kind": classifier, "auc": [interval.value for interval in intervals]}
    return about | {name: list(interval) for name, interval in measured.items()}


def by_fit(study: Study, seeds: list[Scores]) -> dict:
    """Returns the AUC of the mean score on the test events that the simulation was fitted to, and on the others."""
    labels, scores = seeds[0].labels, np.mean([seed.scores for seed in seeds], 0)
    unfitted = np.array(study.splits.test) % HELD_OUT == 0
    parts = {"ensemble_on_fitted": ~unfitted, "ensemble_on_unfitted": unfitted}
    return {name: list(metrics.auc_interval(labels[rows], scores[rows])) for name, rows in parts.items()}


def train(study: Study, built_in: Study, features: str, seeds: range, pre_trained: range) -> list[dict]:
    """Trains and judges the networks on one feature set.

    Args:
        study: of UCI events.
        built_in: of built-in events.
        features: the feature set.
        seeds: of the trainings on UCI events alone.
        pre_trained: seeds of the trainings on built-in events.

    Returns:
        A summary of each: trained on built-in events and judged on them; with columns; with kinematic features; these
        trained on built-in events before; and the first judged on UCI events.
    """
    first = [built_in.train("built_in", BUILT_IN, features, seed, ON_BUILT_IN) for seed in pre_trained]
    results = {
        "built_in": first,
        "columns": [study.train("columns", COLUMNS, features, seed, ON_COLUMNS) for seed in seeds],
        "kinematic": [study.train("kinematic", KINEMATIC, features, seed, ON_KINEMATICS) for seed in seeds],
        "tuned": [study.train("tuned", TUNED, features, r["recipe"]["seed"], AFTER_BUILT_IN, before=r) for r in first],
    }
    scores = {name: [study.run.scores(r["name"], "test") for r in trained] for name, trained in results.items()}
    scores["never_saw"] = [study.scores_of(result) for result in first]
    summaries = {name: summarise(features, name, by_seed) for name, by_seed in scores.items()}
    for name, trained in results.items():
        summaries[name]["seconds"] = float(np.mean([result["seconds"] for result in trained]))
    for name in ("kinematic", "never_saw", "tuned"):
        summaries[name] |= by_fit(study, scores[name])
    return list(summaries.values())


def cost(events: Path, features: str, repeats: int) -> dict:
    """Times epochs of the deep network with and without the layer; returns rates, and the layer's part of an epoch."""
    columns = feature_set(features)
    sample = data.load(events, columns, range(min(N_TIMED, data.origin(events).n_events)))
    epochs = {}
    for inputs, layer_columns in (("columns", ()), ("kinematics", columns)):
        spec = replace(PRESETS["deep"], inputs=inputs)
        model = models.build(spec, models.standardisation(sample, layer_columns), seed=1)
        optimizer = models.optimizer(spec, n_events=sample.n_events, batch_size=BATCH_SIZE, epochs=1)
        epochs[inputs] = timing.timed(timing.library_epoch(model, optimizer, sample, BATCH_SIZE))
    seconds = {inputs: np.array(taken) for inputs, taken in timing.in_turn(epochs, repeats).items()}
    share = harness.spread(1 - seconds["columns"] / seconds["kinematics"])
    log.info("%s: the layer takes %.0f %% of a step", features, 100 * share["median"])
    rates = {inputs: harness.rate(sample.n_events, taken) for inputs, taken in seconds.items()}
    return {"features": features, "batch_size": BATCH_SIZE, "share_of_step": share, "events_per_second": rates}


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "kinematics.json")
    parser.add_argument("events", type=Path, help="UCI events: .csv or .csv.gz in UCI's format")
    parser.add_argument("--seeds", type=int, default=5, help="number of trainings on UCI events alone")
    parser.add_argument("--pre-trained", type=int, default=2, help="number of trainings on built-in events before")
    parser.add_argument("--built-in", type=int, default=10_000_000, help="built-in events to train on before")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        data.ingest(options.events, events)
        n_events = data.origin(events).n_events
        costs = [cost(events, features, options.repeats) for features in ("low", "complete")]
        study = Study(Run(folder), events, data.split(n_events, n_test=8000, n_validation=4000))
        splits = data.Splits.from_sizes(options.built_in, 50_000, 100_000)
        simulated = Path(folder, "simulated.parquet")
        simulation.simulate(simulated, splits.test.stop, 1_000_033)
        seeds, pre_trained = (range(1, n + 1) for n in (options.seeds, options.pre_trained))
        built_in = Study(study.run, simulated, splits)
        networks = [
            network
            for features in ("low", "complete")
            for network in train(study, built_in, features, seeds, pre_trained)
        ]
    about = {"n_events": n_events, "n_test": 8000, "n_validation": 4000, "n_built_in": options.built_in}
    harness.save(options.result, about | {"nets": networks, "cost": costs})


if __name__ == "__main__":
    main()

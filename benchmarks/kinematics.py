"""Measures what physics inputs bring to the study's deep net on a file of real events, and what they cost in training.

    python benchmarks/kinematics.py HIGGS_sample.csv.gz

The split is that of the study for few events: the last 8,000 rows are for testing and choose nothing. The net with
kinematics is trained on the real events alone, and on built-in ones before; as `tuning.py` fitted the simulation to two
thirds of the real events, the test events of the last third are judged apart, too. The cost is that of the layer inside
the net, in steps of 1024 events.
"""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import contest
import numpy as np
from tuning import HELD_OUT

from higgs_lib import data, metrics, models, simulation
from higgs_lib.data import feature_set
from higgs_lib.models import PRESETS
from higgs_lib.performance import timing
from higgs_lib.study import Run, Scores, Study
from higgs_lib.training import TrainConfig

COLUMNS = replace(PRESETS["deep"], dropout=0.3, learning_rate=0.002, schedule="cosine")
KINEMATIC = replace(PRESETS["kinematic"], dropout=0.2)
FEW = TrainConfig(epochs=40, batch_size=128, patience=8), TrainConfig(epochs=40, batch_size=128)
BUILT_IN, TUNED = PRESETS["kinematic"], replace(PRESETS["kinematic"], learning_rate=1e-4)
FIRST, AFTER = TrainConfig(epochs=8, batch_size=1024), TrainConfig(epochs=5, batch_size=128)
BATCH_SIZE, N_TIMED = 1024, 65_536

log = logging.getLogger("kinematics")


def judged(features: str, kind: str, found: list[Scores]) -> dict:
    """AUC of each seed's net on the same test events, their mean, and the AUC of the mean score, with intervals."""
    labels, scores = found[0].labels, np.mean([seed.scores for seed in found], 0)
    intervals = [metrics.auc_interval(*seed) for seed in found]
    mean, together = metrics.mean_interval(intervals), metrics.auc_interval(labels, scores)
    log.info("%s, %s: mean %s, mean score %s", features, kind, format(mean, ".4f"), format(together, ".4f"))
    aucs = [interval.value for interval in intervals]
    return {"features": features, "kind": kind, "auc": aucs, "mean": list(mean), "ensemble": list(together)}


def fitted_and_not(study: Study, found: list[Scores]) -> dict:
    """AUC of the mean score on the test events that the simulation was fitted to, and on the others."""
    labels, scores = found[0].labels, np.mean([seed.scores for seed in found], 0)
    new = np.array(study.splits.test) % HELD_OUT == 0
    parts = {"ensemble_on_fitted": ~new, "ensemble_on_unfitted": new}
    return {name: list(metrics.auc_interval(labels[rows], scores[rows])) for name, rows in parts.items()}


def trained(study: Study, built_in: Study, features: str, seeds: range) -> list[dict]:
    """The study's net, the one with kinematics, and this one after built-in events, on the real test events; and what
    was trained on built-in events, on built-in test events.
    """
    first = [built_in.train("built_in", BUILT_IN, features, seed, FIRST) for seed in seeds]
    results = {
        "built_in": first,
        "columns": [study.train("columns", COLUMNS, features, seed, FEW[0]) for seed in seeds],
        "kinematic": [study.train("kinematic", KINEMATIC, features, seed, FEW[1]) for seed in seeds],
        "tuned": [study.train("tuned", TUNED, features, r["recipe"]["seed"], AFTER, before=r) for r in first],
    }
    scores = {kind: [study.run.scores(r["name"], "test") for r in of_kind] for kind, of_kind in results.items()}
    scores["never_saw"] = [study.scores_of(result) for result in first]
    found = {kind: judged(features, kind, of_kind) for kind, of_kind in scores.items()}
    for kind, of_kind in results.items():
        found[kind]["seconds"] = float(np.mean([result["seconds"] for result in of_kind]))
    for kind in ("kinematic", "never_saw", "tuned"):
        found[kind] |= fitted_and_not(study, scores[kind])
    return list(found.values())


def cost(events: Path, features: str, repeats: int) -> dict:
    """Seconds of an epoch with and without the layer, and its share of the epoch with it; of the deep net, in turn."""
    columns = feature_set(features)
    sample = data.load(events, columns, range(min(N_TIMED, data.origin(events).n_events)))
    epochs = {}
    for inputs, of_layer in (("columns", ()), ("kinematics", columns)):
        spec = replace(PRESETS["deep"], inputs=inputs)
        model = models.build(spec, models.standardisation(sample, of_layer), seed=1)
        optimizer = models.optimizer(spec, n_events=sample.n_events, batch_size=BATCH_SIZE, epochs=1)
        epochs[inputs] = timing.library_epoch(model, optimizer, sample, BATCH_SIZE)
    seconds = {inputs: np.array(taken) for inputs, taken in timing.in_turn(epochs, repeats).items()}
    share = contest.spread(1 - seconds["columns"] / seconds["kinematics"])
    log.info("%s: the layer takes %.0f %% of a step", features, 100 * share["median"])
    rates = {inputs: contest.rate(sample.n_events, taken) for inputs, taken in seconds.items()}
    return {"features": features, "batch_size": BATCH_SIZE, "share_of_step": share, "events_per_second": rates}


def main() -> None:
    parser = contest.arguments(__doc__, "kinematics.json")
    parser.add_argument("events", type=Path, help="real events in UCI's format")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--built-in", type=int, default=1_000_000, help="built-in events before the real ones")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        data.ingest(options.events, events)
        n_events = data.origin(events).n_events
        costs = [cost(events, features, options.repeats) for features in ("low", "complete")]
        study = Study(Run(folder), events, data.split(n_events, n_test=8000, n_validation=4000))
        splits = data.contiguous(options.built_in, 50_000, 100_000)
        simulated = Path(folder, "simulated.parquet")
        simulation.simulate(simulated, splits.test.stop, 1_000_033)
        seeds, built_in = range(1, options.seeds + 1), Study(study.run, simulated, splits)
        found = [net for features in ("low", "complete") for net in trained(study, built_in, features, seeds)]
    about = {"n_events": n_events, "n_test": 8000, "n_validation": 4000, "n_built_in": options.built_in}
    contest.save(options.result, about | {"nets": found, "cost": costs})


if __name__ == "__main__":
    main()

"""Measures what physics inputs bring to the study's deep net on a file of real events, and what they cost in training.

    python benchmarks/kinematics.py HIGGS_sample.csv.gz

The net, its length of training and the split are those of 02_training for few events: the last 8,000 rows are for
testing and choose nothing. The cost is that of the layer inside the net, in steps of 1024 events.
"""

import logging
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import contest
import numpy as np

from higgs_lib import data, metrics, models, samples, speed
from higgs_lib.features import COMPLETE, LOW, feature_set
from higgs_lib.models import PRESETS
from higgs_lib.runs import Run
from higgs_lib.study import Fit, Study

FEW = {"learning_rate": 0.002, "schedule": "cosine"}
FIT = Fit(epochs=40, batch_size=128, patience=8)
BATCH_SIZE, N_TIMED = 1024, 65_536

log = logging.getLogger("kinematics")


def trained(study: Study, inputs: str, features: str, seeds: range) -> dict:
    """AUC on the test events of each seed's net, their mean with its interval, and that of the mean of their scores."""
    spec = replace(PRESETS["deep"], inputs=inputs, dropout=0.3, **FEW)
    results = [study.train(f"deep_{inputs}", spec, features, seed, FIT) for seed in seeds]
    found = [study.run.scores(result["name"], "test") for result in results]
    together = metrics.auc_interval(found[0].labels, np.mean([f.scores for f in found], 0))
    aucs = [result["test"]["auc"]["value"] for result in results]
    log.info("%s, %s: mean %.4f, ensemble %s", features, inputs, np.mean(aucs), together)
    return {
        "features": features,
        "inputs": inputs,
        "auc": aucs,
        "mean": float(np.mean(aucs)),
        "ensemble": list(together),
    }


def cost(events: Path, features: str, repeats: int) -> dict:
    """Seconds of an epoch with and without the layer, and its share of the epoch with it; of the deep net, in turn."""
    columns = feature_set(features)
    sample = samples.load(events, columns, range(min(N_TIMED, data.origin(events).n_events)))
    epochs = {}
    for inputs, of_layer in (("columns", ()), ("kinematics", columns)):
        spec = replace(PRESETS["deep"], inputs=inputs)
        model = models.build(spec, models.standardisation(sample, of_layer), seed=1)
        optimizer = models.optimizer(spec, n_events=sample.n_events, batch_size=BATCH_SIZE, epochs=1)
        epochs[inputs] = speed.our_epoch(model, optimizer, sample, BATCH_SIZE)
    seconds = {inputs: np.array(taken) for inputs, taken in speed.in_turn(epochs, repeats).items()}
    share = contest.spread(1 - seconds["columns"] / seconds["kinematics"])
    log.info("%s: the layer takes %.0f %% of a step", features, 100 * share["median"])
    rates = {inputs: contest.rate(sample.n_events, taken) for inputs, taken in seconds.items()}
    return {"features": features, "batch_size": BATCH_SIZE, "share_of_step": share, "events_per_second": rates}


def main() -> None:
    parser = contest.arguments(__doc__, "kinematics.json")
    parser.add_argument("events", type=Path, help="real events in UCI's format")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        data.ingest(options.events, events)
        n_events = data.origin(events).n_events
        costs = [cost(events, features, options.repeats) for features in ("low", "complete")]
        study = Study(Run(folder), events, samples.split(n_events, n_test=8000, n_validation=4000))
        kinds = product(("low", "complete"), models.INPUTS)
        found = [trained(study, inputs, features, range(1, options.seeds + 1)) for features, inputs in kinds]
    about = {"n_events": n_events, "n_test": 8000, "n_validation": 4000, "low": len(LOW), "complete": len(COMPLETE)}
    contest.save(options.result, about | {"nets": found, "cost": costs})


if __name__ == "__main__":
    main()

"""Compares the modern network with what it could have been, in equal time on equal events, and on UCI events.

    python benchmarks/modern.py [--uci HIGGS_sample.csv.gz]

Every variant changes one thing of the preset "modern" and trains on the low-level columns of the same built-in events
for as many whole epochs as fit into the same time, at least one; batch size and learning rate are those at which each
does well. All are judged on validation events, which choose, and on test events. On UCI events the split is that of the
study for few events: the last 8,000 rows are test events and select nothing.
"""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import harness
import numpy as np

from higgs_lib import data, metrics, models, simulation
from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.performance import timing
from higgs_lib.study import Run, Study
from higgs_lib.training import TrainConfig

MODERN, ADAM = PRESETS["modern"], {"optimizer": "adam", "learning_rate": 0.002}
BATCH_SIZE, SMALL_BATCH = 2048, 512

VARIANTS = {
    "modern": (MODERN, BATCH_SIZE),
    "without augmentation": (replace(MODERN, augmented=False), BATCH_SIZE),
    "without frequencies": (replace(MODERN, frequencies=0), BATCH_SIZE),
    "Adam": (replace(MODERN, **ADAM), SMALL_BATCH),
    "tanh": (replace(MODERN, activation="tanh"), BATCH_SIZE),
    "the study's deep network, tuned": (
        replace(PRESETS["deep"], learning_rate=0.004, schedule="cosine", warm_up=0.05, initial_weights="he"),
        SMALL_BATCH,
    ),
}
N_TIMED = 131_072

ON_UCI = replace(MODERN, **ADAM | {"learning_rate": 0.001}, dropout=0.3), TrainConfig(80, 128, 8)  # few events
UCI_SEEDS = range(1, 6)

log = logging.getLogger("modern")


def epoch_seconds(spec: ModelSpec, batch_size: int, study: Study) -> float:
    """Returns the seconds of one epoch of the study's training events, from a part of them after a warm-up."""
    sample = study.samples("low")["training"].slice(0, N_TIMED)
    model = models.build(spec, models.standardisation(sample), seed=1, columns=data.LOW)
    optimizer = models.optimizer(spec, sample.n_events, batch_size, epochs=1)
    epoch = timing.timed(timing.library_epoch(model, optimizer, sample, batch_size))
    return min(timing.in_turn({"epoch": epoch}, 3)["epoch"]) * len(study.splits.training) / sample.n_events


def row(name: str, trained: list[dict]) -> dict:
    """Returns a variant's validation and test AUC over its seeds, its epochs and the mean seconds of its steps."""
    aucs = {part: [result[part]["auc"]["value"] for result in trained] for part in ("validation", "test", "training")}
    seconds = [sum(result["history"]["seconds"]) for result in trained]
    measured = {part: {"mean": float(np.mean(v)), "sd": float(np.std(v, ddof=1))} for part, v in aucs.items()}
    means = [measured[part]["mean"] for part in ("validation", "test")]
    log.info("%s: validation %.4f, test %.4f, %.0f s", name, *means, np.mean(seconds))
    interval = metrics.mean_interval([metrics.Interval(**result["test"]["auc"]) for result in trained])
    epochs = len(trained[0]["history"]["seconds"])
    return {"name": name, **measured, "interval": list(interval), "seconds": float(np.mean(seconds)), "epochs": epochs}


def compare(study: Study, seeds: range, budget: float) -> list[dict]:
    """Trains every variant for the same time; returns a row of each."""
    rows = []
    for number, (name, (spec, batch_size)) in enumerate(VARIANTS.items()):
        epochs = max(1, round(budget / epoch_seconds(spec, batch_size, study)))
        config = TrainConfig(epochs, batch_size)
        trained = [study.train(f"variant_{number}", spec, "low", seed, config) for seed in seeds]
        rows.append({"batch_size": batch_size, **row(name, trained)})
    return rows


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "modern.json", repeats=3)
    parser.add_argument("--uci", type=Path, help="UCI events: .csv or .csv.gz in UCI's format")
    parser.add_argument("--events", type=int, default=1_150_000, help="built-in events")
    parser.add_argument("--seconds", type=float, default=40, help="steps of each training")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    about = {"n_events": options.events, "n_test": 100_000, "n_validation": 50_000, "seconds": options.seconds}
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        simulation.simulate(events, options.events, 1)
        sizes = {"n_test": about["n_test"], "n_validation": about["n_validation"]}
        seeds = range(1, options.repeats + 1)
        result = about | {"variants": compare(Study.open(folder, str(events), **sizes), seeds, options.seconds)}
        if options.uci:
            uci = Path(folder, "uci.parquet")
            data.ingest(options.uci, uci)
            study = Study(Run(folder), uci, data.split(data.origin(uci).n_events, n_test=8000, n_validation=4000))
            spec, config = ON_UCI
            result["uci"] = row("modern", [study.train("uci", spec, "low", seed, config) for seed in UCI_SEEDS])
    harness.save(options.result, result)


if __name__ == "__main__":
    main()

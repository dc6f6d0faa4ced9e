"""Rehearses the profile `record` on built-in events: the network with kinematic features, low level, at full size.

    python benchmarks/record.py --folder runs/rehearsal --training 10000000 --epochs 20

The profile also trains the network on complete features, both on a quarter of the events, and the networks of the study
on a few. An interrupted rehearsal resumes at its last epoch when called with the same folder and numbers. Built-in
events are neither an experiment's nor UCI's: the AUC shows how far training goes, the time what it costs.
"""

import logging
from pathlib import Path

import harness

from higgs_lib import data, study
from higgs_lib.models import PRESETS
from higgs_lib.study import Run, Study
from higgs_lib.training import TrainConfig

N_TEST = 500_000  # events, and as many for validation, as Baldi et al. 2014

log = logging.getLogger("record")


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "record.json", repeats=None)
    parser.add_argument("--folder", type=Path, default=Path("runs/rehearsal"), help="run to train in")
    parser.add_argument("--training", type=int, default=10_000_000, help="built-in events to train on")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=1024)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    run = Run(options.folder)
    splits = data.Splits.from_sizes(options.training, N_TEST, N_TEST)
    study.prepare(run.events, n_events=splits.test.stop, seed=1)
    config = TrainConfig(options.epochs, options.batch_size)
    result = Study(run, run.events, splits).train("record", PRESETS["kinematic"], "low", 1, config)
    seconds, validation = result["history"]["seconds"], result["history"]["validation"]
    measured = {
        "events": "built-in",
        "n_training": options.training,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "test": result["test"],
        "validation_auc": [measures["auc"] for measures in validation],
        "seconds_an_epoch": seconds,
        "events_per_second": harness.rate(options.training, seconds),
        "peak_gib": harness.peak_gib(),  # of this process, which may have trained the last epochs only
    }
    log.info("test AUC %.4f after %.0f s of epochs", result["test"]["auc"]["value"], sum(seconds))
    harness.write(options.result, measured | harness.made_with(result["made_with"]["device"]))


if __name__ == "__main__":
    main()

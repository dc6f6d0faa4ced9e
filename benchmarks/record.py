"""Rehearses the profile `record` on built-in events: the net with kinematics, on low-level features, at full size.

    python benchmarks/record.py --folder runs/rehearsal --training 10000000 --epochs 20

An interrupted rehearsal goes on from its last epoch when called again with the same folder and numbers. Built-in events
are no experiment's and not UCI's: the AUC says how far training goes, the time what it costs.
"""

import logging
from pathlib import Path

import contest

from higgs_lib import data, samples
from higgs_lib.models import PRESETS
from higgs_lib.runs import Run
from higgs_lib.study import Fit, Study

HELD_OUT = 500_000  # events each for validation and testing, as Baldi et al. 2014

log = logging.getLogger("record")


def main() -> None:
    parser = contest.arguments(__doc__, "record.json")
    parser.add_argument("--folder", type=Path, default=Path("runs/rehearsal"))
    parser.add_argument("--training", type=int, default=10_000_000, help="built-in events to train on")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=1024)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    run = Run(options.folder)
    splits = samples.contiguous(options.training, HELD_OUT, HELD_OUT)
    data.prepare(run.events, n_events=splits.test.stop, seed=1)
    fit = Fit(options.epochs, options.batch_size)
    found = Study(run, run.events, splits).train("record", PRESETS["kinematic"], "low", 1, fit)
    seconds, validation = found["history"]["seconds"], found["history"]["validation"]
    measured = {
        "events": "built-in",
        "n_training": options.training,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "test": found["test"],
        "validation_auc": [measures["auc"] for measures in validation],
        "seconds_an_epoch": seconds,
        "events_per_second": contest.rate(options.training, seconds),
        "peak_gib": contest.peak_gib(),
    }
    log.info("test AUC %.4f after %.0f s of epochs", found["test"]["auc"]["value"], sum(seconds))
    contest.save(options.result, measured)


if __name__ == "__main__":
    main()

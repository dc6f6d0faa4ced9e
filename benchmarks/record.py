"""Rehearses the profile `record` on built-in events: the net with kinematics, on low-level features, at full size.

    python benchmarks/record.py --folder runs/rehearsal --training 10000000 --epochs 20

The profile trains the net on complete columns, too, both on a quarter of the events, and the study's nets on a few. An
interrupted rehearsal goes on from its last epoch when called again with the same folder and numbers. Built-in events
are no experiment's and not UCI's: the AUC says how far training goes, the time what it costs.
"""

import argparse
import logging
from pathlib import Path

import contest

from higgs_lib import data, study
from higgs_lib.models import PRESETS
from higgs_lib.study import Run, Study
from higgs_lib.training import TrainConfig

N_TEST = 500_000  # events, and as many for validation, as Baldi et al. 2014

log = logging.getLogger("record")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--result", type=Path, default=Path(__file__).parent / "results" / "record.json")
    parser.add_argument("--folder", type=Path, default=Path("runs/rehearsal"))
    parser.add_argument("--training", type=int, default=10_000_000, help="built-in events to train on")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=1024)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    run = Run(options.folder)
    splits = data.contiguous(options.training, N_TEST, N_TEST)
    study.prepare(run.events, n_events=splits.test.stop, seed=1)
    fit = TrainConfig(options.epochs, options.batch_size)
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
        "peak_gib": contest.peak_gib(),  # of this process, which may have made the last epochs only
    }
    log.info("test AUC %.4f after %.0f s of epochs", found["test"]["auc"]["value"], sum(seconds))
    contest.save(options.result, measured, found["made_with"]["device"])


if __name__ == "__main__":
    main()

"""Measures two Spark workers of one core each against one, in steady epochs, and the start of a training.

    python benchmarks/synchronous.py

The deep net, Adam, executors in processes of their own on this machine. Trainings of one and of two workers take turns.
"""

import logging
import tempfile
from pathlib import Path

import contest
import numpy as np

from higgs_lib import models, simulation, spark
from higgs_lib.data import COMPLETE, EventStream
from higgs_lib.models import PRESETS
from higgs_lib.spark import synchronous

N_TRAINING, N_VALIDATION = 131_072, 8192  # events
BATCH_SIZES = (1024, 4096)  # events a step, of all workers together
EPOCHS = 5  # of each training, the first of which is left out

log = logging.getLogger("synchronous")


def trained(session, streams: tuple[EventStream, EventStream], n_workers: int, batch_size: int) -> synchronous.Trained:
    """One training of the deep net."""
    pace = {"epochs": EPOCHS, "batch_size": batch_size}
    model = models.build(PRESETS["deep"], models.standardisation(streams[0]), seed=1)
    optimizer = models.optimizer(PRESETS["deep"], n_events=streams[0].n_events, **pace)
    return synchronous.fit(session, model, optimizer, *streams, **pace, n_workers=n_workers, seed=1)


def measured(turns: list[dict[int, synchronous.Trained]], batch_size: int) -> dict:
    """Speed-up, seconds of an epoch and milliseconds of a step's parts: median and range over the turns."""
    seconds = {n: np.array([np.median(turn[n].history.seconds[1:]) for turn in turns]) for n in (1, 2)}
    phases = [p for turn in turns for epoch in turn[2].phases[1:] for p in epoch]
    n_steps = N_TRAINING // batch_size
    parts = {
        "compute": np.array([1e3 * p.compute / n_steps for p in phases]),
        "sum of the gradients": np.array([1e3 * (p.all_reduce - p.waiting) / n_steps for p in phases]),
        "waiting": np.array([1e3 * p.waiting / n_steps for p in phases]),
    }
    return {
        "batch_size": batch_size,
        "speed_up": contest.spread(seconds[1] / seconds[2]),
        "epoch_seconds": {str(n): contest.spread(values) for n, values in seconds.items()},
        "milliseconds_a_step_of_two": {name: contest.spread(values) for name, values in parts.items()},
    }


def main() -> None:
    arguments = contest.arguments(__doc__, "synchronous.json").parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    found, starts = [], []
    with tempfile.TemporaryDirectory() as folder, spark.session("local-cluster[2,1,1024]") as session:
        events = Path(folder, "events.parquet")
        simulation.simulate(events, N_TRAINING + N_VALIDATION, seed=1, workers=1)
        ranges = range(N_TRAINING), range(N_TRAINING, N_TRAINING + N_VALIDATION)
        streams = tuple(EventStream.open(events, COMPLETE, rows) for rows in ranges)
        for batch_size in BATCH_SIZES:
            turns = []
            for _ in range(arguments.repeats):
                turns.append({n: trained(session, streams, n, batch_size) for n in (2, 1)})
                starts.append(turns[-1][2].start_up)
            found.append(measured(turns, batch_size))
            by = found[-1]["speed_up"]
            log.info("%d: %.2f [%.2f, %.2f] times one worker", batch_size, by["median"], by["low"], by["high"])
    start_up = {"cold": starts[0], "processes there": contest.spread(np.array(starts[1:]))}
    about = {"n_events": N_TRAINING, "turns": arguments.repeats}
    contest.save(arguments.result, about | {"batches": found, "start_up_seconds_of_two": start_up})


if __name__ == "__main__":
    main()

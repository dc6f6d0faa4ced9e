"""Measures two Spark workers of one core each against one, in steady epochs, and the start of a training.

    python benchmarks/synchronous.py                      # TensorFlow
    KERAS_BACKEND=jax python benchmarks/synchronous.py    # JAX, whose result has a file of its own

The deep network with Adam, on executors in processes of their own on this machine. Trainings of two workers and of one
take turns.
"""

import logging
import tempfile
from functools import partial
from pathlib import Path

import harness
import keras
import numpy as np

from higgs_lib import models, simulation, spark
from higgs_lib.data import COMPLETE, EventStream
from higgs_lib.models import PRESETS
from higgs_lib.performance import timing
from higgs_lib.spark import synchronous
from higgs_lib.training import TrainConfig

N_TRAINING, N_VALIDATION = 131_072, 8192  # events
BATCH_SIZES = (1024, 4096)  # events per step, over all workers
EPOCHS = 5  # of each training, the first of which is left out

log = logging.getLogger("synchronous")


def train(session, streams: tuple[EventStream, EventStream], n_workers: int, batch_size: int) -> synchronous.Trained:
    """Trains the deep network once.

    Args:
        session: the Spark session.
        streams: training and validation events.
        n_workers: the number of workers.
        batch_size: events per step, over all workers.
    """
    config = TrainConfig(EPOCHS, batch_size)
    model = models.build(PRESETS["deep"], models.standardisation(streams[0]), seed=1)
    optimizer = models.optimizer(PRESETS["deep"], streams[0].n_events, batch_size, EPOCHS)
    return synchronous.fit(session, model, optimizer, *streams, config, n_workers=n_workers, seed=1)


def summarise(turns: dict[int, list[synchronous.Trained]], batch_size: int) -> dict:
    """Returns speed-up, seconds per epoch and milliseconds of a step's parts: median and range over the turns."""
    seconds = {n: np.array([np.median(t.history.seconds[1:]) for t in trained]) for n, trained in turns.items()}
    phases = [p for trained in turns[2] for epoch in trained.phases[1:] for p in epoch]
    n_steps = N_TRAINING // batch_size
    parts = {
        "compute": np.array([1e3 * p.compute / n_steps for p in phases]),
        "sum of the gradients": np.array([1e3 * (p.all_reduce - p.waiting) / n_steps for p in phases]),
        "waiting": np.array([1e3 * p.waiting / n_steps for p in phases]),
    }
    return {
        "batch_size": batch_size,
        "speed_up": harness.spread(seconds[1] / seconds[2]),
        "epoch_seconds": {str(n): harness.spread(seconds[n]) for n in (1, 2)},
        "milliseconds_a_step_of_two": {name: harness.spread(values) for name, values in parts.items()},
    }


def main() -> None:
    """Measures and stores."""
    backend = keras.backend.backend()
    name = "synchronous.json" if backend == "tensorflow" else f"synchronous-{backend}.json"
    options = harness.arguments(__doc__, name).parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    batches, starts = [], []
    with tempfile.TemporaryDirectory() as folder, spark.session("local-cluster[2,1,1024]") as session:
        events = Path(folder, "events.parquet")
        simulation.simulate(events, N_TRAINING + N_VALIDATION, seed=1, workers=1)
        ranges = range(N_TRAINING), range(N_TRAINING, N_TRAINING + N_VALIDATION)
        streams = tuple(EventStream.open(events, COMPLETE, rows) for rows in ranges)
        for batch_size in BATCH_SIZES:
            runs = {n: partial(train, session, streams, n, batch_size) for n in (2, 1)}
            turns = timing.in_turn(runs, options.repeats, warm_up=False)
            starts += [trained.start_up for trained in turns[2]]
            batches.append(summarise(turns, batch_size))
            by = batches[-1]["speed_up"]
            log.info("%d: %.2f [%.2f, %.2f] times one worker", batch_size, by["median"], by["low"], by["high"])
    start_up = {"cold": starts[0], "processes there": harness.spread(np.array(starts[1:]))}
    about = {"backend": backend, "n_events": N_TRAINING, "turns": options.repeats}
    harness.save(options.result, about | {"batches": batches, "start_up_seconds_of_two": start_up})


if __name__ == "__main__":
    main()

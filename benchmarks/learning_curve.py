"""Measures the test AUC against the number of training events on a GPU, up to 10,000,000 built-in events.

    KERAS_BACKEND=jax python benchmarks/learning_curve.py    # or on TensorFlow; what it needs is in gpu.py

Every size gets as many steps as the others, so that only the events differ; the epoch with the lowest validation loss
is kept. A small sample fills an epoch by repetition. Several seeds train on small samples, each on events of its own
where there are enough. The result is stored after each training, the first seed of every size before the others.
"""

import argparse
import logging
import re
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import harness
import keras
import numpy as np

from higgs_lib import device, metrics, models, provenance, simulation, training
from higgs_lib.data import COMPLETE, EventStream, Sample, feature_set
from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.training import TrainConfig

N_VALIDATION, N_TEST = 50_000, 500_000  # built-in events
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
SEEDS, SMALL = (1, 2, 3), 100_000  # larger samples are trained on from the first seed alone
STEPS, STEP = 19_600, 1024  # steps of each training, and the events of one

UNIT = 98 * STEP  # events of the shortest epoch, in whole batches of all networks, so that XLA compiles one size
LONG = 10  # units: longer epochs are multiples of a block of the batch loader, all of one size as well
PATIENCE = 30  # epochs: overfitting does not go back

log = logging.getLogger("learning_curve")


class Network(NamedTuple):
    """A network to train."""

    preset: str
    features: str
    batch_size: int
    learning_rate: float
    """The first learning rate, which falls to zero along a cosine"""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.preset}, {self.features}"

    @property
    def spec(self) -> ModelSpec:
        """The preset with this learning rate."""
        changes = {"learning_rate": self.learning_rate, "schedule": "cosine", "initial_weights": "he"}
        return replace(PRESETS[self.preset], **changes)


NETWORKS = (
    Network("deep", "low", 1024, 0.004),
    Network("modern", "low", 2048, 0.006),
    Network("kinematic", "low", 2048, 0.006),
    Network("shallow", "high", 1024, 0.01),
)


def epochs_of(n_training: int, n_units: int) -> tuple[int, int]:
    """Returns the number of epochs and the units of each, `n_units` in all, that hold `n_training` events.

    Raises ValueError where no such division exists.
    """
    lengths = [1] if n_training <= UNIT else range(LONG, n_units + 1, LONG)
    for length in lengths:
        if n_units % length == 0 and length * UNIT >= n_training:
            return n_units // length, length
    raise ValueError(f"{n_units * UNIT:,} events in all steps do not divide into epochs of {n_training:,} events")


def train(network: Network, parts: list[Sample], n_training: int, seed: int, n_units: int) -> tuple[dict, np.ndarray]:
    """Trains a network on part of the training events.

    Args:
        network: the network.
        parts: training, validation and test events, with the network's features alone.
        n_training: the number of training events.
        seed: of the training; each takes other events, where there are enough.
        n_units: the events of all steps, in multiples of `UNIT`.

    Returns:
        Its length, its times and the test AUC with its interval; and the scores of the test events (n,).
    """
    start = time.perf_counter()
    events, validation, test = parts
    names = feature_set(network.features)
    epochs, length = epochs_of(n_training, n_units)
    rows = (np.arange(length * UNIT) % n_training + (seed - 1) * n_training) % events.n_events
    sample = events.take(rows)
    # of as many events for every size: a network has the standardisation in its program, which is compiled once then
    known = events.take(np.arange(min(SMALL, events.n_events)))
    standard = models.standardisation(known, names if network.spec.inputs == "kinematics" else ())
    model = models.build(network.spec, standard, seed, names)
    optimizer = models.optimizer(network.spec, sample.n_events, network.batch_size, epochs)
    config = TrainConfig(epochs, network.batch_size, PATIENCE)
    history = training.fit(model, optimizer, sample, validation, config, seed=seed, name=network.name)
    scores = training.predict(model, test.features)
    auc = metrics.auc_interval(test.labels, scores)
    keras.backend.clear_session()
    result = {
        "preset": network.preset,
        "features": network.features,
        "n_training": n_training,
        "seed": seed,
        "batch_size": network.batch_size,
        "learning_rate": network.learning_rate,
        "steps": epochs * length * UNIT // network.batch_size,
        "epochs": epochs,
        "trained_epochs": len(history.seconds),
        "best_epoch": history.best_epoch,
        "validation_auc": history.validation[history.best_epoch - 1].auc,
        "test_auc": auc._asdict(),
        "step_seconds": sum(history.seconds),
        "seconds": time.perf_counter() - start,
    }
    log.info(
        "%s, %d events, seed %d: test AUC %.4f, best epoch %d of %d (%d), %.0f s, of which steps %.0f s",
        *(network.name, n_training, seed, auc.value, history.best_epoch, len(history.seconds), epochs),
        *(result["seconds"], result["step_seconds"]),
    )
    return result, scores


def reuse_compiled_programs(folder: str) -> None:
    """Lets JAX compile each program once in all trainings; TensorFlow has no such store."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def main() -> None:
    """Trains and stores, after each training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = Path(__file__).parent / "results" / "learning-curve"
    parser.add_argument("--results", type=Path, default=results, help="folder")
    parser.add_argument("--n-events", type=int, default=SIZES[-1], help="training events, at most")
    parser.add_argument("--n-test", type=int, default=N_TEST, help="test events")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"in batches of {STEP}, approximately")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help=f"trainings on each size up to {SMALL:,}")
    parser.add_argument("--train-on", default="gpu", help="as for device.use")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    try:
        device.use(options.train_on)
    except device.DeviceError as error:
        sys.exit(f"error: {error}")
    computes_on = provenance.stamp()["computes_on"]
    name = re.sub(r"[^a-z0-9]+", "-", computes_on.rpartition(": ")[2].lower()).strip("-")
    n_units = max(round(options.steps * STEP / UNIT), 1)
    sizes = [size for size in SIZES if size <= options.n_events]
    for size in sizes:
        epochs_of(size, n_units)  # before the events are made
    edges = np.cumsum([0, options.n_events, N_VALIDATION, options.n_test]).tolist()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        simulation.simulate(events, edges[-1], 1)
        parts = [EventStream.open(events, COMPLETE, range(*pair)).load() for pair in pairwise(edges)]
    seconds = time.perf_counter() - start
    result = {"device": computes_on, "backend": keras.backend.backend(), "n_units": n_units, "unit": UNIT}
    result |= {"n_test": options.n_test, "simulation_seconds": seconds, "trainings": [], "covariances": {}}
    plan = [(size, seed) for seed in SEEDS[: options.seeds] for size in sizes if seed == 1 or size <= SMALL]
    scores = {network.name: [] for network in NETWORKS}
    of_features = {}
    for features in {network.features for network in NETWORKS}:
        columns = [COMPLETE.index(name) for name in feature_set(features)]
        of_features[features] = [p._replace(features=np.ascontiguousarray(p.features[:, columns])) for p in parts]
    labels = parts[-1].labels
    del parts
    with tempfile.TemporaryDirectory() as programs:
        reuse_compiled_programs(programs)
        for first in (True, False):
            for network in NETWORKS:
                for size, seed in (item for item in plan if (item[1] == SEEDS[0]) == first):
                    trained, scored = train(network, of_features[network.features], size, seed, n_units)
                    result["trainings"].append(trained)
                    scores[network.name].append(scored)
                    covariance = metrics.auc_covariance(labels, np.stack(scores[network.name]))
                    result["covariances"][network.name] = covariance.tolist()  # in the order of its trainings
                    harness.save(options.results / f"{name}.json", result)


if __name__ == "__main__":
    main()

"""Trains the study's networks on 10,000,000 built-in events on a GPU, about as many as UCI HIGGS has.

    KERAS_BACKEND=jax python benchmarks/gpu_study.py    # or on TensorFlow; what it needs is in gpu.py

The result holds the times of each training, and the AUC on test events that no training saw. It is stored after each
network.
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

N_EVENTS, N_VALIDATION, N_TEST = 10_000_000, 100_000, 500_000  # built-in events
SEED = 1

log = logging.getLogger("gpu_study")


class Network(NamedTuple):
    """A network to train."""

    preset: str
    features: str
    config: TrainConfig
    learning_rate: float
    """The first learning rate, which falls to zero along a cosine"""

    @property
    def spec(self) -> ModelSpec:
        """The preset with this learning rate."""
        changes = {"learning_rate": self.learning_rate, "schedule": "cosine", "initial_weights": "he"}
        return replace(PRESETS[self.preset], **changes)


NETWORKS = (
    Network("modern", "low", TrainConfig(8, 2048), 0.006),
    Network("shallow", "high", TrainConfig(8, 1024), 0.01),
    Network("deep", "low", TrainConfig(12, 1024), 0.004),
    Network("kinematic", "low", TrainConfig(5, 2048), 0.006),
    Network("shallow", "complete", TrainConfig(8, 1024), 0.01),
)


def train(network: Network, parts: list[Sample]) -> dict:
    """Trains one network on the first of three samples; returns its times, measures and test AUC with its interval."""
    names = feature_set(network.features)
    columns = [COMPLETE.index(name) for name in names]
    events, validation, test = (
        part._replace(features=np.ascontiguousarray(part.features[:, columns])) for part in parts
    )
    start = time.perf_counter()
    standard = models.standardisation(events, names if network.spec.inputs == "kinematics" else ())
    model = models.build(network.spec, standard, SEED, names)
    optimizer = models.optimizer(network.spec, events.n_events, network.config.batch_size, network.config.epochs)
    history = training.fit(model, optimizer, events, validation, network.config, seed=SEED, name=network.preset)
    auc = metrics.auc_interval(test.labels, training.predict(model, test.features))
    name = f"{network.preset}, {network.features}"
    log.info("%s: test AUC %.4f in %.0f s of steps", name, auc.value, sum(history.seconds))
    keras.backend.clear_session()
    return {
        "preset": network.preset,
        "features": network.features,
        "n_events": events.n_events,
        "batch_size": network.config.batch_size,
        "learning_rate": network.learning_rate,
        "epoch_seconds": history.seconds,
        "validation_auc": [measures.auc for measures in history.validation],
        "training_auc": [measures.auc for measures in history.training],
        "best_epoch": history.best_epoch,
        "test_auc": auc._asdict(),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    """Trains and stores, after each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "gpu-study", help="folder")
    parser.add_argument("--n-events", type=int, default=N_EVENTS, help="training events")
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
    edges = np.cumsum([0, options.n_events, N_VALIDATION, N_TEST]).tolist()
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        simulation.simulate(events, edges[-1], SEED)
        parts = [EventStream.open(events, COMPLETE, range(*pair)).load() for pair in pairwise(edges)]
    result = {"device": computes_on, "backend": keras.backend.backend(), "networks": []}
    for network in NETWORKS:
        result["networks"].append(train(network, parts))
        harness.save(options.results / f"{name}.json", result)


if __name__ == "__main__":
    main()

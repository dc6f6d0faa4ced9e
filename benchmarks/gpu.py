"""Measures how fast each GPU of this machine trains; meant to take under six minutes per GPU.

    python benchmarks/gpu.py                      # Keras on TensorFlow
    KERAS_BACKEND=jax python benchmarks/gpu.py    # Keras on JAX, which needs no TensorFlow

Where Python has JAX with CUDA and nothing else of this package's, bring what is missing as wheels and add the folder of
the checkout to PYTHONPATH: docs/gpu.md lists them. Writes a file for each GPU, part by part; 11_gpu_scaling shows it
with its device, date and versions.
"""

import argparse
import json
import logging
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import harness
import keras
import numpy as np

from higgs_lib import data, device, models, simulation
from higgs_lib.data import LOW, EventStream, Sample
from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.performance import measure, timing
from higgs_lib.performance.step_cost import OPTIMIZER_SLOTS
from higgs_lib.performance.throughput import Sweep
from higgs_lib.training import History, TrainConfig
from higgs_lib.training.loop import Trainer

MIN_STEPS = 16  # per timing, so that the cost of a call itself is a small part of it
N_EVENTS, N_VALIDATION = 10_000_000, 100_000  # built-in events
BATCH_SIZE = 1024  # of the trainings, events per step
SEED = 1

TRAININGS = {  # the network, the validation AUC to reach on low-level features, and the largest number of epochs
    "deep": (replace(PRESETS["deep"], initial_weights="he", learning_rate=0.002), 0.80, 20),
    "kinematic": (PRESETS["kinematic"], 0.87, 6),
}

log = logging.getLogger("gpu")


def train(spec: ModelSpec, target: float, epochs: int, training: Sample, validation: Sample) -> dict:
    """Trains a network on low-level features until it reaches an AUC on the validation events.

    Args:
        spec: the network and its optimizer.
        target: the validation AUC.
        epochs: the largest number of epochs.
        training: the training events.
        validation: the validation events.

    Returns:
        The seconds of the steps of each epoch, the AUC after it, and the seconds until the target; None: not reached.
    """
    model = models.build(spec, models.standardisation(training, LOW if spec.inputs == "kinematics" else ()), SEED)
    optimizer = models.optimizer(spec, training.n_events, BATCH_SIZE, epochs)
    optimizer.build(model.trainable_variables)
    trainer = Trainer(model, optimizer, keras.losses.BinaryCrossentropy(), training, BATCH_SIZE, SEED)
    empty = History([], [], [], training.n_events)
    for history, _ in trainer.epochs(empty, [], validation, TrainConfig(epochs, BATCH_SIZE), "training"):
        auc = history.validation[-1].auc
        log.info("epoch %d: %.2f s, validation AUC %.4f", len(history.seconds), history.seconds[-1], auc)
        if auc >= target:
            break
    return {
        "target_auc": target,
        "n_events": training.n_events,
        "batch_size": BATCH_SIZE,
        "epoch_seconds": history.seconds,
        "validation_auc": [measures.auc for measures in history.validation],
        "seconds_to_target": sum(history.seconds) if auc >= target else None,
    }


def kinematic_share(training: Sample, repeats: int) -> dict:
    """Returns the seconds of an epoch of the kinematic network with its layer, and on features computed before.

    Both train the same weights; neither exchanges jets.
    """
    spec = replace(PRESETS["kinematic"], symmetric=False)
    standard = models.standardisation(training, LOW)
    computed = training._replace(features=models.kinematic_layer.kinematic_features(training.features, LOW))
    variants = {"layer": (spec, standard, training)}
    variants["computed before"] = replace(spec, inputs="columns"), standard._replace(columns=()), computed
    epochs = {}
    for name, (variant, shift_and_scale, events) in variants.items():
        optimizer = models.optimizer(variant, events.n_events, BATCH_SIZE, epochs=1)
        epoch = timing.library_epoch(models.build(variant, shift_and_scale, SEED), optimizer, events, BATCH_SIZE)
        epochs[name] = timing.timed(epoch)
    seconds = timing.in_turn(epochs, repeats)
    layer, before = (np.array(seconds[name]) for name in variants)
    return {"epoch_seconds": seconds, "share": harness.spread(1 - before / layer), "n_events": training.n_events}


def measure_sweep(gpu: device.GPU, train_on: str, options: argparse.Namespace) -> dict:
    """Returns the throughput by loop, optimizer and batch size."""
    optimizers = tuple(OPTIMIZER_SLOTS)  # those of Mancone's thesis
    sweep = Sweep(train_on, optimizers=optimizers, batch_sizes=tuple(options.batch_sizes), min_steps=MIN_STEPS)
    throughput = measure.run_sweep(sweep)
    for loop in throughput.loops:
        size, rate = max(throughput.median_rates(loop, "adam").items(), key=lambda pair: pair[1])
        log.info("%s, %s: at most %s events/s, in batches of %s", gpu.name, loop, f"{rate:,.0f}", f"{size:,}")
    return {"throughput": throughput.as_dict()} | harness.made_with(throughput.stamp)


def measure_trainings(gpu: device.GPU, train_on: str, options: argparse.Namespace) -> dict:
    """Returns the trainings of this benchmark on built-in events."""
    device.use(train_on)
    n_events = options.n_events
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.parquet")
        simulation.simulate(events, n_events + N_VALIDATION, SEED)
        training = EventStream.open(events, LOW, range(n_events)).load()
        validation = data.load(events, LOW, range(n_events, n_events + N_VALIDATION))
    networks = {name: train(*settings, training, validation) for name, settings in TRAININGS.items()}
    layer = kinematic_share(training.slice(0, 2**18), repeats=3)
    return {"networks": networks, "kinematic_layer": layer} | harness.made_with()


PARTS = {"measured": measure_sweep, "trainings": measure_trainings}


def main() -> None:
    """Measures and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "gpu", help="folder")
    sizes = (100, 1024, 8192, 65_536)
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=sizes, help="events per step")
    parser.add_argument("--n-events", type=int, default=N_EVENTS, help="training events")
    parser.add_argument("--gpu", type=int, help="number of one GPU; without it all, each in a process of its own")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    if not device.gpus():
        sys.exit("error: NVIDIA's driver shows no GPU here: run this on a machine that has one")
    if options.gpu is None and len(device.gpus()) > 1:
        for gpu in device.gpus():
            subprocess.run([sys.executable, *sys.argv, "--gpu", str(gpu.number)], check=True)
        return
    try:
        gpu = device.gpus()[options.gpu or 0]
        measure_gpu(gpu, f"gpu:{gpu.number}", options)
    except IndexError:
        sys.exit(f"error: there is no GPU {options.gpu} here")
    except RuntimeError as error:
        sys.exit(f"error: {error}")


def measure_gpu(gpu: device.GPU, train_on: str, options: argparse.Namespace) -> None:
    """Measures the parts of one GPU; each is stored as soon as it is measured, beside what the file has of others."""
    name = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-")
    path = options.results / f"{name}-{gpu.number}-{keras.backend.backend()}.json"
    for part in options.parts:
        stored = json.loads(path.read_text()) if path.exists() else {}
        harness.write(path, stored | {"gpu": gpu._asdict(), part: PARTS[part](gpu, train_on, options)})
    log.info("written: %s", path)


if __name__ == "__main__":
    main()

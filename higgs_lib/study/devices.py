"""Compares the processor with GPUs: what a training step costs on each, and how many cores a GPU matches."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib.files import FROM_REPOSITORY, read_json
from higgs_lib.performance import step_cost, timing
from higgs_lib.performance.step_cost import StepCost
from higgs_lib.performance.throughput import GRAPH, KERAS, OURS, Throughput, Timing
from higgs_lib.performance.timing import Rate
from higgs_lib.study.published import T_GPUS

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}
FITTED = (64, 8192)  # batch sizes between which a step's cost is taken as a line


class StoredGPU(NamedTuple):
    """What `make bench-gpu` stored about a GPU."""

    throughput: Throughput
    """Its timings, peak and bandwidth"""
    date: str
    """The day of the measurement, YYYY-MM-DD"""
    layer_share: Rate | None
    """Share of the layer of kinematic features in a step; None: not measured"""

    @property
    def software(self) -> str:
        """Keras and its backend, with their versions."""
        stamp, backend = self.throughput.stamp, self.throughput.backend
        return f"Keras {stamp['keras']} on {BACKENDS[backend]} {stamp[backend]}"


def stored_gpus(measurements: str | Path) -> dict[str, StoredGPU]:
    """Returns the GPUs that the folder of stored measurements has, by name and backend."""
    stored = {}
    for path in sorted(Path(measurements, "gpu").glob("*.json")):
        result = read_json(path, FROM_REPOSITORY)
        throughput = Throughput.from_dict(result["measured"]["throughput"])
        layer = result.get("trainings", {}).get("kinematic_layer")
        share = Rate(**layer["share"]) if layer else None
        name = f"{result['gpu']['name']} ({BACKENDS[throughput.backend]})"
        stored[name] = StoredGPU(throughput, result["measured"]["made_with"]["time"][:10], share)
    return stored


def step_costs(measured: Throughput) -> dict[tuple[str, str], StepCost]:
    """Fits the cost of a step by loop and optimizer, to batches of 64 to 8192 events."""
    costs = {}
    for loop in measured.loops:
        for optimizer in measured.optimizers:
            used = [t for t in measured.select(loop, optimizer) if FITTED[0] <= t.batch_size <= FITTED[1]]
            costs[loop, optimizer] = step_cost.fit([t.batch_size for t in used], [t.seconds for t in used])
    return costs


def paired_ratio(seconds: list[float], others: list[float]) -> Rate:
    """Returns how many times as fast `seconds` are as `others`, timed in turn: median and range over the turns."""
    return timing.rate(np.asarray(others), seconds)


def timing_at(measured: Throughput, loop: str, optimizer: str, batch_size: int) -> Timing | None:
    """Returns the timing of one batch size; None where it was not measured."""
    return next((t for t in measured.select(loop, optimizer) if t.batch_size == batch_size), None)


def matched_cores(processor: Timing, cores: int, gpu: Timing) -> Rate:
    """Returns how many cores a GPU matches if each further core adds as much as the first ones on average.

    Args:
        processor: the timing on the processor.
        cores: the cores that it used.
        gpu: the timing of the same batch size on the GPU.

    Returns:
        The number of cores, with its range over the repeats of both.
    """
    fast, slow = np.array(gpu.rate), np.array(processor.rate)
    return Rate(*(cores * fast / slow[[0, 2, 1]]).tolist())


class BreakEven(NamedTuple):
    """A batch size for which kernel launches take as long on a GPU as the arithmetic at its peak."""

    gpu: str
    """Name of the GPU"""
    optimizer: str
    """Name of the optimizer, whose operations the step launches"""
    loop: str
    """Name of the training loop"""
    launch: float
    """s/step whatever the batch size"""
    event: float
    """s of arithmetic per event"""

    @property
    def batch_size(self) -> float:
        """Events per step; launches limit smaller batches."""
        return self.launch / self.event


def thesis_break_even(processor: Throughput, costs: dict[tuple[str, str], StepCost]) -> list[BreakEven]:
    """Calculates the break-even batch sizes of the GPUs in Mancone's thesis from launches measured on a processor.

    For `model.fit` the launches are the fixed cost of a step, which includes Python. For the library's loop they are
    those of the small network, in the plain graph where the backend has one.

    Args:
        processor: the measurements of a processor.
        costs: its `step_costs`.

    Returns:
        An entry for each GPU, optimizer and of the two loops.
    """
    small = GRAPH if GRAPH in processor.loops else OURS
    return [
        BreakEven(gpu.name, name, loop, launch, processor.operations_per_event / gpu.peak)
        for gpu in T_GPUS
        for name in processor.optimizers
        for loop, launch in ((KERAS, costs[KERAS, name].launch.value), (small, processor.launch_seconds[name]))
    ]


class GPUTraining(NamedTuple):
    """A whole training on a GPU, as stored."""

    device: str
    """Name of the GPU"""
    network: str
    """Classifier and feature set"""
    n_events: int
    """Training events per epoch"""
    epoch_seconds: list[float]
    """s of the steps of each epoch; the first includes compilation"""
    validation_auc: float
    """The validation AUC of the last epoch"""
    test_auc: Rate | None
    """The test AUC with its 95 % interval; None where the training stopped at a validation AUC"""


def gpu_trainings(measurements: str | Path) -> list[GPUTraining]:
    """Returns the trainings of the folders `gpu`, on low-level features until an AUC, and `gpu-study`, to the end."""
    trainings = []
    for path in sorted(Path(measurements, "gpu").glob("*.json")):
        result = read_json(path, FROM_REPOSITORY)
        for name, network in result.get("trainings", {}).get("networks", {}).items():
            numbers = network["n_events"], network["epoch_seconds"], network["validation_auc"][-1]
            trainings.append(GPUTraining(result["gpu"]["name"], f"{name}, low", *numbers, None))
    for path in sorted(Path(measurements, "gpu-study").glob("*.json")):
        result = read_json(path, FROM_REPOSITORY)
        device = result["device"].partition(": ")[2]
        for network in result["networks"]:
            auc = network["test_auc"]
            numbers = network["n_events"], network["epoch_seconds"], network["validation_auc"][-1]
            name = f"{network['preset']}, {network['features']}"
            trainings.append(GPUTraining(device, name, *numbers, Rate(auc["value"], auc["low"], auc["high"])))
    return trainings

"""Times training steps on the device of this process, which `performance.measure` starts."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from higgs_lib import device, models, provenance
from higgs_lib.data import COMPLETE, Sample
from higgs_lib.models import PRESETS
from higgs_lib.performance import energy, timing
from higgs_lib.performance.throughput import GRAPH, KERAS, MAX_STEPS, OURS, Sweep, Throughput, Timing
from higgs_lib.training import steps
from higgs_lib.training.loop import Trainer


def measure(sweep: Sweep) -> Throughput:
    """Measures a sweep in this process; JAX has no plain graph to time."""
    device.use(sweep.train_on)
    loops = [loop for loop in sweep.loops if loop != GRAPH or _on_tensorflow()]
    timings = [t for optimizer in sweep.optimizers for t in _time_loops(optimizer, loops, sweep)]
    return Throughput(
        device=provenance.stamp()["computes_on"],
        cores=device.cores(),
        backend=keras.backend.backend(),
        stamp=provenance.stamp(),
        timings=timings,
        operations_per_event=PRESETS["deep"].operations(len(COMPLETE)),
        peak=timing.matrix_peak(sweep.repeats) if sweep.details else None,
        bandwidth=timing.memory_bandwidth(sweep.repeats) if sweep.details else None,
        kernels=_count_operations(sweep) if sweep.details else {},
        launch_seconds=_launch_seconds(sweep) if sweep.details else {},
        joules=_joules(sweep) if sweep.details else {},
    )


def _on_tensorflow() -> bool:
    """Tells whether Keras' backend is TensorFlow, which also computes without XLA."""
    return keras.backend.backend() == "tensorflow"


def _build(optimizer: str, batch_size: int, n_events: int, hidden: tuple[int, ...] = PRESETS["deep"].hidden):
    """Returns the deep network on all 28 features, and its optimizer at Keras' default learning rate.

    Args:
        optimizer: the optimizer's name.
        batch_size: events per step.
        n_events: training events.
        hidden: units of each hidden layer.
    """
    spec = replace(PRESETS["deep"], optimizer=optimizer, hidden=hidden)
    standard = models.Standardisation(np.zeros(len(COMPLETE)), np.ones(len(COMPLETE)))
    return models.build(spec, standard, seed=1), models.optimizer(spec, n_events, batch_size, epochs=1)


def _random_events(batch_size: int, sweep: Sweep) -> tuple[Sample, int]:
    """Returns whole batches of random numbers, which take as long as events, and the number of batches."""
    n_steps = int(np.clip(sweep.n_events // batch_size, sweep.min_steps, MAX_STEPS))
    rng = np.random.default_rng(1)
    features = rng.standard_normal((n_steps * batch_size, len(COMPLETE)), np.float32)
    return Sample(features, (rng.random(len(features)) < 0.5).astype(np.float32)), n_steps


def _library_steps(optimizer: str, batch_size: int, sweep: Sweep, jit_compile: bool | None = None, **changes):
    """Returns a function that trains as `training.fit` does and returns s/step.

    The time excludes the measures of `training.fit` and, as for `model.fit`, the shuffling before the first step.

    Args:
        optimizer: the optimizer's name.
        batch_size: events per step.
        sweep: the sweep, for the number of steps.
        jit_compile: whether XLA compiles the steps; None: by batch size and device.
        changes: further arguments of `_build`.
    """
    sample, n_steps = _random_events(batch_size, sweep)
    network, stepper = _build(optimizer, batch_size, sample.n_events, **changes)
    loss = keras.losses.BinaryCrossentropy()
    trainer = Trainer(network, stepper, loss, sample, batch_size, seed=1, jit_compile=jit_compile)
    return lambda: trainer.train_epoch(1)[-1] / n_steps


class _StepClock(keras.callbacks.Callback):
    """Measures the seconds from the start of an epoch's first step to the end of its last one."""

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock at the first step."""
        if batch == 0:
            self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Stops the clock."""
        float(logs["loss"])  # waits for the last step where steps are only queued
        self.seconds = time.perf_counter() - self.start


def _keras_steps(optimizer: str, batch_size: int, sweep: Sweep) -> Callable[[], float]:
    """Returns a function that trains by `model.fit` and returns s/step."""
    sample, n_steps = _random_events(batch_size, sweep)
    network, stepper = _build(optimizer, batch_size, sample.n_events)
    network.compile(stepper, "binary_crossentropy")
    clock = _StepClock()

    def run() -> float:
        network.fit(*sample, batch_size=batch_size, verbose=0, callbacks=[clock])
        return clock.seconds / n_steps

    return run


_STEPS = {OURS: _library_steps, GRAPH: partial(_library_steps, jit_compile=False), KERAS: _keras_steps}


def _time_loops(optimizer: str, loops: list[str], sweep: Sweep) -> list[Timing]:
    """Times every loop and batch size with one optimizer, in turn."""
    runs = {(loop, size): _STEPS[loop](optimizer, size, sweep) for size in sweep.batch_sizes for loop in loops}
    seconds = timing.in_turn(runs, sweep.repeats)
    keras.backend.clear_session()
    return [Timing(loop, optimizer, size, repeats) for (loop, size), repeats in seconds.items()]


SILENT = {"Const", "Placeholder", "NoOp", "Identity", "IdentityN", "ReadVariableOp", "Reshape", "Squeeze", "ExpandDims"}
"""TensorFlow operations that launch nothing on a device."""

KERNELS = (
    r" (fusion|dot|convolution|custom-call|copy|reduce|call|while|sort"
    r"|scatter|gather|transpose|concatenate|broadcast)\("
)
"""Pattern of the instructions of an XLA program that are kernels: fusions, products, library calls, copies."""


def count_kernels(program: str) -> int:
    """Counts the kernels in the entry of an XLA program, given as text."""
    return len(re.findall(KERNELS, program[program.index("ENTRY") :]))


def _count_operations(sweep: Sweep) -> dict[str, dict[str, int]]:
    """Counts, for each optimizer, the kernels of a step by XLA and the operations in TensorFlow's graph of it.

    Operations in the graph are launched one by one, except those that TensorFlow's optimiser removes or fuses before.
    """
    size, counts = 1024, {}
    batch = Sample(np.zeros((size, len(COMPLETE)), np.float32), np.zeros(size, np.float32))
    for name in sweep.optimizers:
        network, optimizer = _build(name, size, size)
        optimizer.build(network.trainable_variables)
        plain, compiled = (
            steps.engine().Steps(network, optimizer, keras.losses.BinaryCrossentropy(), xla) for xla in (False, True)
        )
        counts[name] = {"XLA": count_kernels(compiled.program(batch))}
        if _on_tensorflow():
            import tensorflow as tf

            graph = tf.function(plain.step).get_concrete_function(*map(tf.convert_to_tensor, batch)).graph
            counts[name]["graph"] = sum(operation.type not in SILENT for operation in graph.get_operations())
    keras.backend.clear_session()
    return counts


def _launch_seconds(sweep: Sweep) -> dict[str, float]:
    """Returns, for each optimizer, the shortest s/step of a network that has next to nothing to compute."""
    jit_compile = False if _on_tensorflow() else None
    small = {"hidden": (8, 8, 8)}
    runs = {name: _library_steps(name, 8, sweep, jit_compile, **small) for name in sweep.optimizers}
    seconds = timing.in_turn(runs, max(sweep.repeats, 3))
    keras.backend.clear_session()
    return {name: min(repeats) for name, repeats in seconds.items()}


ENERGY_SECONDS = 5.0  # many times the 0.1 s in which NVML updates its counter


def _joules(sweep: Sweep) -> dict[str, dict[str, float]]:
    """Returns, for each optimizer, the energy of a million events in the library's loop, by counter.

    The batch size is the largest of the sweep up to 8192 events.
    """
    if not energy.counters():
        return {}
    size = max([size for size in sweep.batch_sizes if size <= 8192] or [min(sweep.batch_sizes)])
    n_steps = _random_events(size, sweep)[1]
    joules = {}
    for name in sweep.optimizers:
        run = _library_steps(name, size, sweep)
        run()
        n_calls = 1 + int(ENERGY_SECONDS / (run() * n_steps))
        used = energy.measure(lambda run=run, n_calls=n_calls: [run() for _ in range(n_calls)])
        joules[name] = {counter: value * 1e6 / (n_calls * n_steps * size) for counter, value in used.items()}
    keras.backend.clear_session()
    return joules

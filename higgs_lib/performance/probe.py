"""Times training steps on the device of this process, which `measurement` starts.

Keras' own loop is timed with any of its backends, ours with TensorFlow alone.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from higgs_lib import device, models, provenance
from higgs_lib.data import COMPLETE, Sample
from higgs_lib.models import PRESETS
from higgs_lib.performance.throughput import GRAPH, KERAS, MOST_STEPS, OURS, Sweep, Throughput, Timing


def measure(sweep: Sweep) -> Throughput:
    """What `sweep` asks for, in this process. With another backend than TensorFlow's only `model.fit` is timed."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        device.use(sweep.train_on)
    loops = [loop for loop in sweep.loops if loop == KERAS or backend == "tensorflow"]
    timings = [timing for optimizer in sweep.optimizers for timing in _in_turn(optimizer, loops, sweep)]
    where = provenance.stamp()["computes_on"] if backend == "tensorflow" else _backends_device(sweep.train_on)
    found = Throughput(
        where, device.cores(), backend, provenance.stamp(), timings, PRESETS["deep"].operations(len(COMPLETE)),
        peak=None, bandwidth=None, kernels={}, starts={}, joules={},
    )  # fmt: skip
    if not sweep.details:
        return found
    found = found._replace(peak=_peak(sweep.repeats), bandwidth=_bandwidth(sweep.repeats))
    if backend != "tensorflow":
        return found
    return found._replace(kernels=_kernels(sweep), starts=_starts(sweep), joules=_joules(sweep))


def _net(optimizer: str, batch_size: int, n_events: int, hidden: tuple[int, ...] = PRESETS["deep"].hidden):
    """The deep net on all 28 features, or one of other layers, and its optimizer at Keras' own rate."""
    spec = replace(PRESETS["deep"], optimizer=optimizer, hidden=hidden)
    standard = models.Standardisation(np.zeros(len(COMPLETE)), np.ones(len(COMPLETE)))
    return models.build(spec, standard, seed=1), models.optimizer(spec, n_events, batch_size, epochs=1)


def _events(batch_size: int, sweep: Sweep):
    """So many whole batches of random numbers: what they are makes no difference to the time."""
    n_steps = int(np.clip(sweep.n_events // batch_size, sweep.least_steps, MOST_STEPS))
    rng = np.random.default_rng(1)
    features = rng.standard_normal((n_steps * batch_size, len(COMPLETE)), np.float32)
    return Sample(features, (rng.random(len(features)) < 0.5).astype(np.float32)), n_steps


def _in_turn(optimizer: str, loops: list[str], sweep: Sweep) -> list[Timing]:
    """Every loop and batch size with one optimizer: in turn, so that a slow minute of the machine meets all of them.

    Each is run once before, which compiles.
    """
    runs = {(loop, size): _STEPS[loop](optimizer, size, sweep) for size in sweep.batch_sizes for loop in loops}
    seconds = {key: [] for key in runs}
    for run in runs.values():
        run()
    for _ in range(sweep.repeats):
        for key, run in runs.items():
            seconds[key].append(run())
    keras.backend.clear_session()
    return [Timing(loop, optimizer, size, taken) for (loop, size), taken in seconds.items()]


def _our_steps(optimizer: str, batch_size: int, sweep: Sweep, jit_compile: bool | None = None, **net) -> Callable:
    """A function that trains some steps as `training.fit` does, and tells the seconds of one.

    Without its measures, and, as for `model.fit`, without what shuffles the events before the first step.
    """
    from higgs_lib.training.loop import Trainer  # here, as it needs TensorFlow

    sample, n_steps = _events(batch_size, sweep)
    model, stepper = _net(optimizer, batch_size, sample.n_events, **net)
    loss = keras.losses.BinaryCrossentropy()
    trainer = Trainer(model, stepper, loss, sample, batch_size, seed=1, jit_compile=jit_compile)
    return lambda: trainer.train_epoch(1)[-1] / n_steps


class _Clock(keras.callbacks.Callback):
    """The seconds from the first step's begin to the last one's end in an epoch."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        float(logs["loss"])  # there when the last step has ended, where steps are only queued
        self.seconds = time.perf_counter() - self.begun


def _keras_steps(optimizer: str, batch_size: int, sweep: Sweep) -> Callable[[], float]:
    """The same by `model.fit`."""
    sample, n_steps = _events(batch_size, sweep)
    model, stepper = _net(optimizer, batch_size, sample.n_events)
    model.compile(stepper, "binary_crossentropy")
    clock = _Clock()

    def run() -> float:
        model.fit(*sample, batch_size=batch_size, verbose=0, callbacks=[clock])
        return clock.seconds / n_steps

    return run


_STEPS = {OURS: _our_steps, GRAPH: partial(_our_steps, jit_compile=False), KERAS: _keras_steps}


def _backends_device(train_on: str) -> str:
    """What another backend than TensorFlow computes on, as `measurement` has let it see."""
    number = train_on.partition(":")[2]
    return f"GPU {number}: {device.gpus()[0].name}" if number else "processor"


def _timed(function: Callable, array, repeats: int) -> float:
    """The shortest time of a call that makes an array of the same shape; s. Many calls are timed at a time, each of
    which waits for the one before, so that the wait for the last result does not count.
    """

    def once(n_calls: int) -> float:
        start, result = time.perf_counter(), array
        for _ in range(n_calls):
            result = function(result)
        keras.ops.convert_to_numpy(result[:1, :1])
        return (time.perf_counter() - start) / n_calls

    once(1)
    n_calls = int(np.clip(0.2 / once(3), 1, 300))
    return min(once(n_calls) for _ in range(repeats))


def _square(size: int):
    """A matrix whose powers stay finite."""
    return keras.ops.convert_to_tensor(np.full((size, size), 1 / size, np.float32))


def _peak(repeats: int) -> float:
    """Additions and multiplications a second in products of large matrices."""
    matrix = _square(4096)
    return 2 * 4096**3 / _timed(lambda result: keras.ops.matmul(result, matrix), matrix, repeats)


def _bandwidth(repeats: int) -> float:
    """bytes/s where an array larger than the caches is read and another one written; its allocation is in it."""
    return 2 * 4 * 8192**2 / _timed(keras.ops.negative, _square(8192), repeats)


def _kernels(sweep: Sweep) -> dict[str, dict[str, int]]:
    """What a step of each optimizer consists of."""
    from higgs_lib.performance import operations
    from higgs_lib.training import steps

    counts = {}
    for name in sweep.optimizers:
        model, optimizer = _net(name, 1024, 1024)
        optimizer.build(model.trainable_variables)
        loss = keras.losses.BinaryCrossentropy()
        plain, compiled = (steps.single(model, optimizer, loss, xla) for xla in (False, True))
        shape = {"n_features": len(COMPLETE), "batch_size": 1024}
        counts[name] = {"graph": operations.in_graph(plain, **shape), "XLA": operations.in_xla(compiled, **shape)}
    keras.backend.clear_session()
    return counts


def _starts(sweep: Sweep) -> dict[str, float]:
    """s a step of a net that has next to nothing to compute: the shortest of the repeats."""
    runs = {name: _our_steps(name, 8, sweep, jit_compile=False, hidden=(8, 8, 8)) for name in sweep.optimizers}
    for run in runs.values():
        run()
    seconds = [[run() for run in runs.values()] for _ in range(max(sweep.repeats, 3))]
    keras.backend.clear_session()
    return dict(zip(runs, np.min(seconds, 0).tolist(), strict=True))


ENERGY_SECONDS = 5.0  # many times the 0.1 s in which NVML's counter moves


def _joules(sweep: Sweep) -> dict[str, dict[str, float]]:
    """Energy of a million events in our loop, in the largest batches asked for up to 8192 events."""
    from higgs_lib.performance import energy

    if not energy.counters():
        return {}
    size = max([size for size in sweep.batch_sizes if size <= 8192] or [min(sweep.batch_sizes)])
    used = {}
    for name in sweep.optimizers:
        run = _our_steps(name, size, sweep)
        run()
        n_calls = 1 + int(ENERGY_SECONDS / (run() * _events(size, sweep)[1]))
        n_events = n_calls * _events(size, sweep)[0].n_events
        found = energy.spent(lambda run=run, n_calls=n_calls: [run() for _ in range(n_calls)])
        used[name] = {counter: joules * 1e6 / n_events for counter, joules in found.items()}
    keras.backend.clear_session()
    return used

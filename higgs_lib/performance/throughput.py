"""How many events a second a device trains, against optimizer and batch size: what is asked for, and what was found."""

from typing import NamedTuple

import numpy as np

OURS, GRAPH, KERAS = "higgs_lib", "higgs_lib, plain graph", "Keras model.fit"

MOST_STEPS = 512  # of a timing

OPTIMIZERS = ("sgd", "adam", "adamax", "adadelta", "adagrad")


class Sweep(NamedTuple):
    """What is timed on one device."""

    train_on: str = "cpu"
    """As `device.use` takes it."""
    cores: int = 0
    """Of the processor; 0: all of them."""
    optimizers: tuple[str, ...] = OPTIMIZERS
    batch_sizes: tuple[int, ...] = (32, 64, 100, 1024, 4096, 8192, 65_536)
    loops: tuple[str, ...] = (OURS, GRAPH, KERAS)
    """`GRAPH` is ours where XLA compiles nothing."""
    n_events: int = 65_536
    """Of a timing, about: but at least `least_steps` and at most `MOST_STEPS` steps."""
    least_steps: int = 4
    repeats: int = 3
    """Timings of each step, in turn with those of the other loops and batch sizes."""
    details: bool = True
    """Whether the device's peak, what a step consists of and the energy are measured too."""


class Timing(NamedTuple):
    """Steps of one loop, optimizer and batch size."""

    loop: str
    optimizer: str
    batch_size: int
    seconds: list[float]
    """s a step, of each repeat"""

    @property
    def rate(self) -> tuple[float, float, float]:
        """Events a second: the median of the repeats, the lowest and the highest."""
        rates = self.batch_size / np.array(self.seconds)
        return float(np.median(rates)), float(rates.min()), float(rates.max())


class Throughput(NamedTuple):
    """What was measured on one device."""

    device: str
    """ "processor", or the GPU's number and name"""
    cores: int
    """Of the processor, that the process might use."""
    backend: str
    """Keras'."""
    stamp: dict
    """`device.stamp` of the process that measured."""
    timings: list[Timing]
    operations_per_event: int
    """Additions and multiplications in the products of matrices that train the deep net on one event."""
    peak: float | None
    """Operations a second in float32 products of large matrices, as the library multiplies them; None: not measured"""
    bandwidth: float | None
    """bytes/s that large arrays are read and written with; None: not measured"""
    kernels: dict[str, dict[str, int]]
    """By optimizer: "graph", the operations of a step, before TensorFlow optimises it; "XLA", kernels made of them"""
    starts: dict[str, float]
    """By optimizer: s a step of the plain graph for a net of 3 x 8 in batches of 8, which is nothing but starts"""
    joules: dict[str, dict[str, float]]
    """By optimizer and counter ("processor", "GPU 0"): energy of a million events; empty where nothing counts it"""

    def of(self, loop: str, optimizer: str) -> list[Timing]:
        """The timings of one loop and optimizer, by batch size."""
        return [t for t in self.timings if (t.loop, t.optimizer) == (loop, optimizer)]

    def rate(self, loop: str, optimizer: str) -> dict[int, float]:
        """Events a second, the median of the repeats, by batch size."""
        return {timing.batch_size: timing.rate[0] for timing in self.of(loop, optimizer)}

    def share_of_peak(self, loop: str, optimizer: str) -> dict[int, float]:
        """What the products of matrices reach of the device's peak, by batch size."""
        return {n: rate * self.operations_per_event / self.peak for n, rate in self.rate(loop, optimizer).items()}

    @property
    def loops(self) -> list[str]:
        """That were timed."""
        return list(dict.fromkeys(t.loop for t in self.timings))

    @property
    def optimizers(self) -> list[str]:
        """That were timed."""
        return list(dict.fromkeys(t.optimizer for t in self.timings))

    def as_dict(self) -> dict:
        """As JSON takes it."""
        return self._asdict() | {"timings": [t._asdict() for t in self.timings]}

    @classmethod
    def from_dict(cls, stored: dict) -> "Throughput":
        """Back from what `as_dict` gave."""
        return cls(**stored | {"timings": [Timing(**t) for t in stored["timings"]]})

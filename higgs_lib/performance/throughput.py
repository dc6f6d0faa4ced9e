"""Training throughput of a device, by optimizer and batch size: what to measure, and the result."""

from typing import NamedTuple

from higgs_lib.models import OPTIMIZERS
from higgs_lib.performance.timing import Rate, rate

OURS, GRAPH, KERAS = "higgs_lib", "higgs_lib, plain graph", "Keras model.fit"

MAX_STEPS = 512  # per timing


class Sweep(NamedTuple):
    """The measurements to make on one device."""

    train_on: str = "cpu"
    """The device, as `device.use` takes it"""
    cores: int = 0
    """Number of processor cores; 0: all of them"""
    optimizers: tuple[str, ...] = OPTIMIZERS
    batch_sizes: tuple[int, ...] = (32, 64, 100, 1024, 4096, 8192, 65_536)
    loops: tuple[str, ...] = (OURS, GRAPH, KERAS)
    """The training loops; `GRAPH` is the library's without XLA"""
    n_events: int = 65_536
    """Approximate number of events per timing, within `min_steps` to `MAX_STEPS` steps"""
    min_steps: int = 4
    repeats: int = 3
    """Timings of each step, in turn with those of the other loops and batch sizes"""
    details: bool = True
    """Whether the device's peak, the operations of a step and the energy are measured too"""


class Timing(NamedTuple):
    """Timed steps of one loop, optimizer and batch size."""

    loop: str
    optimizer: str
    batch_size: int
    seconds: list[float]
    """s/step of each repeat"""

    @property
    def rate(self) -> Rate:
        """Events per second."""
        return rate(self.batch_size, self.seconds)


class Throughput(NamedTuple):
    """The measurements of one device."""

    device: str
    """"processor", or the GPU's number and name"""
    cores: int
    """Number of processor cores that the process might use"""
    backend: str
    """Keras' backend"""
    stamp: dict
    """`provenance.stamp` of the process that measured"""
    timings: list[Timing]
    operations_per_event: int
    """Additions and multiplications in the matrix products that train the deep network on one event"""
    peak: float | None
    """Operations/s by `timing.matrix_peak`; None: not measured"""
    bandwidth: float | None
    """bytes/s by `timing.memory_bandwidth`; None: not measured"""
    kernels: dict[str, dict[str, int]]
    """By optimizer: "XLA", the kernels of a step; with TensorFlow also "graph", the operations of its graph"""
    launch_seconds: dict[str, float]
    """By optimizer: s/step for a network of 3 x 8 in batches of 8, which is kernel launches alone; without XLA where
    the backend can"""
    joules: dict[str, dict[str, float]]
    """By optimizer and counter ("processor", "GPU 0"): energy of a million events; empty without a counter"""

    def select(self, loop: str, optimizer: str) -> list[Timing]:
        """Returns the timings of one loop and optimizer, by batch size."""
        return [t for t in self.timings if (t.loop, t.optimizer) == (loop, optimizer)]

    def rates(self, loop: str) -> dict[str, dict[int, Rate]]:
        """Returns the events per second of one loop, by optimizer and batch size."""
        return {name: {t.batch_size: t.rate for t in self.select(loop, name)} for name in self.optimizers}

    def median_rates(self, loop: str, optimizer: str) -> dict[int, float]:
        """Returns the median of events per second, by batch size."""
        return {timing.batch_size: timing.rate.median for timing in self.select(loop, optimizer)}

    def fraction_of_peak(self, loop: str, optimizer: str) -> dict[int, float]:
        """Returns the rate of the matrix products over the device's peak, by batch size."""
        rates = self.median_rates(loop, optimizer)
        return {size: rate * self.operations_per_event / self.peak for size, rate in rates.items()}

    @property
    def loops(self) -> list[str]:
        """The timed loops, in order."""
        return list(dict.fromkeys(t.loop for t in self.timings))

    @property
    def optimizers(self) -> list[str]:
        """The timed optimizers, in order."""
        return list(dict.fromkeys(t.optimizer for t in self.timings))

    def as_dict(self) -> dict:
        """Returns a dictionary that JSON can store."""
        return self._asdict() | {"timings": [t._asdict() for t in self.timings]}

    @classmethod
    def from_dict(cls, stored: dict) -> "Throughput":
        """Restores the result of `as_dict`."""
        return cls(**stored | {"timings": [Timing(**t) for t in stored["timings"]]})

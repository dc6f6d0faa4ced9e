"""Energy by the hardware's own counters: processors by RAPL (Linux), NVIDIA's GPUs by NVML."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pynvml

POWERCAP = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """One of the hardware's counters."""

    name: str
    read: Callable[[], float]
    """Function that returns joules since an arbitrary time"""
    wraps_at: float = float("inf")
    """Joules at which the counter starts over"""

    def joules_since(self, before: float) -> float:
        """Returns the joules since the counter stood at `before`, if it started over at most once."""
        difference = self.read() - before
        return difference if difference >= 0 else difference + self.wraps_at

    def is_readable(self) -> bool:
        """Tells whether this user may read the counter and the hardware has it."""
        try:
            self.read()
        except (OSError, pynvml.NVMLError):  # RAPL is root's since Linux 5.10; GPUs before Volta count no energy
            return False
        return True


def _package_joules(folder: Path) -> float:
    """Reads the counter of a processor package."""
    return int((folder / "energy_uj").read_text()) / 1e6


def _gpu_joules(handle) -> float:
    """Reads the counter of a GPU."""
    return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3


def counters() -> list[Counter]:
    """Returns the readable counters of this machine: whole processor packages, then GPUs by the driver's numbers."""
    packages = [
        Counter(
            (folder / "name").read_text().strip().replace("package-", "processor "),
            partial(_package_joules, folder),
            int((folder / "max_energy_range_uj").read_text()) / 1e6,
        )
        for folder in sorted(POWERCAP.glob("intel-rapl:*"))
        if folder.name.count(":") == 1  # others are parts of a package
    ]
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:  # no driver
        handles = []
    gpus = [Counter(f"GPU {number}", partial(_gpu_joules, handle)) for number, handle in enumerate(handles)]
    return [counter for counter in (*packages, *gpus) if counter.is_readable()]


def measure(work: Callable[[], object]) -> dict[str, float]:
    """Returns the joules that each counter of this machine gains while `work` runs, by its name.

    They include what other programs use meanwhile, and what all GPUs of the machine use. Empty without a counter.
    """
    readable = counters()
    before = [counter.read() for counter in readable]
    work()
    return {counter.name: counter.joules_since(start) for counter, start in zip(readable, before, strict=True)}

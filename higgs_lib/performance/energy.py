"""Energy that the hardware counts itself: processors by RAPL (Linux), NVIDIA's GPUs by NVML."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class _Counter:
    """One of the hardware's counters."""

    def __init__(self, name: str, read: Callable[[], float], wraps_at: float = float("inf")):
        self.name, self.read, self.wraps_at = name, read, wraps_at
        """`read` gives joules since some time; it begins again at `wraps_at`."""

    def spent(self, before: float) -> float:
        """Joules since it stood at `before`, if it has begun again at most once."""
        difference = self.read() - before
        return difference if difference >= 0 else difference + self.wraps_at


def _readable(folder: Path) -> bool:
    try:
        (folder / "energy_uj").read_text()
    except OSError:  # root's alone since Linux 5.10, as it tells others what is computed
        return False
    return True


def _processors(powercap: Path) -> list[_Counter]:
    """Those of whole processor packages that this user may read."""
    folders = [f for f in sorted(powercap.glob("intel-rapl:*")) if f.name.count(":") == 1 and _readable(f)]
    return [
        _Counter(
            (folder / "name").read_text().strip().replace("package-", "processor "),
            partial(_package_joules, folder),
            int((folder / "max_energy_range_uj").read_text()) / 1e6,
        )
        for folder in folders
    ]


def _gpu_joules(handle) -> float:
    import pynvml

    return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3


def _package_joules(folder: Path) -> float:
    return int((folder / "energy_uj").read_text()) / 1e6


def _gpus() -> list[_Counter]:
    """Those of GPUs that count (Volta and later), by the numbers of the driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        return []
    handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    made = [_Counter(f"GPU {number}", partial(_gpu_joules, handle)) for number, handle in enumerate(handles)]
    return [counter for counter in made if _counts(counter)]


def _counts(counter: _Counter) -> bool:
    import pynvml

    try:
        counter.read()
    except pynvml.NVMLError:  # an older GPU
        return False
    return True


def counters() -> list[_Counter]:
    """All that this machine has and this user may read."""
    return [*_processors(POWERCAP), *_gpus()]


def spent(work: Callable[[], object]) -> dict[str, float]:
    """Joules that each counter of this machine gained while `work` ran, by its name; empty where there is none.

    What other programs use meanwhile is in them, and so is what all of the machine's GPUs use.
    """
    here = counters()
    before = [counter.read() for counter in here]
    work()
    return {counter.name: counter.spent(start) for counter, start in zip(here, before, strict=True)}

"""Finds from how many training events networks on detector features do better than a shallow one on the masses."""

from pathlib import Path
from typing import NamedTuple

from higgs_lib.files import FROM_REPOSITORY, read_json
from higgs_lib.metrics import Interval
from higgs_lib.study import comparison, learning_curve, published
from higgs_lib.study.learning_curve import Measured
from higgs_lib.study.run import Run

LOW, MASSES = ("deep, low", "modern, low", "kinematic, low"), "shallow, high"

Points = tuple[list[int], list[Interval]]
"""Numbers of training events (n,) and AUCs (n,)."""


class Stored(NamedTuple):
    """Learning curves that `benchmarks/learning_curve.py` stored, on built-in events."""

    device: str
    """The device that trained."""
    steps: int
    """The steps of each training of the deep network."""
    date: str
    """The day of the measurement."""
    networks: dict[str, Measured]
    """The AUCs of each network, by "network, features"."""

    @property
    def label(self) -> str:
        """How legends call it."""
        return f"{self.device}, {self.steps:,} steps"


def stored_curves(folder: str | Path) -> list[Stored]:
    """Returns the stored learning curves, those of most steps first."""
    curves = []
    for path in sorted(Path(folder).glob("*.json")):
        result = read_json(path, FROM_REPOSITORY)
        device, steps = result["device"].rpartition(": ")[2], result["trainings"][0]["steps"]
        curves.append(Stored(device, steps, result["made_with"]["time"][:10], learning_curve.benchmarked(result)))
    return sorted(curves, key=lambda curve: -curve.steps)


class Crossing(NamedTuple):
    """The AUC of networks on detector features by training events, and that of a shallow network on the masses."""

    device: str
    """The device that measured `curves`."""
    steps: int
    """The steps of each training of the deep network."""
    curves: dict[str, Measured]
    """The AUCs of the stored networks on built-in events, by "network, features"."""
    masses: Interval
    """The AUC of the stored shallow network on the masses, from the most events."""
    n_masses: int
    """Its number of training events."""
    steps_masses: int
    """The steps of its training."""

    @classmethod
    def from_stored(cls, stored: list[Stored]) -> "Crossing":
        """Returns the stored networks with most steps, and the shallow one that was given most events.

        Raises ValueError if nothing is stored.
        """
        with_masses = [curve for curve in stored if MASSES in curve.networks]
        if not with_masses:
            raise ValueError("no learning curve of a shallow network on the masses is stored")
        most = max(with_masses, key=lambda curve: curve.networks[MASSES].n_training[-1])
        masses = most.networks[MASSES]
        return cls(
            device=stored[0].device,
            steps=stored[0].steps,
            curves={name: measured for name, measured in stored[0].networks.items() if name != MASSES},
            masses=masses.intervals[-1],
            n_masses=int(masses.n_training[-1]),
            steps_masses=most.steps,
        )

    def overtakes(self, network: str) -> int | None:
        """Returns the fewest measured events from which a network's interval lies above that of the masses.

        None if it does not lie above it at the most events.
        """
        measured, found = self.curves[network], None
        for n, interval in zip(measured.n_training[::-1].tolist(), measured.intervals[::-1], strict=True):
            if interval.low <= self.masses.high:
                break
            found = n
        return found

    @property
    def points(self) -> dict[str, Points]:
        """The numbers of training events and the AUCs of `curves`."""
        return {name: (measured.n_training.tolist(), measured.intervals) for name, measured in self.curves.items()}

    def describe(self) -> str:
        """Returns a sentence on where each network overtakes the masses."""
        parts = []
        for network, measured in self.curves.items():
            name, sizes = network.split(", ")[0], measured.n_training.tolist()
            found = self.overtakes(network)
            if found is None:
                parts.append(f"the {name} one not up to {sizes[-1]:,}")
            elif found == sizes[0]:
                parts.append(f"the {name} one at the fewest, {found:,}, already")
            else:
                parts.append(f"the {name} one between {sizes[sizes.index(found) - 1]:,} and {found:,}")
        return (
            f"On built-in events networks on detector features, the deep one in {self.steps:,} steps, overtake the "
            f"shallow network on the masses (AUC {self.masses.value:.3f} from {self.n_masses:,} events in "
            f"{self.steps_masses:,} steps): {', '.join(parts)} training events."
        )


def published_marks() -> dict[str, tuple[int, float]]:
    """Returns training events and AUC of [B]: the deep network on low-level features, the shallow one on masses."""
    of_b = {f"{r.classifier}, {r.features}": r for r in published.TABLE_3_1 if r.source == "B"}
    return {name: (of_b[name].n_training, of_b[name].auc) for name in ("deep, low", MASSES)}


def points_of_run(run: Run) -> dict[str, Points]:
    """Returns the AUCs of the networks of a crossing that a run has fully trained, by "network, features"."""
    points = {}
    for name in (*LOW, MASSES):
        if run.has(*name.split(", ")):
            n_training = run.results(*name.split(", "))[0]["recipe"]["n_training"]
            points[name] = ([n_training], [comparison.auc(run, *name.split(", "))])
    return points

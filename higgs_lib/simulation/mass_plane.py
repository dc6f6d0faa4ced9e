"""A region in the plane of the signal's masses, over which events are generated for a network of all masses."""

from dataclasses import dataclass, replace

import numpy as np

from higgs_lib.data import DataError
from higgs_lib.simulation.parameters import SimulationParameters


@dataclass(frozen=True)
class MassPlane:
    """Describes the masses of H0 and H+- in GeV: that of H0 is uniform, and that of H+- uniform where H0 allows it.

    Raises DataError for limits that leave no room.
    """

    m_heavy_higgs: tuple[float, float] = (325.0, 900.0)
    """The lowest and the highest mass of H0."""
    lowest_charged: float = 221.0
    """The lowest mass of H+-: that of h0 and W, with room for the widths."""
    smallest_gap: float = 96.0
    """The smallest difference of the two masses: the mass of the W, with room for the widths."""

    def __post_init__(self) -> None:
        lowest, highest = self.m_heavy_higgs
        if not lowest <= highest or not self.lowest_charged <= lowest - self.smallest_gap:
            raise DataError(
                f"MassPlane: no masses lie between the limits of {self}; choose lowest_charged + smallest_gap <= "
                "m_heavy_higgs[0] <= m_heavy_higgs[1]"
            )

    def check(self, physics: SimulationParameters) -> None:
        """Raises DataError unless both decays are allowed in all of the plane."""
        lowest, highest = self.m_heavy_higgs
        for heavy, charged in (
            (lowest, self.lowest_charged),
            (lowest, lowest - self.smallest_gap),
            (highest, self.lowest_charged),
        ):
            try:
                replace(physics, m_heavy_higgs=heavy, m_charged_higgs=charged)
            except (TypeError, ValueError) as error:
                raise DataError(f"{self} reaches too far: {error}") from error

    def contains(self, m_heavy_higgs: np.ndarray, m_charged_higgs: np.ndarray) -> np.ndarray:
        """Returns which masses (n,) of H0 and H+- lie in the plane."""
        lowest, highest = self.m_heavy_higgs
        heavy, charged = np.asarray(m_heavy_higgs), np.asarray(m_charged_higgs)
        allowed = (self.lowest_charged <= charged) & (charged <= heavy - self.smallest_gap)
        return allowed & (lowest <= heavy) & (heavy <= highest)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws masses (2, n) of H0 and H+-."""
        lowest, highest = self.m_heavy_higgs
        of_heavy, of_charged = rng.random((2, n))
        heavy = lowest + (highest - lowest) * of_heavy
        return np.stack([heavy, self.lowest_charged + (heavy - self.smallest_gap - self.lowest_charged) * of_charged])

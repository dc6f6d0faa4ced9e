"""Built-in events in the format of UCI HIGGS, by seed: `process` makes the particles, `detector` measures them."""

import numpy as np
import pyarrow as pa

from higgs_lib.data import COMPLETE, SCHEMA
from higgs_lib.simulation import detector, hard_process
from higgs_lib.simulation.parameters import SimulationParameters

BLOCK = 8192  # events that share a random stream
EFFICIENCY = 0.095  # of the selection with the default physics, for a first guess
LOWEST_EFFICIENCY = 1e-5
MAX_TRIES = 200_000  # collisions made at once: bounds the memory


def _selected(n: int, signal: bool, physics: SimulationParameters, rng) -> np.ndarray:
    """Exactly `n` events of one class that pass the selection: (n, 28) in the file's units."""
    make = hard_process.signal if signal else hard_process.background
    parts, found, tried, efficiency = [np.empty((0, len(COMPLETE)), np.float32)], 0, 0, EFFICIENCY
    while found < n:
        n_tried = min(int((n - found) / efficiency * 1.02) + 100, MAX_TRIES)
        chances = detector.draw_chances(n_tried, physics, rng)
        particles = make(chances.splits.shape[1], physics, rng)
        parts.append(detector.measure(particles, chances, physics, rng))
        found, tried = found + len(parts[-1]), tried + n_tried
        efficiency = max(found, 1) / tried
        if efficiency < LOWEST_EFFICIENCY:
            name = "signal" if signal else "background"
            raise ValueError(f"Physics: of {tried:,} {name} collisions {found} passed the selection; loosen it")
    return np.concatenate(parts)[:n]


def _block(number: int, seed: int, physics: SimulationParameters) -> np.ndarray:
    """Block `number` of the stream of events of a seed: (BLOCK, 29)."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(number,))))
    labels = rng.random(BLOCK) < physics.signal_share
    rows = np.empty((BLOCK, len(SCHEMA)), np.float32)
    rows[:, 0] = labels
    for signal in (True, False):
        rows[labels == signal, 1:] = _selected(int((labels == signal).sum()), signal, physics, rng)
    return rows


def generate(
    n_events: int, seed: int, *, first_event: int = 0, physics: SimulationParameters = SimulationParameters()
) -> pa.Table:
    """`n_events` selected events of the endless stream that belongs to `seed`, from `first_event` on.

    A table of the file's 29 float32 columns in its units and conventions, signal and background mixed. The events do
    not depend on how the stream is cut. ValueError for negative arguments, or physics of which nothing is selected.
    """
    if min(n_events, seed, first_event) < 0:
        raise ValueError(f"generate: n_events={n_events}, seed={seed}, first_event={first_event} must not be negative")
    first, last = first_event // BLOCK, -(-(first_event + n_events) // BLOCK)
    blocks = [_block(number, seed, physics) for number in range(first, last)]
    rows = np.concatenate([np.empty((0, len(SCHEMA)), np.float32), *blocks])
    rows = rows[first_event - first * BLOCK :][:n_events]
    return pa.table([np.ascontiguousarray(column) for column in rows.T], SCHEMA)

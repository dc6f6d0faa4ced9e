"""Built-in events in the format of UCI HIGGS, by seed: `process` makes the particles, `detector` measures them."""

import numpy as np
import pyarrow as pa

from higgs_lib import detector as measurement
from higgs_lib import device, process
from higgs_lib.detector import Detector
from higgs_lib.features import SCHEMA
from higgs_lib.process import Physics

BLOCK = 8192  # events that share a random stream; also the size of arrays that stay in the cache


def _selected(n: int, signal: bool, physics: Physics, det: Detector, rng) -> np.ndarray:
    """Exactly `n` events of one class that pass the selection: (n, 28) in the file's units."""
    parts, found, efficiency = [], 0, 0.115
    while found < n:
        n_tried = int((n - found) / efficiency * 1.05) + 100
        make = process.signal if signal else process.background
        parts.append(measurement.measure(make(n_tried, physics, rng), det, rng))
        found += len(parts[-1])
    return np.concatenate(parts)[:n] if parts else np.empty((0, len(SCHEMA) - 1), np.float32)


def _block(number: int, seed: int, physics: Physics, det: Detector) -> np.ndarray:
    """Block `number` of the stream of events of a seed: (BLOCK, 29)."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(number,))))
    labels = rng.random(BLOCK) < physics.signal_share
    rows = np.empty((BLOCK, len(SCHEMA)), np.float32)
    rows[:, 0] = labels
    for signal in (True, False):
        rows[labels == signal, 1:] = _selected(int((labels == signal).sum()), signal, physics, det, rng)
    return rows


def generate(
    n_events: int,
    seed: int,
    *,
    first_event: int = 0,
    physics: Physics = Physics(),
    detector: Detector = Detector(),
) -> pa.Table:
    """`n_events` selected events of the endless stream that belongs to `seed`, from `first_event` on.

    A table of the file's 29 float32 columns in its units and conventions, signal and background mixed. The events do
    not depend on how the stream is cut. ValueError for negative arguments.
    """
    if min(n_events, seed, first_event) < 0:
        raise ValueError(f"generate: n_events={n_events}, seed={seed}, first_event={first_event} must not be negative")
    first, last = first_event // BLOCK, -(-(first_event + n_events) // BLOCK)
    blocks = [_block(number, seed, physics, detector) for number in range(first, last)]
    rows = np.concatenate([np.empty((0, len(SCHEMA)), np.float32), *blocks])
    rows = rows[first_event - first * BLOCK :][:n_events]
    return pa.table([np.ascontiguousarray(column) for column in rows.T], SCHEMA)


def code_version() -> str:
    """Names the code that makes the events."""
    return device.code_version("features", "kinematics", "process", "detector", "simulation")

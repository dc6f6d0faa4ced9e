"""Generates built-in events by seed: `hard_process` makes the particles, `detector` measures them."""

import numpy as np
import pyarrow as pa

from higgs_lib.data import COMPLETE, SCHEMA, DataError
from higgs_lib.simulation import detector, hard_process
from higgs_lib.simulation.parameters import SimulationParameters

BLOCK = 8192  # events that share a random stream
EFFICIENCY = 0.095  # first guess of the selection efficiency, right for the default parameters
LOWEST_EFFICIENCY = 1e-5
MAX_COLLISIONS = 200_000  # generated at once, which limits the memory


def generate(
    n_events: int, seed: int, *, first_event: int = 0, physics: SimulationParameters = SimulationParameters()
) -> pa.Table:
    """Returns selected events of the infinite stream that belongs to a seed, signal and background mixed.

    The events do not depend on how the stream is divided.

    Args:
        n_events: the number of events.
        seed: the seed, at least 0.
        first_event: the place of the first event in the stream.
        physics: the parameters of the simulation.

    Returns:
        A table of the 29 float32 columns of UCI HIGGS in its normalised units and conventions.

    Raises:
        DataError: an argument is negative, almost no collision passes the selection, or a value overflows.
    """
    if min(n_events, seed, first_event) < 0:
        raise DataError(f"generate: n_events={n_events}, seed={seed}, first_event={first_event} must not be negative")
    first, last = first_event // BLOCK, -(-(first_event + n_events) // BLOCK)
    try:
        with np.errstate(over="raise", invalid="raise"):
            blocks = [_generate_block(number, seed, physics) for number in range(first, last)]
    except ArithmeticError as error:
        raise _overflow(physics) from error
    rows = np.concatenate([np.empty((0, len(SCHEMA)), np.float32), *blocks])
    if not np.isfinite(rows).all():
        raise _overflow(physics)
    rows = rows[first_event - first * BLOCK :][:n_events]
    return pa.table([np.ascontiguousarray(column) for column in rows.T], SCHEMA)


def _overflow(physics: SimulationParameters) -> DataError:
    """Returns the error for parameters so far from the defaults that they do not give numbers."""
    return DataError(f"SimulationParameters: a value overflows with {physics.changes()}; stay nearer to the defaults")


def _generate_block(number: int, seed: int, physics: SimulationParameters) -> np.ndarray:
    """Returns block `number` of the seed's stream, (BLOCK, 29)."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(number,))))
    labels = rng.random(BLOCK) < physics.signal_share
    rows = np.empty((BLOCK, len(SCHEMA)), np.float32)
    rows[:, 0] = labels
    for signal in (True, False):
        rows[labels == signal, 1:] = _generate_class(int((labels == signal).sum()), signal, physics, rng)
    return rows


def _generate_class(n: int, signal: bool, physics: SimulationParameters, rng) -> np.ndarray:
    """Returns exactly `n` selected events of one class, (n, 28) in normalised units."""
    process = hard_process.signal if signal else hard_process.background
    parts, n_selected, n_collisions, efficiency = [np.empty((0, len(COMPLETE)), np.float32)], 0, 0, EFFICIENCY
    while n_selected < n:
        n_new = min(int((n - n_selected) / efficiency * 1.02) + 100, MAX_COLLISIONS)
        candidates = detector.draw_tag_candidates(n_new, physics, rng)
        candidates = candidates.take(np.flatnonzero(candidates.possible()))
        particles = process(candidates.splits.shape[1], physics, rng)
        parts.append(detector.measure(particles, candidates, physics, rng))
        n_selected, n_collisions = n_selected + len(parts[-1]), n_collisions + n_new
        efficiency = max(n_selected, 1) / n_collisions
        if efficiency < LOWEST_EFFICIENCY:
            raise DataError(
                f"SimulationParameters: of {n_collisions:,} {'signal' if signal else 'background'} collisions "
                f"{n_selected} passed the selection; loosen it"
            )
    return np.concatenate(parts)[:n]

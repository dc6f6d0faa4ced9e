"""Generates built-in events by seed: `hard_process` makes the particles, `detector` measures them."""

import numpy as np
import pyarrow as pa

from higgs_lib.data import COMPLETE, SCHEMA, SIGNAL_MASSES, DataError
from higgs_lib.simulation import detector, hard_process
from higgs_lib.simulation.mass_plane import MassPlane
from higgs_lib.simulation.parameters import SimulationParameters

BLOCK = 8192  # events that share a random stream
EFFICIENCY = 0.095  # first guess of the selection efficiency, right for the default parameters
LOWEST_EFFICIENCY = 1e-5
MAX_COLLISIONS = 200_000  # generated at once, which limits the memory
LOWEST_SIGNAL_SHARE = 0.01  # in a plane of masses, where background events take the masses of signal events

_SCHEMA_WITH_MASSES = pa.schema([*SCHEMA, *(pa.field(name, pa.float32()) for name in SIGNAL_MASSES)])


def generate(
    n_events: int,
    seed: int,
    *,
    first_event: int = 0,
    physics: SimulationParameters = SimulationParameters(),
    masses: MassPlane | None = None,
) -> pa.Table:
    """Returns selected events of the infinite stream that belongs to a seed, signal and background mixed.

    The events do not depend on how the stream is divided.

    Args:
        n_events: the number of events.
        seed: the seed, at least 0.
        first_event: the place of the first event in the stream.
        physics: the parameters of the simulation.
        masses: where the signal's masses are drawn, for every event anew; None: they are those of `physics`. As more
            collisions pass the selection at some masses, selected events are not quite uniform there; background
            events get masses of signal events at random, so that the masses alone tell nothing.

    Returns:
        A table of the 29 float32 columns of UCI HIGGS in its normalised units and conventions; with `masses`, also the
        columns `data.SIGNAL_MASSES` in GeV.

    Raises:
        DataError: an argument is negative, almost no collision passes the selection, a value overflows, or `masses`
            does not fit to `physics`.
    """
    if min(n_events, seed, first_event) < 0:
        raise DataError(f"generate: n_events={n_events}, seed={seed}, first_event={first_event} must not be negative")
    if masses:
        masses.check(physics)
        if physics.signal_share < LOWEST_SIGNAL_SHARE:
            raise DataError(
                f"generate: with signal_share={physics.signal_share} there are too few signal events to take masses "
                f"from; give at least {LOWEST_SIGNAL_SHARE}"
            )
    first, last = first_event // BLOCK, -(-(first_event + n_events) // BLOCK)
    try:
        with np.errstate(over="raise", invalid="raise"):
            blocks = [_generate_block(number, seed, physics, masses) for number in range(first, last)]
    except ArithmeticError as error:
        raise _overflow(physics) from error
    schema = _SCHEMA_WITH_MASSES if masses else SCHEMA
    rows = np.concatenate([np.empty((0, len(schema)), np.float32), *blocks])
    if not np.isfinite(rows).all():
        raise _overflow(physics)
    rows = rows[first_event - first * BLOCK :][:n_events]
    return pa.table([np.ascontiguousarray(column) for column in rows.T], schema)


def _overflow(physics: SimulationParameters) -> DataError:
    """Returns the error for parameters so far from the defaults that they do not give numbers."""
    return DataError(f"SimulationParameters: a value overflows with {physics.changes()}; stay nearer to the defaults")


def _generate_block(number: int, seed: int, physics: SimulationParameters, masses: MassPlane | None) -> np.ndarray:
    """Returns block `number` of the seed's stream, (BLOCK, 29), or (BLOCK, 31) in a plane of masses."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(number,))))
    labels = rng.random(BLOCK) < physics.signal_share
    signal = _generate_class(int(labels.sum()), True, physics, masses, rng)
    background = _generate_class(int((~labels).sum()), False, physics, None, rng)
    if masses:
        of_signal = signal[:, -len(SIGNAL_MASSES) :]
        background = np.concatenate([background, rng.choice(of_signal, len(background))], 1)
    rows = np.empty((BLOCK, 1 + signal.shape[1]), np.float32)
    rows[:, 0] = labels
    rows[labels, 1:], rows[~labels, 1:] = signal, background
    return rows


def _generate_class(
    n: int, signal: bool, physics: SimulationParameters, masses: MassPlane | None, rng: np.random.Generator
) -> np.ndarray:
    """Returns exactly `n` selected events of one class, (n, 28) in normalised units; with `masses`, (n, 30)."""
    n_columns = len(COMPLETE) + (len(SIGNAL_MASSES) if masses else 0)
    parts, n_selected, n_collisions, efficiency = [np.empty((0, n_columns), np.float32)], 0, 0, EFFICIENCY
    while n_selected < n:
        n_new = min(int((n - n_selected) / efficiency * 1.02) + 100, MAX_COLLISIONS)
        parts.append(_collide(n_new, signal, physics, masses, rng))
        n_selected, n_collisions = n_selected + len(parts[-1]), n_collisions + n_new
        efficiency = max(n_selected, 1) / n_collisions
        if efficiency < LOWEST_EFFICIENCY:
            raise DataError(
                f"SimulationParameters: of {n_collisions:,} {'signal' if signal else 'background'} collisions "
                f"{n_selected} passed the selection; loosen it"
            )
    return np.concatenate(parts)[:n]


def _collide(
    n_collisions: int, signal: bool, physics: SimulationParameters, masses: MassPlane | None, rng: np.random.Generator
) -> np.ndarray:
    """Returns those of some collisions of one class that are selected, (n, 28); with `masses`, (n, 30)."""
    candidates = detector.draw_tag_candidates(n_collisions, physics, rng)
    candidates = candidates.take(np.flatnonzero(candidates.possible()))
    n = candidates.splits.shape[1]
    drawn = masses.draw(n, rng) if masses else None
    particles = hard_process.signal(n, physics, rng, drawn) if signal else hard_process.background(n, physics, rng)
    features, selected = detector.measure(particles, candidates, physics, rng)
    return features if drawn is None else np.concatenate([features, drawn.T[selected].astype(np.float32)], 1)

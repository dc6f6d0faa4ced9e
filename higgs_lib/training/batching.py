"""Which events are in which batch of an epoch, and which of them one of several workers takes.

A batch takes one event of each of `batch_size` strata of neighbouring events. The strata are divided among the workers,
so that a worker needs nothing but its own part of the file, and any number of workers train on the same batches.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

SHARD = 65_536  # events, at most; as many as in the package's row groups, so that one or two of these are read for it
SHARDS_A_BLOCK = 16  # at most a million events are shuffled at a time: 117 MB of the complete features


class Shard(NamedTuple):
    """The part of every batch that one of several workers takes."""

    rank: int = 0
    """From 0."""
    world_size: int = 1

    def part(self, n: int) -> range:
        """This worker's of n things in their order; no worker's are two more than another's."""
        return range(self.rank * n // self.world_size, (self.rank + 1) * n // self.world_size)


WHOLE = Shard()


class Block(NamedTuple):
    """Some batches of an epoch, as far as one worker takes them."""

    whole: np.ndarray
    """(n_batches, n): the rows of each whole batch."""
    rest: np.ndarray
    """(m,): the rows of a last batch that is not whole."""
    n_rest: int
    """Events in that batch, of all workers; 0: there is none."""

    @property
    def rows(self) -> np.ndarray:
        """(n_batches * n + m,), in their order."""
        return np.concatenate([self.whole.ravel(), self.rest])


class _Layout(NamedTuple):
    """How a file is cut: `n_blocks` times `SHARDS_A_BLOCK` shards, and what is left of them at its end."""

    n_blocks: int
    shard: int
    """Events; 0 where the file is one block. A block of whole shards is a number of whole batches."""

    @classmethod
    def of(cls, n_events: int, batch_size: int) -> "_Layout":
        n_blocks = -(-n_events // (SHARD * SHARDS_A_BLOCK))
        if n_blocks == 1:
            return cls(1, 0)
        unit = batch_size // math.gcd(batch_size, SHARDS_A_BLOCK)
        return cls(n_blocks, n_events // (SHARDS_A_BLOCK * n_blocks * unit) * unit)

    @property
    def end(self) -> int:
        """The row after the last shard's last."""
        return SHARDS_A_BLOCK * self.n_blocks * self.shard


def order(n_events: int, batch_size: int, seed: int, epoch: int, shard: Shard = WHOLE) -> Iterator[Block]:
    """The batches of an epoch, a block after the other; all are whole but perhaps the last one.

    A block holds one shard of each sixteenth of the file, drawn at random: up to a million events, in strata by their
    place. A batch takes a random event of each stratum. It depends on the arguments alone. Every event is in just one
    batch and has just one worker; the workers' parts of a whole batch are as equal as they can be.
    """
    layout = _Layout.of(n_events, batch_size)
    rng = np.random.default_rng([seed, epoch])
    strata = shard.part(batch_size)
    if layout.shard:
        shards = np.arange(SHARDS_A_BLOCK * layout.n_blocks).reshape(SHARDS_A_BLOCK, -1)
        for chosen in rng.permuted(shards, axis=1).T:
            rows = (layout.shard * chosen[:, None] + np.arange(layout.shard)).ravel()
            yield _mixed(rows, batch_size, rng, strata)
    if layout.end < n_events:
        yield _mixed(np.arange(layout.end, n_events), batch_size, rng, strata)


def _edges(n: int, batch_size: int) -> np.ndarray:
    """(batch_size + 1,): where each stratum of n rows begins; some have one row more than others."""
    return np.arange(batch_size + 1) * n // batch_size


def _mixed(rows: np.ndarray, batch_size: int, rng: np.random.Generator, strata: range) -> Block:
    """Batches of these rows (n,), a random one of each stratum in each; only those of `strata` are kept."""
    n_batches = len(rows) // batch_size
    edges = _edges(len(rows), batch_size)
    longer = np.flatnonzero(np.diff(edges) > n_batches)  # strata that have one more, for the batch that is not whole
    extra = edges[longer] + rng.integers(n_batches + 1, size=len(longer))
    whole = rng.permuted(np.delete(rows, extra).reshape(batch_size, n_batches), axis=1).T
    mine = (longer >= strata.start) & (longer < strata.stop)
    return Block(whole[:, strata.start : strata.stop], rows[extra[mine]], len(extra))


def owned(n_events: int, batch_size: int, shard: Shard) -> list[range]:
    """The rows that `order` gives to this worker in every epoch, in the file's order."""
    layout = _Layout.of(n_events, batch_size)
    strata = shard.part(batch_size)
    first, last = (edge * SHARDS_A_BLOCK * layout.shard // batch_size for edge in (strata.start, strata.stop))
    ranges = []
    for number in range(SHARDS_A_BLOCK * layout.n_blocks if layout.shard else 0):
        place = number // layout.n_blocks * layout.shard  # of the shard in any block that has it
        a, b = np.clip([first - place, last - place], 0, layout.shard).tolist()
        ranges.append(range(number * layout.shard + a, number * layout.shard + b))
    edges = layout.end + _edges(n_events - layout.end, batch_size)
    return _joined([*ranges, range(int(edges[strata.start]), int(edges[strata.stop]))])


def _joined(ranges: list[range]) -> list[range]:
    """The same rows in as few ranges as can be, none of them empty."""
    filled = [r for r in ranges if r]
    breaks = [i for i, (a, b) in enumerate(pairwise(filled), 1) if a.stop != b.start]
    edges = [0, *breaks, len(filled)]
    return [range(filled[a].start, filled[b - 1].stop) for a, b in pairwise(edges) if a < b]


def places(rows: np.ndarray, ranges: list[range]) -> np.ndarray:
    """Where rows (n,) stand among those of ascending `ranges`, counted from the first of these."""
    starts = np.array([r.start for r in ranges])
    before = np.cumsum([0, *(len(r) for r in ranges[:-1])])
    of_row = np.searchsorted(starts, rows, side="right") - 1
    return rows - starts[of_row] + before[of_row]

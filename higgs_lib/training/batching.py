"""The order of the events in an epoch, and the part of every batch that each rank of a process group takes.

A batch takes one event from each of `batch_size` strata of neighbouring events. The ranks divide the strata, so a rank
needs only its own part of the file, and groups of any size train on the same batches.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

CHUNK = 65_536  # events at most; the size of our files' row groups, so that a chunk touches one or two of them
CHUNKS_PER_BLOCK = 16  # at most a million events are shuffled at a time: 117 MB of the complete features


class Shard(NamedTuple):
    """The part of every batch that one rank of a process group takes."""

    rank: int = 0
    """The number of the process, from 0."""
    world_size: int = 1
    """The number of processes."""

    def part(self, n: int) -> range:
        """Returns this rank's range of n ordered items; the sizes of the ranks' ranges differ by one at most."""
        return range(self.rank * n // self.world_size, (self.rank + 1) * n // self.world_size)


class Block(NamedTuple):
    """One rank's part of some batches of an epoch."""

    whole: np.ndarray
    """The rows of each whole batch (n_batches, n)."""
    rest: np.ndarray
    """The rows of a last, smaller batch (m,)."""
    n_rest: int
    """The number of events of that batch over all ranks; 0: there is none."""

    @property
    def rows(self) -> np.ndarray:
        """All rows in the order of training (n_batches * n + m,)."""
        return np.concatenate([self.whole.ravel(), self.rest])


class _Layout(NamedTuple):
    """The division of a file into `n_blocks * CHUNKS_PER_BLOCK` chunks of equal size and a remainder at its end."""

    n_blocks: int
    chunk: int
    """Events per chunk, such that a block is a whole number of batches; 0: the whole file is one block."""

    @classmethod
    def divide(cls, n_events: int, batch_size: int) -> "_Layout":
        """Returns the division of a file of `n_events`."""
        n_blocks = -(-n_events // (CHUNK * CHUNKS_PER_BLOCK))
        if n_blocks == 1:
            return cls(1, 0)
        unit = batch_size // math.gcd(batch_size, CHUNKS_PER_BLOCK)
        return cls(n_blocks, n_events // (CHUNKS_PER_BLOCK * n_blocks * unit) * unit)

    @property
    def end(self) -> int:
        """The row that follows the last chunk."""
        return CHUNKS_PER_BLOCK * self.n_blocks * self.chunk


def shuffled_blocks(n_events: int, batch_size: int, seed: int, epoch: int, shard: Shard = Shard()) -> Iterator[Block]:
    """Yields the batches of an epoch, block by block; only the last batch may be smaller than the others.

    A block joins one random chunk from each sixteenth of the file, up to a million events, and divides them into strata
    of neighbours. A batch takes a random event from each stratum. Every event is in exactly one batch and belongs to
    exactly one rank. The order depends on the arguments alone.

    Args:
        n_events: the number of events of the file.
        batch_size: events per batch, over all ranks.
        seed: of the order of events.
        epoch: the number of the epoch, from 1.
        shard: the rank whose part is returned.

    Yields:
        The shard's rows of the batches of each block.
    """
    layout = _Layout.divide(n_events, batch_size)
    rng = np.random.default_rng([seed, epoch])
    strata = shard.part(batch_size)
    if layout.chunk:
        chunks = np.arange(CHUNKS_PER_BLOCK * layout.n_blocks).reshape(CHUNKS_PER_BLOCK, -1)
        for block_chunks in rng.permuted(chunks, axis=1).T:
            rows = (layout.chunk * block_chunks[:, None] + np.arange(layout.chunk)).ravel()
            yield _stratified_batches(rows, batch_size, rng, strata)
    if layout.end < n_events:
        yield _stratified_batches(np.arange(layout.end, n_events), batch_size, rng, strata)


def _stratum_edges(n: int, batch_size: int) -> np.ndarray:
    """Returns the first row of each stratum of n rows, and n (batch_size + 1,); strata differ by one row at most."""
    return np.arange(batch_size + 1) * n // batch_size


def _stratified_batches(rows: np.ndarray, batch_size: int, rng: np.random.Generator, strata: range) -> Block:
    """Returns batches that take one random row (of n) from each stratum, reduced to the given strata."""
    n_batches = len(rows) // batch_size
    edges = _stratum_edges(len(rows), batch_size)
    longer = np.flatnonzero(np.diff(edges) > n_batches)  # strata with one row more, which goes to the smaller batch
    extra = edges[longer] + rng.integers(n_batches + 1, size=len(longer))
    whole = rng.permuted(np.delete(rows, extra).reshape(batch_size, n_batches), axis=1).T
    in_shard = (longer >= strata.start) & (longer < strata.stop)
    return Block(whole[:, strata.start : strata.stop], rows[extra[in_shard]], len(extra))


def shard_rows(n_events: int, batch_size: int, shard: Shard) -> list[range]:
    """Returns the rows that `shuffled_blocks` gives to this shard in every epoch, in the order of the file."""
    layout = _Layout.divide(n_events, batch_size)
    strata = shard.part(batch_size)
    first, last = (edge * CHUNKS_PER_BLOCK * layout.chunk // batch_size for edge in (strata.start, strata.stop))
    ranges = []
    for number in range(CHUNKS_PER_BLOCK * layout.n_blocks if layout.chunk else 0):
        offset = number // layout.n_blocks * layout.chunk  # of the chunk in any block that contains it
        start, stop = np.clip([first - offset, last - offset], 0, layout.chunk).tolist()
        ranges.append(range(number * layout.chunk + start, number * layout.chunk + stop))
    edges = layout.end + _stratum_edges(n_events - layout.end, batch_size)
    return _merge_adjacent([*ranges, range(int(edges[strata.start]), int(edges[strata.stop]))])


def _merge_adjacent(ranges: list[range]) -> list[range]:
    """Returns the same rows in the smallest number of non-empty ranges."""
    filled = [r for r in ranges if r]
    breaks = [i for i, (a, b) in enumerate(pairwise(filled), 1) if a.stop != b.start]
    edges = [0, *breaks, len(filled)]
    return [range(filled[a].start, filled[b - 1].stop) for a, b in pairwise(edges) if a < b]


def positions(rows: np.ndarray, ranges: list[range]) -> np.ndarray:
    """Returns the positions (n,) of rows (n,) in the concatenation of ascending `ranges`."""
    starts = np.array([r.start for r in ranges])
    lengths_before = np.cumsum([0, *(len(r) for r in ranges[:-1])])
    range_index = np.searchsorted(starts, rows, side="right") - 1
    return rows - starts[range_index] + lengths_before[range_index]

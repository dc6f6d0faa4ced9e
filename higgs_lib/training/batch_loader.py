"""Loads one rank's events in the order of the batches: from memory, from a file or from the memory of a GPU."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from higgs_lib.data import EventStream, Sample
from higgs_lib.training import batching, steps
from higgs_lib.training.batching import Block, Shard


def _prefetch(blocks: Iterator) -> Iterator:
    """Yields the same blocks, each of which a thread prepares while the previous one is in use."""
    with ThreadPoolExecutor(1) as reader:
        future = reader.submit(next, blocks, None)
        while (block := future.result()) is not None:
            future = reader.submit(next, blocks, None)
            yield block


class BatchLoader:
    """One rank's part of the events of every batch."""

    def __init__(
        self, events: Sample | EventStream, batch_size: int, seed: int, shard: Shard = Shard(), device: object = None
    ):
        """Reads the shard's part of a stream into memory if it fits; a whole stream for a processor stays in its file.

        Args:
            events: the events of all ranks together.
            batch_size: events per batch, over all ranks.
            seed: of the order of events.
            shard: this rank's part of every batch.
            device: the engine's device that holds the events; None: the memory of the process.
        """
        self.n_events, self.batch_size, self.seed = events.n_events, batch_size, seed
        self.shard, self.device = shard, device
        self.ranges = [] if shard.world_size == 1 else batching.shard_rows(events.n_events, batch_size, shard)
        if self.ranges:
            events = events.select(self.ranges).load_if_fits(shard.world_size)
        elif device is not None:
            events = events.load_if_fits()
        if device is not None and isinstance(events, Sample):
            events = steps.engine().keep_on_device(events, device)
        self.events = events

    def epoch(self, number: int) -> Iterator[tuple[Block, Sample]]:
        """Yields each block of an epoch with its events, prepared while the previous one is in use."""
        blocks = batching.shuffled_blocks(self.n_events, self.batch_size, self.seed, number, self.shard)
        return _prefetch((block, self.take(block.rows)) for block in blocks)

    def take(self, rows: np.ndarray) -> Sample:
        """Returns the events of these rows (n,), counted over the events of all ranks."""
        rows = batching.positions(rows, self.ranges) if self.ranges else rows
        if self.device is None:
            return self.events.take(rows)
        return steps.engine().take_to_device(self.events, rows, self.device)

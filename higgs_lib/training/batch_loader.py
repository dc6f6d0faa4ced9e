"""Loads one rank's events in the order of the batches: from memory, from a file or from the memory of a GPU."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from higgs_lib.data import EventStream, Sample
from higgs_lib.training import batching
from higgs_lib.training.batching import Block, Shard

log = logging.getLogger(__name__)


class _DeviceSample(NamedTuple):
    """A sample in the memory of a device."""

    features: tf.Tensor
    labels: tf.Tensor

    def take(self, rows: np.ndarray) -> Sample:
        """Returns the events of these rows (n,), as tensors on the device."""
        return Sample(tf.gather(self.features, rows), tf.gather(self.labels, rows))


def _copy_to_device(events: Sample, device: str) -> _DeviceSample | Sample:
    """Copies the events to the device if its memory holds them twice, as the steps need memory too."""
    try:
        with tf.device(device):
            copy = _DeviceSample(*map(tf.constant, events))
            tf.zeros_like(copy.features)
        return copy
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
        if isinstance(error, tf.errors.InternalError) and "Dst tensor" not in str(error):  # how a large copy fails
            raise
        log.info("%d events do not fit in the memory of %s; they are copied block by block", events.n_events, device)
        return events


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
        self, events: Sample | EventStream, batch_size: int, seed: int, shard: Shard = Shard(), device: str = ""
    ):
        """Reads the shard's part of a stream into memory if it fits; a whole stream for a processor stays in its file.

        Args:
            events: the events of all ranks together.
            batch_size: events per batch, over all ranks.
            seed: of the order of events.
            shard: this rank's part of every batch.
            device: a device that holds the events, such as "GPU:0"; "": the memory of the process.
        """
        self.n_events, self.batch_size, self.seed = events.n_events, batch_size, seed
        self.shard, self.device = shard, device
        self.ranges = [] if shard.world_size == 1 else batching.shard_rows(events.n_events, batch_size, shard)
        if self.ranges:
            events = events.select(self.ranges).load_if_fits(shard.world_size)
        elif device:
            events = events.load_if_fits()
        self.events = _copy_to_device(events, device) if device and isinstance(events, Sample) else events

    def epoch(self, number: int) -> Iterator[tuple[Block, Sample]]:
        """Yields each block of an epoch with its events, prepared while the previous one is in use."""
        blocks = batching.shuffled_blocks(self.n_events, self.batch_size, self.seed, number, self.shard)
        return _prefetch((block, self.take(block.rows)) for block in blocks)

    def take(self, rows: np.ndarray) -> Sample:
        """Returns the events of these rows (n,), counted over the events of all ranks."""
        rows = batching.positions(rows, self.ranges) if self.ranges else rows
        if not self.device:
            return self.events.take(rows)
        with tf.device(self.device):
            return Sample(*map(tf.convert_to_tensor, self.events.take(rows)))

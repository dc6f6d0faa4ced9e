"""The events that one worker or device trains on, in the order of their batches: from memory, a file or a device."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from higgs_lib.data import EventStream, Sample
from higgs_lib.training import batching
from higgs_lib.training.batching import WHOLE, Block, Shard

log = logging.getLogger(__name__)


class _Placed(NamedTuple):
    """A sample that lies in the memory of a device."""

    features: tf.Tensor
    labels: tf.Tensor

    def take(self, rows: np.ndarray) -> Sample:
        return Sample(tf.gather(self.features, rows), tf.gather(self.labels, rows))


def _placed(events: Sample, device: str) -> _Placed | Sample:
    """The events in the device's memory if it holds them, with as much again for what the steps need."""
    try:
        with tf.device(device):
            placed = _Placed(*map(tf.constant, events))
            tf.zeros_like(placed.features)
        return placed
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
        if isinstance(error, tf.errors.InternalError) and "Dst tensor" not in str(error):  # how a large copy fails
            raise
        log.info("%d events do not fit in the memory of %s; they go there block by block", events.n_events, device)
        return events


def _ahead(blocks: Iterator) -> Iterator:
    """The same blocks, each made while the one before is in use."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, blocks, None)
        while (block := waiting.result()) is not None:
            waiting = reader.submit(next, blocks, None)
            yield block


class BatchLoader:
    """The share of the events that one worker or device takes of every batch."""

    def __init__(
        self, events: Sample | EventStream, batch_size: int, seed: int, shard: Shard = WHOLE, device: str = ""
    ):
        """`events` are those of all shares together. Of a stream this one's are read if memory allows, unless it has
        them all and there is no `device`: as "GPU:0", on which they then lie, as tensors.
        """
        self.n_events, self.batch_size, self.seed, self.shard, self.device = (
            events.n_events, batch_size, seed, shard, device
        )  # fmt: skip
        self.owned = [] if shard.world_size == 1 else batching.owned(events.n_events, batch_size, shard)
        own = (
            events.select(self.owned).load_if_fits(shard.world_size)
            if self.owned
            else events.load_if_fits()
            if device
            else events
        )
        self.events = _placed(own, device) if device and isinstance(own, Sample) else own

    def epoch(self, number: int) -> Iterator[tuple[Block, Sample]]:
        """Each block of an epoch with its events, made while the one before is in use."""
        order = batching.order(self.n_events, self.batch_size, self.seed, number, self.shard)
        return _ahead((block, self.taken(block.rows)) for block in order)

    def taken(self, rows: np.ndarray) -> Sample:
        """The events of these rows (n,), counted from the first of all shares' events."""
        rows = batching.places(rows, self.owned) if self.owned else rows
        if not self.device:
            return self.events.take(rows)
        with tf.device(self.device):
            return Sample(*map(tf.convert_to_tensor, self.events.take(rows)))

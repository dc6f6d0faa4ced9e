"""Training steps on several devices of one machine, each of which takes its part of every batch."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from higgs_lib import steps
from higgs_lib.batches import Block, Share
from higgs_lib.feed import Feed
from higgs_lib.samples import Sample, Stream
from higgs_lib.steps import Passed


def chosen(devices: Sequence[str] | None, batch_size: int) -> tuple[str, ...]:
    """The logical devices to train on; empty for the one that TensorFlow uses by itself, which is what None stands for.

    ValueError for a device that TensorFlow does not see or that is named twice, and for batches with fewer events than
    devices.
    """
    seen, gpus = _names(None), _names("GPU")
    usual = gpus[:1] or seen[:1]
    devices = list(devices if devices is not None else usual)
    if unknown := [device for device in devices if device not in seen]:
        raise ValueError(f"unknown device {unknown[0]!r}: TensorFlow sees {', '.join(seen)}")
    if not devices or len(set(devices)) < len(devices):
        raise ValueError(f"devices must be one or more, each named once, not {devices}")
    if len(devices) > batch_size:
        raise ValueError(f"cannot divide batches of {batch_size} events among {len(devices)} devices")
    return () if devices == usual else tuple(devices)


def _names(kind: str | None) -> list[str]:
    """Of TensorFlow's logical devices of a kind or all, as "GPU:0"."""
    return [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices(kind)]


class Divided(NamedTuple):
    """A block's events, as the devices have them."""

    samples: tuple[Sample, ...]

    @property
    def labels(self) -> np.ndarray:
        """(n,) of the first device's events, then of the second's, and so on."""
        return np.concatenate([np.asarray(sample.labels) for sample in self.samples])


class Feeds:
    """The events of all devices, each of which holds its own in its memory."""

    def __init__(self, events: Sample | Stream, batch_size: int, seed: int, devices: Sequence[str]):
        shares = [Share(number, len(devices)) for number in range(len(devices))]
        self.feeds = [Feed(events, batch_size, seed, *part) for part in zip(shares, devices, strict=True)]

    def epoch(self, number: int) -> Iterator[tuple[tuple[Block, ...], Divided]]:
        """Each block of an epoch, a part for every device, with its events."""
        for parts in zip(*(feed.epoch(number) for feed in self.feeds), strict=True):
            blocks, samples = zip(*parts, strict=True)
            yield blocks, Divided(samples)


class _Replica:
    """Model and optimizer on one device, and the two halves of a step there.

    They are not made under a strategy, whose optimizers clip gradients before they sum them.
    """

    def __init__(self, model, optimizer, loss, compiled: bool, number: int, devices: Sequence[str], precision: str):
        self.number, self.device = number, devices[number]
        with tf.device(self.device):
            self.model, self.optimizer = deepcopy(model), type(optimizer).from_config(optimizer.get_config())
            self.optimizer.build(self.model.trainable_variables)
        n_parts, kind = len(devices), tf.as_dtype(precision)
        self._gradients, self._apply = steps.halves(self.model, self.optimizer, loss, compiled, n_parts, kind)

    def gradients(self, features, labels, number, size: int, weight) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.device(self.device):
            return self._gradients(*steps.batch_of(features, labels, number, size), weight)

    def apply(self, total: tf.Tensor) -> tf.Tensor:
        with tf.device(self.device):
            return self._apply(total)

    @property
    def variables(self) -> list:
        return [*self.model.variables, *self.optimizer.variables]

    def begin_as(self, variables: list) -> None:
        """From the values of these on, but with other random numbers on each device."""
        _assign(self.variables, variables)
        steps.own_dropout(self.model, self.number)


def _assign(variables: list, others: list) -> None:
    for variable, other in zip(variables, others, strict=True):
        variable.assign(other)


def of(
    model, optimizer, loss, compiled: bool, devices: Sequence[str], precision: str
) -> Callable[[Divided, Sequence[Block], int], Passed]:
    """As `steps.of`, of events and blocks divided among these devices.

    Only the sum goes through TensorFlow's strategy. Model and optimizer are copied to the devices at the beginning of
    each block, and the first device's copies back at its end.
    """
    optimizer.build(model.trainable_variables)
    originals = [*model.variables, *optimizer.variables]
    replicas = [_Replica(model, optimizer, loss, compiled, i, devices, precision) for i in range(len(devices))]
    batches = _batches(replicas, devices)

    def block(events: Divided, rows: Sequence[Block], batch_size: int) -> Passed:
        for replica in replicas:
            replica.begin_as(originals)
        parts = (steps.parts(*part, batch_size) for part in zip(events.samples, rows, strict=True))
        passed = [_called(batches, call) for call in zip(*parts, strict=True)]
        _assign(originals, replicas[0].variables)
        scores, losses = zip(*passed, strict=True)
        of_devices = map(np.concatenate, zip(*scores, strict=True))
        own = [values[: sample.n_events] for values, sample in zip(of_devices, events.samples, strict=True)]
        return Passed(np.concatenate(own), np.concatenate(losses), np.empty(0))

    return block


def _called(batches, parts: Sequence[tuple[Sample, int, np.float32]]) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Some steps: the scores of each device's part, and the objectives."""
    samples, sizes, weights = zip(*parts, strict=True)
    return steps.called(batches, Sample(*zip(*samples, strict=True)), sizes, weights, of_any_length=True)


@cache
def _strategy(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """One for each set of devices, in the life of a process."""
    tf.distribute.MirroredStrategy._collective_key_base += 100  # else all sets' sums have the same key: an error
    return tf.distribute.MirroredStrategy(devices)


def _summed(vectors: list[tf.Tensor], devices: Sequence[str]) -> Sequence[tf.Tensor]:
    """From a vector (n,) on each device to their sum on each, inside a graph."""
    if len(devices) == 1:
        return vectors
    strategy = _strategy(tuple(devices))
    values = strategy.experimental_distribute_values_from_function(lambda c: vectors[c.replica_id_in_sync_group])
    total = strategy.run(lambda vector: tf.distribute.get_replica_context().all_reduce("SUM", vector), (values,))
    return strategy.experimental_local_results(total)


def _batches(replicas: Sequence[_Replica], devices: Sequence[str]):
    """The graph that trains on batch after batch; its arguments hold one value a device."""

    @tf.function
    def batches(features, labels, sizes, weights):
        n_batches = tf.shape(labels[0])[0] // sizes[0]
        scores = [tf.TensorArray(tf.float32, n_batches, element_shape=(size,)) for size in sizes]
        losses = tf.TensorArray(tf.float32, n_batches, element_shape=())
        for number in tf.range(n_batches):
            parts = zip(replicas, features, labels, sizes, weights, strict=True)
            passed = [replica.gradients(x, y, number, size, weight) for replica, x, y, size, weight in parts]
            totals = _summed([vector for vector, _ in passed], devices)
            objectives = [replica.apply(total) for replica, total in zip(replicas, totals, strict=True)]
            scores = [kept.write(number, new) for kept, (_, new) in zip(scores, passed, strict=True)]
            losses = losses.write(number, objectives[0])
        return tuple(tf.reshape(kept.stack(), [-1]) for kept in scores), losses.stack()

    return batches

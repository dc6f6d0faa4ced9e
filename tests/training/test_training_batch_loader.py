"""Devices are the processor's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_training import build, sample, weights

from higgs_lib import data
from higgs_lib.data import COMPLETE, EventStream, Sample
from higgs_lib.training import batch_loader, batching, loop
from higgs_lib.training.batch_loader import BatchLoader
from higgs_lib.training.batching import Shard


@pytest.fixture
def sample_and_stream(events, monkeypatch):
    """The same 2922 events from memory and from a file, in three blocks an epoch."""
    monkeypatch.setattr(batching, "SHARD", 100)
    rows = range(100, 3022)
    return data.load(events, COMPLETE, rows), EventStream.open(events, COMPLETE, rows)


def epoch(fed: BatchLoader) -> Sample:
    """All events of an epoch in their order."""
    taken = [events for _, events in fed.epoch(2)]
    assert len(taken) > 1
    return Sample(*(np.concatenate([np.asarray(values) for values in part]) for part in zip(*taken, strict=True)))


@pytest.mark.parametrize("share", [Shard(), Shard(0, 3), Shard(2, 3)])
@pytest.mark.parametrize("device", ["", "CPU:0"])
def test_events_come_in_the_order_of_the_batches(sample_and_stream, share, device):
    """As tensors from a device."""
    rows = np.concatenate([block.rows for block in batching.order(2922, 100, 5, 2, share)])
    for events in sample_and_stream:
        fed = BatchLoader(events, 100, 5, share, device)
        _, first = next(iter(fed.epoch(2)))
        assert tf.is_tensor(first.features) == tf.is_tensor(first.labels) == bool(device)
        for found, wanted in zip(epoch(fed), sample_and_stream[0].take(rows), strict=True):
            assert np.array_equal(found, wanted)


def test_a_share_of_a_sample_leaves_the_rest_behind(sample_and_stream):
    shares = [BatchLoader(sample_and_stream[0], 100, 5, Shard(number, 3), "CPU:0").events for number in range(3)]
    assert sum(len(share.labels) for share in shares) == 2922
    assert max(len(share.labels) for share in shares) < 2922 / 3 + 100


def test_what_a_device_does_not_hold_comes_block_by_block(sample_and_stream, monkeypatch, caplog):
    def full(_):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory left")

    monkeypatch.setattr(batch_loader.tf, "zeros_like", full)
    fed = BatchLoader(sample_and_stream[0], 100, 5, device="CPU:0")
    assert isinstance(fed.events, Sample)
    assert all(tf.is_tensor(events.features) for _, events in fed.epoch(1))


@pytest.mark.parametrize("compiled", [True, False])
def test_from_a_device_the_weights_are_those_from_memory(compiled):
    """To the bit."""
    found = []
    for device in ("", "CPU:0"):
        model, optimizer = build()
        settings = sample(3030, 1), 128, 5
        run = loop.Training(model, optimizer, keras.losses.BinaryCrossentropy(), *settings, compiled)
        run.feed = BatchLoader(*settings, device=device)
        history = run.next_epoch(loop.History([], [], [], 3030), sample(1500, 2), "placed")
        found.append((weights(model).tolist(), history[:2]))
    assert found[0] == found[1]

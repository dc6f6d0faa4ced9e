"""The tests use the processor as a device."""

import keras
import numpy as np
import pytest
from small_training import COMPILED, ON_JAX, build, sample, weights

from higgs_lib import data
from higgs_lib.data import COMPLETE, EventStream, Sample
from higgs_lib.training import History, batching, steps
from higgs_lib.training.batch_loader import BatchLoader
from higgs_lib.training.batching import Shard
from higgs_lib.training.loop import Trainer

if ON_JAX:
    import jax

    PROCESSOR = jax.devices("cpu")[0]
else:
    PROCESSOR = "CPU:0"


@pytest.fixture
def sample_and_stream(events, monkeypatch):
    """The same 2922 events in memory and in a file, in three blocks per epoch."""
    monkeypatch.setattr(batching, "CHUNK", 100)
    rows = range(100, 3022)
    return data.load(events, COMPLETE, rows), EventStream.open(events, COMPLETE, rows)


def epoch_events(loader: BatchLoader) -> Sample:
    """All events of an epoch in the order of training."""
    blocks = [events for _, events in loader.epoch(2)]
    assert len(blocks) > 1
    return Sample(*(np.concatenate([np.asarray(values) for values in part]) for part in zip(*blocks, strict=True)))


@pytest.mark.parametrize("shard", [Shard(), Shard(0, 3), Shard(2, 3)])
@pytest.mark.parametrize("device", [None, PROCESSOR])
def test_events_come_in_the_order_of_the_batches(sample_and_stream, shard, device):
    """From a device they come as tensors."""
    rows = np.concatenate([block.rows for block in batching.shuffled_blocks(2922, 100, 5, 2, shard)])
    for events in sample_and_stream:
        loader = BatchLoader(events, 100, 5, shard, device)
        _, first = next(iter(loader.epoch(2)))
        assert [keras.ops.is_tensor(part) for part in first] == [device is not None] * 2
        for loaded, expected in zip(epoch_events(loader), sample_and_stream[0].take(rows), strict=True):
            assert np.array_equal(loaded, expected)


def test_a_rank_keeps_only_its_shard_of_a_sample(sample_and_stream):
    shards = [BatchLoader(sample_and_stream[0], 100, 5, Shard(rank, 3), PROCESSOR).events for rank in range(3)]
    assert sum(len(shard.labels) for shard in shards) == 2922
    assert max(len(shard.labels) for shard in shards) < 2922 / 3 + 100


def test_events_that_do_not_fit_on_a_device_are_copied_block_by_block(sample_and_stream, monkeypatch):
    if ON_JAX:
        memory = {"bytes_limit": 10**6, "bytes_in_use": 500_000}
        monkeypatch.setattr(type(PROCESSOR), "memory_stats", lambda _: memory)
    else:
        import tensorflow as tf

        def full(_):
            raise tf.errors.ResourceExhaustedError(None, None, "no memory left")

        monkeypatch.setattr(steps.engine().tf, "zeros_like", full)
    loader = BatchLoader(sample_and_stream[0], 100, 5, device=PROCESSOR)
    assert isinstance(loader.events, Sample)
    assert all(keras.ops.is_tensor(events.features) for _, events in loader.epoch(1))


@pytest.mark.parametrize("jit_compile", COMPILED)
def test_events_on_a_device_give_the_weights_of_events_in_memory(jit_compile):
    """To the bit."""
    results = []
    for device in (None, PROCESSOR):
        model, optimizer = build()
        settings = sample(3030, 1), 128, 5
        loss = keras.losses.BinaryCrossentropy()
        trainer = Trainer(model, optimizer, loss, *settings, jit_compile=jit_compile)
        trainer.loader = BatchLoader(*settings, device=device)
        history = trainer.next_epoch(History([], [], [], 3030), sample(1500, 2), "on a device")
        results.append((weights(model).tolist(), history[:2]))
    assert results[0] == results[1]

import numpy as np
import pytest

from higgs_lib.training import batching
from higgs_lib.training.batching import Shard

SIZES = [(1000, 7, 3), (640, 64, 5), (63, 10, 2), (64, 100, 3), (5000, 300, 7), (4801, 96, 96)]


@pytest.fixture(params=SIZES, ids=str)
def sizes(request, monkeypatch):
    """Events, batch size and world size, for a file of several blocks."""
    monkeypatch.setattr(batching, "CHUNK", 64)
    monkeypatch.setattr(batching, "CHUNKS_PER_BLOCK", 4)
    return request.param


def test_an_epoch_has_every_event_once_in_whole_batches(sizes):
    n_events, batch_size, _ = sizes
    blocks = list(batching.shuffled_blocks(n_events, batch_size, seed=1, epoch=2))
    assert np.array_equal(np.sort(np.concatenate([block.rows for block in blocks])), np.arange(n_events))
    assert all(block.whole.shape[1] == batch_size for block in blocks)
    assert [block.n_rest for block in blocks] == [0] * (len(blocks) - 1) + [n_events % batch_size]


def test_shards_divide_every_batch_of_a_single_process(sizes):
    n_events, batch_size, world_size = sizes
    parts = [
        list(batching.shuffled_blocks(n_events, batch_size, 1, 2, Shard(rank, world_size)))
        for rank in range(world_size)
    ]
    for block, *shards in zip(batching.shuffled_blocks(n_events, batch_size, 1, 2), *parts, strict=True):
        assert np.array_equal(np.concatenate([shard.whole for shard in shards], 1), block.whole)
        assert np.array_equal(np.concatenate([shard.rest for shard in shards]), block.rest)
        assert len({shard.n_rest for shard in shards}) == 1
        widths = [shard.whole.shape[1] for shard in shards]
        assert max(widths) - min(widths) <= 1


def test_a_shard_has_the_same_events_in_every_epoch(sizes):
    n_events, batch_size, world_size = sizes
    all_rows = []
    for rank in range(world_size):
        shard = Shard(rank, world_size)
        ranges = batching.shard_rows(n_events, batch_size, shard)
        own = np.concatenate([np.arange(0), *(np.arange(r.start, r.stop) for r in ranges)])
        for epoch in (1, 2):
            blocks = batching.shuffled_blocks(n_events, batch_size, 1, epoch, shard)
            rows = np.concatenate([block.rows for block in blocks])
            assert np.array_equal(np.sort(rows), own)
            assert np.array_equal(own[batching.positions(rows, ranges)] if len(rows) else rows, rows)
        all_rows.append(own)
    assert np.array_equal(np.sort(np.concatenate(all_rows)), np.arange(n_events))


def test_two_shards_read_half_a_file_each():
    for n_events in (1_000_000, 11_000_000):
        first, second = (batching.shard_rows(n_events, 1024, Shard(rank, 2)) for rank in (0, 1))
        assert max(map(len, (first, second))) <= 2  # ranges
        assert sum(map(len, first)) == pytest.approx(n_events / 2, abs=1024)


def test_the_order_depends_on_seed_and_epoch_alone_and_mixes_the_file():
    def first(seed, epoch):
        return next(batching.shuffled_blocks(3_000_000, 100, seed, epoch)).rows

    assert np.array_equal(first(1, 1), first(1, 1))
    assert not np.array_equal(first(1, 1), first(1, 2))
    assert not np.array_equal(first(1, 1), first(2, 1))
    rows = first(1, 1)  # a million of three: each third of the file gives a third, and every batch has all
    assert np.bincount(rows // 1_000_000) / len(rows) == pytest.approx([1 / 3] * 3, abs=0.07)
    assert rows[:100].std() == pytest.approx(rows.std(), rel=0.05)
    other = first(1, 2)  # shares a third of its events by chance, so it is not the same million again
    assert len(np.intersect1d(rows, other)) / len(rows) == pytest.approx(1 / 3, abs=0.2)


def test_two_events_share_a_batch_as_often_as_at_random():
    """Except for neighbours in a stratum, which never do."""
    together = np.zeros((40, 40))
    for epoch in range(2000):
        (block,) = batching.shuffled_blocks(40, 10, seed=1, epoch=epoch)
        for batch in block.whole:
            together[np.ix_(batch, batch)] += 1
    strata = np.arange(40) // 4
    assert together[strata[:, None] == strata].sum() == 40 * 2000  # with themselves
    others = together[strata[:, None] != strata] / 2000
    assert others.mean() == pytest.approx(9 / 36)
    assert np.abs(others - 1 / 4).max() < 5 * np.sqrt(0.25 * 0.75 / 2000)

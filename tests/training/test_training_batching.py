import numpy as np
import pytest

from higgs_lib.training import batching
from higgs_lib.training.batching import Shard

SIZES = [(1000, 7, 3), (640, 64, 5), (63, 10, 2), (64, 100, 3), (5000, 300, 7), (4801, 96, 96)]


@pytest.fixture(params=SIZES, ids=str)
def division(request, monkeypatch):
    """Events, batch size and workers, of a file of several blocks."""
    monkeypatch.setattr(batching, "SHARD", 64)
    monkeypatch.setattr(batching, "SHARDS_A_BLOCK", 4)
    return request.param


def test_an_epoch_has_every_event_once_in_whole_batches(division):
    n_events, batch_size, _ = division
    blocks = list(batching.order(n_events, batch_size, seed=1, epoch=2))
    assert np.array_equal(np.sort(np.concatenate([block.rows for block in blocks])), np.arange(n_events))
    assert all(block.whole.shape[1] == batch_size for block in blocks)
    assert [block.n_rest for block in blocks] == [0] * (len(blocks) - 1) + [n_events % batch_size]


def test_workers_divide_every_batch_of_one(division):
    n_events, batch_size, n_workers = division
    parts = [list(batching.order(n_events, batch_size, 1, 2, Shard(i, n_workers))) for i in range(n_workers)]
    for block, *shares in zip(batching.order(n_events, batch_size, 1, 2), *parts, strict=True):
        assert np.array_equal(np.concatenate([share.whole for share in shares], 1), block.whole)
        assert np.array_equal(np.concatenate([share.rest for share in shares]), block.rest)
        assert len({share.n_rest for share in shares}) == 1
        sizes = [share.whole.shape[1] for share in shares]
        assert max(sizes) - min(sizes) <= 1


def test_a_worker_has_the_same_events_in_every_epoch(division):
    n_events, batch_size, n_workers = division
    everything = []
    for number in range(n_workers):
        share = Shard(number, n_workers)
        ranges = batching.owned(n_events, batch_size, share)
        mine = np.concatenate([np.arange(0), *(np.arange(r.start, r.stop) for r in ranges)])
        for epoch in (1, 2):
            rows = np.concatenate([block.rows for block in batching.order(n_events, batch_size, 1, epoch, share)])
            assert np.array_equal(np.sort(rows), mine)
            assert np.array_equal(mine[batching.places(rows, ranges)] if len(rows) else rows, rows)
        everything.append(mine)
    assert np.array_equal(np.sort(np.concatenate(everything)), np.arange(n_events))


def test_two_workers_read_half_a_file_each():
    for n_events in (1_000_000, 11_000_000):
        first, second = (batching.owned(n_events, 1024, Shard(i, 2)) for i in (0, 1))
        assert max(map(len, (first, second))) <= 2  # ranges
        assert sum(map(len, first)) == pytest.approx(n_events / 2, abs=1024)


def test_the_order_depends_on_seed_and_epoch_alone_and_mixes_the_file():
    def first(seed, epoch):
        return next(batching.order(3_000_000, 100, seed, epoch)).rows

    assert np.array_equal(first(1, 1), first(1, 1))
    assert not np.array_equal(first(1, 1), first(1, 2))
    assert not np.array_equal(first(1, 1), first(2, 1))
    rows = first(1, 1)  # a million of three: each third of the file gives a third, and any batch has all
    assert np.bincount(rows // 1_000_000) / len(rows) == pytest.approx([1 / 3] * 3, abs=0.07)
    assert rows[:100].std() == pytest.approx(rows.std(), rel=0.05)
    other = first(1, 2)  # not the same million again: a third of it is chance
    assert len(np.intersect1d(rows, other)) / len(rows) == pytest.approx(1 / 3, abs=0.2)


def test_two_events_meet_in_a_batch_as_often_as_chance_has_it():
    """But for neighbours in a stratum, which never do."""
    met = np.zeros((40, 40))
    for epoch in range(2000):
        (block,) = batching.order(40, 10, seed=1, epoch=epoch)
        for batch in block.whole:
            met[np.ix_(batch, batch)] += 1
    strata = np.arange(40) // 4
    assert met[strata[:, None] == strata].sum() == 40 * 2000  # with themselves
    others = met[strata[:, None] != strata] / 2000
    assert others.mean() == pytest.approx(9 / 36)
    assert np.abs(others - 1 / 4).max() < 5 * np.sqrt(0.25 * 0.75 / 2000)

"""Process groups, whose processes are threads here: the sockets between them are the same."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import keras
import numpy as np
import pytest
from arrays import assert_close
from small_training import COMPILED, build, sample, weights

from higgs_lib import data, models
from higgs_lib.data import COMPLETE, Sample
from higgs_lib.models import ModelSpec
from higgs_lib.training import History, TrainConfig, batching
from higgs_lib.training.channel import Credentials
from higgs_lib.training.collectives import SINGLE_PROCESS, LostPeerError, Ring, listen
from higgs_lib.training.layers import offset_dropout_seeds
from higgs_lib.training.loop import Trainer

BATCH_SIZE = 127  # two ranks cannot divide it equally
KNOWN = {encrypted: Credentials.create(encrypted) for encrypted in (False, True)}

CASES = [(3030, COMPILED[0]), (2922, COMPILED[-1])]  # the last batch has 109 events, or one, of a single rank


def in_ring(world_size, work, listen=listen, credentials=None, *, encrypted=False):
    """What `work` returns for the group of each rank."""
    credentials = credentials or [KNOWN[encrypted]] * world_size
    listeners, peers = zip(*(listen("127.0.0.1", known) for known in credentials), strict=True)

    def join_and_work(rank):
        addresses = [listener.address._replace(credentials=credentials[rank]) for listener in listeners]
        with Ring(peers[rank], addresses, rank) as ring:
            return work(ring)

    with ExitStack() as stack, ThreadPoolExecutor(world_size) as threads:
        for listener in listeners:  # until all have ended: a rank that fails early still answers the others
            stack.enter_context(listener)
        return list(threads.map(join_and_work, range(world_size)))


@pytest.mark.parametrize(("world_size", "encrypted"), [(2, False), (3, False), (5, False), (3, True)])
@pytest.mark.parametrize("n", [1, 4, 189_602])
def test_vectors_are_summed_over_the_ranks_and_all_ranks_have_the_same_bits(world_size, encrypted, n):
    vectors = np.random.default_rng(1).standard_normal((world_size, n)).astype(np.float32)
    results = {}
    for precision, tolerance in (("float32", 1e-6), ("float16", 1e-2)):
        sums = in_ring(
            world_size, lambda ring, p=precision: ring.all_reduce_sum(vectors[ring.shard.rank], p), encrypted=encrypted
        )
        assert all(total.dtype == np.float32 and np.array_equal(total, sums[0]) for total in sums)
        assert_close(sums[0], vectors.sum(0, dtype=float), abs=tolerance)
        results[precision] = sums[0]
    assert n < 5 or not np.array_equal(results["float32"], results["float16"])


def test_values_of_all_ranks_are_gathered():
    def work(ring):
        rank = ring.shard.rank
        return ring.all_gather(np.full(rank, rank, np.int16)), ring.all_reduce_min(np.float64([1 + rank, 2 - rank]))

    for gathered, minimum in in_ring(3, work):
        assert gathered.tolist() == [1, 2, 2]
        assert gathered.dtype == np.int16
        assert minimum.tolist() == [1, 0]


def test_a_rank_that_ends_is_noticed_by_all_others():
    """Each of them sees that its neighbour has gone, whether it sends or receives."""

    def work(ring):
        ring.all_reduce_sum(np.ones(10, np.float32))
        if ring.shard.rank == 1:
            return "ended"
        with pytest.raises(LostPeerError, match=r"the connection to rank \d of the process group ended"):
            ring.all_reduce_sum(np.ones(10**6, np.float32))
        return "noticed"

    assert in_ring(4, work) == ["noticed", "ended", "noticed", "noticed"]


def test_a_stranger_does_not_join():
    with pytest.raises(LostPeerError, match=r"rank \d of the process group does not answer: the peer does not know"):
        in_ring(2, lambda ring: None, credentials=[KNOWN[False], Credentials(b"guessed")])


def test_a_stranger_that_knocks_first_keeps_nobody_waiting(caplog):
    def listen_and_knock(host, credentials):
        listener, peers = listen(host, credentials)
        socket.create_connection(listener.address[:2]).close()
        return listener, peers

    with caplog.at_level("INFO"):
        sums = in_ring(2, lambda ring: ring.all_reduce_sum(np.ones(1, np.float32)).tolist(), listen_and_knock)
    assert sums == [[2], [2]]
    assert caplog.text.count("something that is no worker connected to port") == 2


def test_gradients_are_sent_raw_and_nothing_is_unpickled(monkeypatch):
    """What a peer sends after the secret is taken as numbers of the expected size alone."""
    import pickle

    for name in ("loads", "load"):
        monkeypatch.setattr(pickle, name, lambda *_: pytest.fail("something was unpickled"))
    monkeypatch.setattr("multiprocessing.connection._ForkingPickler.loads", pickle.loads)
    assert in_ring(2, lambda ring: ring.all_reduce_sum(np.ones(3, np.float32)).tolist()) == [[2, 2, 2]] * 2


def clipped():
    """A model, and an optimizer that clips gradients by the norm of all of them, so that it has to see their sum."""
    return build(ModelSpec((20, 20), l2=1e-3))[0], keras.optimizers.Adam(0.003, global_clipnorm=0.1)


def train(n_events, jit_compile, group=SINGLE_PROCESS):
    """Two epochs: the loss of every step, the weights and the history."""
    model, optimizer = clipped()
    loss = keras.losses.BinaryCrossentropy()
    trainer = Trainer(
        model, optimizer, loss, sample(n_events, 1), BATCH_SIZE, seed=5, jit_compile=jit_compile, group=group
    )
    rows = group.shard.part(1500)
    validation = sample(1500, 2).slice(rows.start, rows.stop)
    empty = History([], [], [], n_events)
    *_, (history, _) = trainer.epochs(empty, [], validation, TrainConfig(2, BATCH_SIZE), "in a group")
    return [loss for phases in trainer.phases for loss in phases.losses], weights(model), history


def keras_steps(n_events):
    """Two epochs of Keras' `train_on_batch`: the loss of every step, and the final weights."""
    (model, optimizer), events, losses = clipped(), sample(n_events, 1), []
    model.compile(optimizer, keras.losses.BinaryCrossentropy())
    for epoch in (1, 2):
        (block,) = batching.shuffled_blocks(n_events, BATCH_SIZE, 5, epoch)
        for rows in (*block.whole, block.rest):
            model.reset_metrics()  # Keras returns the mean over the batches so far
            losses.append(float(model.train_on_batch(events.features[rows], events.labels[rows])))
    return losses, weights(model)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_losses_of_keras_at_every_step(case):
    expected_losses, expected_weights = keras_steps(case[0])
    *_, single_history = train(*case)
    results = in_ring(2, lambda ring: train(*case, ring))
    for losses, final_weights, history in results:
        assert losses == pytest.approx(expected_losses, rel=2e-6)
        assert final_weights == pytest.approx(expected_weights, abs=2e-6)
        for measured, expected in zip(history[:2], single_history[:2], strict=True):  # training and validation
            assert np.array(measured) == pytest.approx(np.array(expected), rel=1e-5)
    assert np.array_equal(results[0][1], results[1][1])


def kinematic_weights(events, group=SINGLE_PROCESS):
    """The weights of a kinematic network after two epochs."""
    model = models.build(ModelSpec((8,), inputs="kinematics"), models.standardisation(events, COMPLETE), seed=1)
    loss = keras.losses.BinaryCrossentropy()
    trainer = Trainer(model, keras.optimizers.Adam(), loss, events, 64, 5, jit_compile=COMPILED[-1], group=group)
    for epoch in (1, 2):
        trainer.train_epoch(epoch)
    return weights(model)


def test_a_kinematic_network_trains_when_the_last_batch_has_fewer_events_than_ranks(events, monkeypatch):
    """Its features of an event without momenta are not finite; here that batch is a block of its own."""
    monkeypatch.setattr(batching, "CHUNK", 33)
    sample = data.load(events, COMPLETE, range(64 * 16 + 1))
    assert [block.whole.shape for block in batching.shuffled_blocks(1025, 64, 5, 1)] == [(8, 64), (8, 64), (0, 64)]
    expected = kinematic_weights(sample)
    assert np.isfinite(expected).all()
    for found in in_ring(2, lambda ring: kinematic_weights(sample, ring)):
        assert found == pytest.approx(expected, abs=2e-5)


def dropped_scores(group):
    """The scores of one rank for the same event again and again, in one step with dropout."""
    events = Sample(np.ones((128, 6), np.float32), np.tile(np.float32([0, 1]), 64))
    model, optimizer = build(ModelSpec((20,), dropout=0.5))
    offset_dropout_seeds(model, group.shard.rank)
    loss = keras.losses.BinaryCrossentropy()
    return Trainer(model, optimizer, loss, events, 128, 5, group=group).train_epoch(1)[1].scores


def test_ranks_drop_different_outputs():
    first, second = in_ring(2, dropped_scores)
    assert len(np.unique(first)) > 32
    assert np.mean(first == second) < 0.2

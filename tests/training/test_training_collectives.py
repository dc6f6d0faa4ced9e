"""A group of two processes; a process can join only one group, so the tests share it."""

import multiprocessing
import socket
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_training import build, sample, weights

from higgs_lib.data import Sample
from higgs_lib.models import ModelSpec
from higgs_lib.training import History, TrainConfig, batching
from higgs_lib.training.collectives import SINGLE_PROCESS, join_process_group
from higgs_lib.training.loop import Trainer
from higgs_lib.training.steps import offset_dropout_seeds

BATCH_SIZE = 127  # two ranks cannot divide it equally

CASES = [(3030, True), (3030, False), (2922, False)]  # the last batch has 109 events, or one, of a single rank


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
    """Two epochs of Keras' steps in one process: the loss of every step and the final weights."""
    (model, optimizer), events, losses = clipped(), sample(n_events, 1), []
    for epoch in (1, 2):
        (block,) = batching.shuffled_blocks(n_events, BATCH_SIZE, 5, epoch)
        for rows in (*block.whole, block.rest):
            with tf.GradientTape() as tape:
                scores = model(events.features[rows], training=True)[:, 0]
                objective = keras.losses.BinaryCrossentropy()(events.labels[rows], scores) + sum(model.losses)
            optimizer.apply(tape.gradient(objective, model.trainable_variables), model.trainable_variables)
            losses.append(float(objective))
    return losses, weights(model)


def dropped_scores(group):
    """The scores of one rank for the same event again and again, in one step with dropout."""
    events = Sample(np.ones((128, 6), np.float32), np.tile(np.float32([0, 1]), 64))
    model, optimizer = build(ModelSpec((20,), dropout=0.5))
    offset_dropout_seeds(model, group.shard.rank)
    loss = keras.losses.BinaryCrossentropy()
    return Trainer(model, optimizer, loss, events, 128, 5, jit_compile=False, group=group).train_epoch(1)[1].scores


def work(addresses, rank):
    """The results of one rank."""
    group = join_process_group(addresses, rank, cores=1)
    return {
        "gathered": group.all_gather(np.arange(rank + 1, dtype=np.float32)),
        "minimum": group.all_reduce_min(np.float64([1 + rank, 2 - rank])),
        "sum": tf.function(group.all_reduce_sum)(tf.constant([1.0, rank])).numpy(),
        "trained": {case: train(*case, group) for case in CASES},
        "dropped": dropped_scores(group),
    }


@pytest.fixture(scope="module")
def ranks():
    """The results of both ranks."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{probe.getsockname()[1]}" for probe in (first, second)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as first, ProcessPoolExecutor(1, spawn) as second:
        futures = [process.submit(work, addresses, rank) for rank, process in enumerate((first, second))]
        return [future.result() for future in futures]


def test_values_are_summed_and_gathered_over_the_ranks(ranks):
    for results in ranks:
        assert results["gathered"].tolist() == [0, 0, 1]
        assert results["minimum"].tolist() == [1, 1]
        assert results["sum"].tolist() == [2, 1]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_losses_of_keras_at_every_step(ranks, case):
    expected_losses, expected_weights = keras_steps(case[0])
    *_, single_history = train(*case)
    for losses, final_weights, history in (results["trained"][case] for results in ranks):
        assert losses == pytest.approx(expected_losses, rel=2e-6)
        assert final_weights == pytest.approx(expected_weights, abs=2e-6)
        for measured, expected in zip(history[:2], single_history[:2], strict=True):  # training and validation
            assert np.array(measured) == pytest.approx(np.array(expected), rel=1e-5)
    assert np.array_equal(*(results["trained"][case][1] for results in ranks))


def test_ranks_drop_different_outputs(ranks):
    first, second = (results["dropped"] for results in ranks)
    assert len(np.unique(first)) > 32
    assert np.mean(first == second) < 0.2

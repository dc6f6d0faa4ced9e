"""Trainings on executors in processes of their own."""

import signal

import keras
import numpy as np
import psutil
import pytest

from higgs_lib import models, spark, training
from higgs_lib.data import COMPLETE, EventStream
from higgs_lib.models import ModelSpec
from higgs_lib.spark import ClusterError, synchronous
from higgs_lib.spark.heartbeat import HeartbeatMonitor
from higgs_lib.spark.synchronous import WorkerError
from higgs_lib.training import CheckpointError, DivergenceError, TrainConfig, loop, steps

SPEC = ModelSpec((50, 50), l2=1e-4)
DROPOUT_SPEC = ModelSpec((50, 50), dropout=0.1, schedule="cosine")
CONFIG = TrainConfig(epochs=3, batch_size=128)
LONG_CONFIG = CONFIG._replace(epochs=6)
SEED = 2
ON_JAX = keras.backend.backend() == "jax"  # where XLA compiles everything
PLAIN = {"jit_compile": None if ON_JAX else False}  # without XLA the workers start to train in half the time


@pytest.fixture(scope="module")
def session():
    """A session with two executors; a training gets the processes of the one before."""
    with spark.session("local-cluster[2,1,1024]") as session:
        yield session


@pytest.fixture(scope="module")
def streams(events):
    """15,030 training events, which is no multiple of the batch size, and 3000 for validation."""
    return EventStream.open(events, COMPLETE, range(15_030)), EventStream.open(events, COMPLETE, range(16_000, 19_000))


def build(streams, spec=SPEC, config=CONFIG):
    model = models.build(spec, models.standardisation(streams[0]), seed=1)
    return model, models.optimizer(spec, streams[0].n_events, config.batch_size, config.epochs)


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.fixture(scope="module")
def reference(streams):
    """Model and history of one process without Spark, and the objective of each of its steps."""
    model, optimizer = build(streams)
    loss = keras.losses.BinaryCrossentropy()
    trainer = loop.Trainer(model, optimizer, loss, streams[0].load(), 128, SEED)
    train_block, objectives = trainer.train_block, []

    def train_stepwise(events, block, batch_size):
        batches = []
        for i, rows in enumerate(block.whole):
            batches.append((events.slice(i * 128, (i + 1) * 128), steps.Block(rows[None], rows[:0], 0)))
        if block.n_rest:
            batches.append((events.slice(block.whole.size), block._replace(whole=block.whole[:0])))
        results = []
        for batch, rows in batches:
            objectives.append(float(loss(batch.labels, model(batch.features)[:, 0]) + sum(model.losses)))
            results.append(train_block(batch, rows, batch_size))
        return steps.StepResults(*map(np.concatenate, zip(*results, strict=True)))

    trainer.train_block = train_stepwise
    empty = loop.History([], [], [], streams[0].n_events)
    *_, (history, _) = trainer.epochs(empty, [], streams[1].load(), CONFIG, "reference")
    return model, history, objectives


@pytest.mark.parametrize(("n_workers", "options"), [(1, PLAIN), (2, {"jit_compile": True})], ids=["one", "two"])
def test_workers_have_the_losses_of_one_process_at_every_step(session, streams, reference, n_workers, options):
    check_equal_to_one_process(session, streams, reference, n_workers, options)


def check_equal_to_one_process(session, streams, reference, n_workers, options):
    """Trains, and compares weights, history and the loss of every step with those of one process without Spark."""
    model, optimizer = build(streams)
    trained = synchronous.fit(session, model, optimizer, *streams, CONFIG, n_workers=n_workers, seed=SEED, **options)
    assert weights(model) == pytest.approx(weights(reference[0]), abs=2e-6)
    for ours, theirs in zip(trained.history[:2], reference[1][:2], strict=True):  # training and validation
        assert np.array(ours) == pytest.approx(np.array(theirs), rel=1e-5)
    assert trained.history.n_events == 15_030
    if n_workers > 1:
        losses = np.concatenate([epoch[0].losses for epoch in trained.phases])
        assert losses == pytest.approx(reference[2], rel=2e-6)
        assert all(epoch[0].losses == epoch[1].losses for epoch in trained.phases)
    assert [len(epoch) for epoch in trained.phases] == [n_workers] * 3


def test_phases_are_the_time_and_the_bytes_of_an_epoch(session, streams):
    model, optimizer = build(streams)
    trained = synchronous.fit(session, model, optimizer, *streams, CONFIG, n_workers=2, seed=SEED, **PLAIN)
    for epoch, seconds in zip(trained.phases, trained.history.seconds, strict=True):
        for phases in epoch:
            assert min(phases[:5]) >= 0
            assert phases.waiting <= phases.all_reduce
            assert phases.bytes_sent == bytes_of_an_epoch(itemsize=4)
        first = epoch[0]
        assert first.input + first.compute + first.all_reduce == pytest.approx(seconds, rel=0.1)


def bytes_of_an_epoch(itemsize):
    """What each of two workers sends in the 118 steps of an epoch: the gradient and the objective, which goes along."""
    return 2 * (2 - 1) / 2 * itemsize * (SPEC.n_parameters(28) + 1) * 118


def test_a_float16_all_reduce_sends_half_and_reaches_the_same_auc(session, streams, reference):
    model, optimizer = build(streams)
    options = {"n_workers": 2, "seed": SEED, "precision": "float16"} | PLAIN
    trained = synchronous.fit(session, model, optimizer, *streams, CONFIG, **options)
    assert not np.array_equal(weights(model), weights(reference[0]))
    assert trained.history.validation[-1].auc == pytest.approx(reference[1].validation[-1].auc, abs=0.005)
    assert trained.phases[0][0].bytes_sent == bytes_of_an_epoch(itemsize=2)


class _Intervention:
    """Does something to the process of a worker when the driver receives its second epoch, a number of times."""

    def __init__(self, monkeypatch, act, times=1):
        receive = HeartbeatMonitor.next_message
        self.left = times

        def next_message(monitor, timeout):
            message = receive(monitor, timeout)
            is_epoch = message and message.message_type == "epoch" and message.worker == 1
            if is_epoch and message.content["number"] >= 2 and self.left:
                self.left -= 1
                act(psutil.Process(monitor.workers[1].pid))
            return message

        monkeypatch.setattr(HeartbeatMonitor, "next_message", next_message)


def _kill(worker):
    worker.send_signal(signal.SIGKILL)


def _kill_executor(worker):
    daemon = worker.parent()  # forks the workers of one executor
    daemon.parent().send_signal(signal.SIGKILL)


def _stop(worker):
    worker.send_signal(signal.SIGSTOP)


@pytest.fixture(scope="module")
def undisturbed(session, streams):
    model, optimizer = build(streams, DROPOUT_SPEC, LONG_CONFIG)
    synchronous.fit(session, model, optimizer, *streams, LONG_CONFIG, n_workers=2, seed=SEED, **PLAIN)
    return weights(model)


LOSSES = [(_kill_executor, 60.0), (_stop, 8.0)]  # the next test kills a worker


@pytest.mark.parametrize(("act", "timeout"), LOSSES)
def test_a_training_that_loses_a_worker_ends_with_the_same_weights(
    session, streams, undisturbed, monkeypatch, act, timeout, caplog
):
    """To the bit, with dropout. A process that is stopped is noticed after ten seconds at most."""
    intervention = _Intervention(monkeypatch, act)
    model, optimizer = build(streams, DROPOUT_SPEC, LONG_CONFIG)
    options = {"n_workers": 2, "seed": SEED, "timeout": timeout} | PLAIN
    trained = synchronous.fit(session, model, optimizer, *streams, LONG_CONFIG, **options)
    assert intervention.left == 0
    assert "worker 1" in caplog.text
    assert ("made no progress" if act is _stop else "was killed") in caplog.text
    assert len(trained.history.seconds) == 6
    assert np.array_equal(weights(model), undisturbed)


def test_it_gives_up_with_the_worker_and_the_cause_and_resumes_in_the_next_call(
    session, streams, undisturbed, monkeypatch, tmp_path
):
    options = {"n_workers": 2, "seed": SEED, "checkpoint": tmp_path / "training.npz"} | PLAIN
    with monkeypatch.context() as patch:
        _Intervention(patch, _kill, times=2)
        model, optimizer = build(streams, DROPOUT_SPEC, LONG_CONFIG)
        with pytest.raises(
            WorkerError, match=r"worker 1 \(.*\) was lost: its process was killed.*given up after 2 tries and \d ep"
        ):
            synchronous.fit(session, model, optimizer, *streams, LONG_CONFIG, **options, retries=1)
    model, optimizer = build(streams, DROPOUT_SPEC, LONG_CONFIG)
    trained = synchronous.fit(session, model, optimizer, *streams, LONG_CONFIG, **options)
    assert np.array_equal(weights(model), undisturbed)
    assert 1 <= len(trained.phases) < 5  # epochs of this call
    with pytest.raises(CheckpointError, match="with different seed; delete"):
        synchronous.fit(session, model, optimizer, *streams, LONG_CONFIG, **options | {"seed": 3})


def test_a_training_of_one_machine_resumes_over_several(session, streams, reference, tmp_path):
    checkpoint = tmp_path / "training.npz"
    model, optimizer = build(streams)
    parts = [stream.load() for stream in streams]
    stopping = CONFIG._replace(patience=1, min_delta=1.0)
    history = training.fit(model, optimizer, *parts, stopping, seed=SEED, checkpoint=checkpoint, **PLAIN)
    assert len(history.seconds) == 2
    model, optimizer = build(streams)
    options = {"n_workers": 2, "seed": SEED, "checkpoint": checkpoint} | PLAIN
    trained = synchronous.fit(session, model, optimizer, *streams, CONFIG, **options)
    assert len(trained.phases) == 1
    assert weights(model) == pytest.approx(weights(reference[0]), abs=2e-6)


def test_an_error_that_every_worker_would_have_is_raised_at_once(session, streams):
    spec = ModelSpec((20,), activation="linear", optimizer="sgd", learning_rate=1e30)
    with pytest.raises(DivergenceError, match=r"odd: the loss is not finite after epoch 1; .*lower the learning rate"):
        synchronous.fit(session, *build(streams, spec), *streams, CONFIG, n_workers=2, seed=SEED, name="odd", **PLAIN)


def test_invalid_arguments_are_refused_at_once(session, streams):
    with pytest.raises(ClusterError, match=r"n_workers is 3, but local-cluster.* can run 2 tasks at once"):
        synchronous.fit(session, *build(streams), *streams, CONFIG, n_workers=3, seed=SEED)
    with pytest.raises(ValueError, match="cannot divide batches of 1 events among 2 workers"):
        synchronous.fit(session, *build(streams), *streams, CONFIG._replace(batch_size=1), n_workers=2, seed=SEED)
    with pytest.raises(ValueError, match="n_workers must be one or more, not 0"):
        synchronous.fit(session, *build(streams), *streams, CONFIG, n_workers=0, seed=SEED)
    with pytest.raises(ValueError, match="unknown precision 'int8'"):
        synchronous.fit(session, *build(streams), *streams, CONFIG, n_workers=2, seed=SEED, precision="int8")

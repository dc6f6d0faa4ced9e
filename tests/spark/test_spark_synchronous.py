"""On executors in processes of their own."""

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
from higgs_lib.training import CheckpointError, DivergenceError, loop, steps

SPEC = ModelSpec((50, 50), l2=1e-4)

SETTINGS = {"epochs": 3, "batch_size": 128, "seed": 2}


@pytest.fixture(scope="module")
def session(request):
    """Of two executors unless a test asks for more: a training then gets the processes of the one before."""
    with spark.session(f"local-cluster[{getattr(request, 'param', 2)},1,1024]") as session:
        yield session


@pytest.fixture(scope="module")
def streams(events):
    """15,030 training events, which is no multiple of the batch size, and 3000 for validation."""
    return EventStream.open(events, COMPLETE, range(15_030)), EventStream.open(events, COMPLETE, range(16_000, 19_000))


def build(streams, spec=SPEC, **settings):
    pace = {name: (SETTINGS | settings)[name] for name in ("epochs", "batch_size")}
    optimizer = models.optimizer(spec, n_events=streams[0].n_events, **pace)
    return models.build(spec, models.standardisation(streams[0]), seed=1), optimizer


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.fixture(scope="module")
def alone(streams):
    """Model and history of one process without Spark, and the objective of each of its steps."""
    model, optimizer = build(streams)
    run = loop.Training(model, optimizer, keras.losses.BinaryCrossentropy(), streams[0].load(), 128, 2, False)
    losses = []

    def stepwise(events, rows, batch_size):
        parts = [(events.slice(i * 128, (i + 1) * 128), rows._replace(whole=r[None], rest=r[:0], n_rest=0)) for i, r in
                 enumerate(rows.whole)]  # fmt: skip
        edge = rows.whole.size
        parts += [(events.slice(edge), rows._replace(whole=rows.whole[:0]))] if rows.n_rest else []
        passed = []
        for sample, block in parts:
            losses.append(float(run.loss(sample.labels, model(sample.features)[:, 0]) + sum(model.losses)))
            passed.append(whole(sample, block, batch_size))
        return steps.StepResults(*map(np.concatenate, zip(*passed, strict=True)))

    whole, run.block = run.block, stepwise
    empty = loop.History([], [], [], streams[0].n_events)
    *_, (history, _) = run.epochs(empty, [], streams[1].load(), loop.Pace(3), "alone")
    return model, history, losses


@pytest.mark.parametrize(("n_workers", "compiled"), [(1, None), (2, True)])
def test_workers_give_the_losses_of_one_process_at_every_step(session, streams, alone, n_workers, compiled):
    assert_equal_to_one_process(session, streams, alone, n_workers, compiled)


def assert_equal_to_one_process(session, streams, alone, n_workers, compiled):
    model, optimizer = build(streams)
    trained = synchronous.fit(
        session, model, optimizer, *streams, **SETTINGS, n_workers=n_workers, jit_compile=compiled
    )
    assert weights(model) == pytest.approx(weights(alone[0]), abs=2e-6)
    for ours, theirs in zip(trained.history[:2], alone[1][:2], strict=True):  # training and validation
        assert np.array(ours) == pytest.approx(np.array(theirs), rel=1e-5)
    assert trained.history.n_events == 15_030
    if n_workers > 1:
        losses = np.concatenate([epoch[0].losses for epoch in trained.phases])
        assert losses == pytest.approx(alone[2], rel=2e-6)
        assert all(epoch[0].losses == epoch[1].losses for epoch in trained.phases)
    assert [len(epoch) for epoch in trained.phases] == [n_workers] * 3


def test_phases_are_the_time_and_the_bytes_of_an_epoch(session, streams):
    model, optimizer = build(streams)
    trained = synchronous.fit(session, model, optimizer, *streams, **SETTINGS, n_workers=2)
    values = SPEC.n_parameters(28) + 1  # the objective goes along
    for epoch, seconds in zip(trained.phases, trained.history.seconds, strict=True):
        for phases in epoch:
            assert min(phases[:5]) >= 0
            assert phases.waiting <= phases.all_reduce
            assert phases.bytes_sent == 2 * (2 - 1) / 2 * 4 * values * 118  # steps
        first = epoch[0]
        assert first.input + first.compute + first.all_reduce == pytest.approx(seconds, rel=0.1)


def test_float16_sums_send_half_and_reach_the_same(session, streams, alone):
    model, optimizer = build(streams)
    trained = synchronous.fit(session, model, optimizer, *streams, **SETTINGS, n_workers=2, precision="float16")
    assert not np.array_equal(weights(model), weights(alone[0]))
    assert trained.history.validation[-1].auc == pytest.approx(alone[1].validation[-1].auc, abs=0.005)
    model, optimizer = build(streams)
    other = synchronous.fit(session, model, optimizer, *streams, **SETTINGS, n_workers=2)
    assert trained.phases[0][0].bytes_sent == other.phases[0][0].bytes_sent / 2


class _Intervention:
    """Does something to the process of a worker when the driver hears of its second epoch, for some times."""

    def __init__(self, monkeypatch, act, times=1):
        hear = HeartbeatMonitor.next
        self.left = times

        def next_message(supervisor, timeout):
            message = hear(supervisor, timeout)
            of_second = message and message.message_type == "epoch" and message.worker == 1
            if of_second and message.content.number >= 2 and self.left:
                self.left -= 1
                act(psutil.Process(supervisor.workers[1].pid))
            return message

        monkeypatch.setattr(HeartbeatMonitor, "next", next_message)


def _kill(worker):
    worker.send_signal(signal.SIGKILL)


def _kill_executor(worker):
    daemon = worker.parent()  # forks the workers of one executor
    daemon.parent().send_signal(signal.SIGKILL)


def _stop(worker):
    worker.send_signal(signal.SIGSTOP)


@pytest.fixture(scope="module")
def undisturbed(session, streams):
    model, optimizer = build(streams, DROPPING, epochs=6)
    synchronous.fit(session, model, optimizer, *streams, **SETTINGS | {"epochs": 6}, n_workers=2)
    return weights(model)


DROPPING = ModelSpec((50, 50), dropout=0.1, schedule="cosine")


@pytest.mark.parametrize(("act", "timeout"), [(_kill, 60.0), (_kill_executor, 60.0), (_stop, 8.0), (_stop, 60.0)])
def test_a_training_that_loses_a_worker_ends_with_the_same_weights(
    session, streams, undisturbed, monkeypatch, act, timeout, caplog
):
    """To the bit, with dropout. Of a stopped process TensorFlow ends the sums in ten seconds, if nobody was faster."""
    intervention = _Intervention(monkeypatch, act)
    model, optimizer = build(streams, DROPPING, epochs=6)
    settings = SETTINGS | {"epochs": 6, "n_workers": 2, "timeout": timeout}
    trained = synchronous.fit(session, model, optimizer, *streams, **settings)
    assert intervention.left == 0
    assert "worker 1" in caplog.text
    assert ("stood still" if act is _stop else "was killed") in caplog.text
    assert len(trained.history.seconds) == 6
    assert np.array_equal(weights(model), undisturbed)


def test_it_gives_up_with_the_worker_and_the_cause_and_goes_on_in_the_next_call(
    session, streams, undisturbed, monkeypatch, tmp_path
):
    with monkeypatch.context() as patch:
        _Intervention(patch, _kill, times=2)
        model, optimizer = build(streams, DROPPING, epochs=6)
        settings = {**SETTINGS, "epochs": 6, "n_workers": 2, "checkpoint": tmp_path / "training.npz"}
        with pytest.raises(
            WorkerError, match=r"worker 1 \(.*\) was lost: its process was killed.*given up after 2 tries and \d ep"
        ):
            synchronous.fit(session, model, optimizer, *streams, **settings, retries=1)
    model, optimizer = build(streams, DROPPING, epochs=6)
    trained = synchronous.fit(session, model, optimizer, *streams, **settings)
    assert np.array_equal(weights(model), undisturbed)
    assert 1 <= len(trained.phases) < 5  # of this call's epochs
    with pytest.raises(CheckpointError, match="other seed; delete"):
        synchronous.fit(session, model, optimizer, *streams, **settings | {"seed": 3})


def test_what_was_begun_on_one_machine_goes_on_over_several(session, streams, alone, tmp_path):
    checkpoint = tmp_path / "training.npz"
    model, optimizer = build(streams)
    parts = [stream.load() for stream in streams]
    begun = training.fit(model, optimizer, *parts, **SETTINGS, patience=1, min_delta=1.0, checkpoint=checkpoint)
    assert len(begun.seconds) == 2
    model, optimizer = build(streams)
    trained = synchronous.fit(session, model, optimizer, *streams, **SETTINGS, n_workers=2, checkpoint=checkpoint)
    assert len(trained.phases) == 1
    assert weights(model) == pytest.approx(weights(alone[0]), abs=2e-6)


def test_what_no_worker_can_do_is_said_once(session, streams):
    spec = ModelSpec((20,), activation="linear", optimizer="sgd", learning_rate=1e30)
    with pytest.raises(DivergenceError, match="odd: the loss is not finite after epoch 1; lower"):
        synchronous.fit(session, *build(streams, spec), *streams, **SETTINGS, n_workers=2, name="odd")


def test_what_cannot_be_is_refused_at_once(session, streams):
    with pytest.raises(ClusterError, match=r"3 workers were asked for, but local-cluster.* can run 2 tasks at once"):
        synchronous.fit(session, *build(streams), *streams, **SETTINGS, n_workers=3)
    with pytest.raises(ValueError, match="cannot divide batches of 1 events among 2 workers"):
        synchronous.fit(session, *build(streams), *streams, **SETTINGS | {"batch_size": 1}, n_workers=2)
    with pytest.raises(ValueError, match="n_workers must be one or more, not 0"):
        synchronous.fit(session, *build(streams), *streams, **SETTINGS, n_workers=0)
    with pytest.raises(ValueError, match="unknown precision 'int8'"):
        synchronous.fit(session, *build(streams), *streams, **SETTINGS, n_workers=2, precision="int8")


@pytest.mark.parametrize("session", [3], indirect=True)
def test_three_workers_as_well(session, streams, alone):
    assert_equal_to_one_process(session, streams, alone, 3, jit_compile=False)

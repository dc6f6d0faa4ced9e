"""Asynchronous trainings on executors in processes of their own."""

import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from pyspark import TaskContext, cloudpickle
from test_spark_synchronous import PLAIN, check_equal_to_one_process, reference  # noqa: F401 - a fixture

from higgs_lib import metrics, models, spark, training
from higgs_lib.data import COMPLETE, EventStream
from higgs_lib.models import ModelSpec
from higgs_lib.spark import asynchronous, heartbeat
from higgs_lib.spark.heartbeat import HeartbeatMonitor
from higgs_lib.spark.parameter_server import Centre, replay
from higgs_lib.spark.submission import WorkerError
from higgs_lib.training import CheckpointError, DivergenceError, TrainConfig, batching, layers
from higgs_lib.training.update_rules import (
    ADAG,
    AEASGD,
    AGN,
    DOWNPOUR,
    EAMSGD,
    RULES,
    Averaging,
    DynSGD,
    Ensemble,
    Single,
)

SPEC = ModelSpec((50, 50))
CONFIG = TrainConfig(epochs=2, batch_size=128)
N_TRAINING = 15_030  # 117 whole batches and a smaller one
N_WHOLE = 15_360  # as many whole batches for each of three workers, which saves compiling, as `PLAIN` does
SEED = 2


@pytest.fixture(scope="module")
def session():
    with spark.session("local-cluster[3,1,1024]") as session:
        yield session


@pytest.fixture(scope="module")
def streams(events):
    ranges = range(N_TRAINING), range(16_000, 19_000)
    return tuple(EventStream.open(events, COMPLETE, rows) for rows in ranges)


@pytest.fixture(scope="module")
def whole(events):
    ranges = range(N_WHOLE), range(16_000, 19_000)
    return tuple(EventStream.open(events, COMPLETE, rows) for rows in ranges)


def build(streams, spec=SPEC, optimizer=None, seed=1):
    model = models.build(spec, models.standardisation(streams[0]), seed=seed)
    return model, optimizer or keras.optimizers.Adam(0.001)


@pytest.fixture(scope="module")
def plain(streams):
    """The weights and the history of training on one machine."""
    model, optimizer = build(streams)
    history = training.fit(model, optimizer, streams[0].load(), streams[1].load(), CONFIG, seed=SEED)
    return layers.weights_of(model), history


@pytest.mark.parametrize("rule", [Single(), DOWNPOUR(), AGN(window=1), DynSGD()], ids=lambda rule: rule.name)
def test_one_worker_trains_as_one_machine_does(session, streams, plain, rule):
    model, optimizer = build(streams)
    options = {"rule": rule, "n_workers": 1, "seed": SEED} | ({} if rule == Single() else PLAIN)
    trained = asynchronous.fit(session, model, optimizer, *streams, CONFIG, **options)
    weights, history = plain
    assert layers.weights_of(model) == pytest.approx(weights, abs=2e-5)
    for ours, theirs in zip(trained.history[:2], history[:2], strict=True):  # training and validation
        assert np.array(ours) == pytest.approx(np.array(theirs), rel=1e-4)
    if rule.window:
        n_commits = -(-118 // rule.window)
        assert [commit.staleness for commit in trained.commits] == [0] * 2 * n_commits
        last = trained.commits[n_commits - 1]  # of the first epoch: what is left, with the smaller batch
        assert last.n_events == N_TRAINING - (n_commits - 1) * rule.window * 128
        assert [c.seen for c in trained.commits] == np.cumsum([c.n_events for c in trained.commits]).tolist()
        assert trained.commits[-1].seen == 2 * N_TRAINING


def test_three_synchronous_workers_have_the_losses_of_one_process(session, streams, reference):  # noqa: F811
    """Here, as this session has so many executors."""
    check_equal_to_one_process(session, streams, reference, 3, PLAIN)


def elastic_recurrence(streams, rule, momentum):
    """The centre after the epochs of one worker, by Keras' `train_on_batch` and plain numpy."""
    model, _ = build(streams)
    optimizer = keras.optimizers.SGD(0.05, momentum=momentum, nesterov=bool(momentum))
    model.compile(optimizer, keras.losses.BinaryCrossentropy())
    events, alpha = streams[0].load(), rule.rho * rule.learning_rate
    centre = layers.weights_of(model)
    for epoch in range(1, CONFIG.epochs + 1):
        (block,) = batching.shuffled_blocks(N_TRAINING, CONFIG.batch_size, SEED, epoch)
        batches = [*block.whole, block.rest]
        for number, rows in enumerate(batches, 1):
            model.train_on_batch(events.features[rows], events.labels[rows])
            if number % rule.window == 0 or number == len(batches):
                weights = layers.weights_of(model)
                difference = alpha * (weights - centre)
                layers.assign_weights(model, weights - difference)
                centre = centre + difference
    return centre


@pytest.mark.parametrize(("rule", "momentum"), [(AEASGD(window=10), 0.0), (EAMSGD(window=10), 0.9)])
def test_elastic_rules_follow_their_recurrences(session, streams, rule, momentum):
    model, optimizer = build(streams, optimizer=keras.optimizers.SGD(0.05))
    options = {"rule": rule, "n_workers": 1, "seed": SEED} | PLAIN
    trained = asynchronous.fit(session, model, optimizer, *streams, CONFIG, **options)
    assert trained.history.best_epoch == 2
    assert layers.weights_of(model) == pytest.approx(elastic_recurrence(streams, rule, momentum), abs=2e-5)


@pytest.mark.parametrize("name", ["Averaging", "DOWNPOUR", "DynSGD", "AEASGD", "EAMSGD", "ADAG"])
def test_three_workers_train_by_every_rule(session, whole, plain, name):
    """And the exchanges of their processes, repeated in their order, give the same weights to the bit."""
    rule = RULES[name]()
    model, optimizer = build(whole, optimizer=keras.optimizers.Adam(0.001 * rule.rate_factor))
    initial = layers.weights_of(model)
    config = TrainConfig(epochs=1, batch_size=128)
    options = {"rule": rule, "n_workers": 3, "seed": SEED, "record": True} | PLAIN
    trained = asynchronous.fit(session, model, optimizer, *whole, config, **options)
    assert trained.history.validation[0].auc == pytest.approx(plain[1].validation[0].auc, abs=0.1)
    assert [len(phases) for phases in trained.phases] == [3]
    if rule.window:
        assert np.array_equal(replay(rule, initial, trained.exchanges), layers.weights_of(model))
        seen = {n: max(c.seen for c in trained.commits if c.worker == n) for n in range(3)}
        assert seen == dict.fromkeys(range(3), N_WHOLE // 3)
        assert [c.number for c in trained.commits] == list(range(1, len(trained.commits) + 1))
        assert min(trained.service_seconds) > 0
        sent = sum(exchange.commit.nbytes for exchange in trained.exchanges if exchange.commit is not None)
        assert trained.n_bytes[0] > 1.9 * sent
    for phases in trained.phases[0]:
        assert min(phases[:5]) >= 0
        assert phases.waiting <= phases.all_reduce


def test_an_ensemble_is_judged_by_its_mean_score(session, streams):
    seeds = (5, 6)
    initial = tuple(build(streams, seed=seed)[0].get_weights() for seed in seeds)
    model, optimizer = build(streams)
    options = {"rule": Ensemble(initial), "n_workers": 2, "seed": SEED} | PLAIN
    trained = asynchronous.fit(session, model, optimizer, *streams, CONFIG, **options)
    validation, scores = streams[1].load(), []
    for number, weights in enumerate(trained.members):
        network, network_optimizer = build(streams, seed=seeds[number])
        part = streams[0].select([range(number * N_TRAINING // 2, (number + 1) * N_TRAINING // 2)]).load()
        config = CONFIG._replace(epochs=trained.history.best_epoch)
        training.fit(network, network_optimizer, part, validation, config, seed=SEED, **PLAIN)
        assert np.concatenate([w.ravel() for w in weights]) == pytest.approx(layers.weights_of(network), abs=2e-5)
        network.set_weights(weights)
        scores.append(training.predict(network, validation.features))
    best = trained.history.validation[trained.history.best_epoch - 1]
    assert metrics.auc(validation.labels, np.mean(scores, axis=0)) == best.auc
    assert np.array_equal(training.predict(model, validation.features), scores[0])


class Intervention:
    """Sends a signal to the process of worker 1 when the centre has its fiftieth commit."""

    def __init__(self, monkeypatch, signal_number):
        enter, commit, self.done, monitors = HeartbeatMonitor.__enter__, Centre.commit, False, []

        def enter_and_keep(monitor):
            monitors.append(monitor)
            return enter(monitor)

        def commit_and_send(centre, worker, vector, *, pull):
            if worker == 1 and centre.version > 50 and pull and not self.done:  # in the middle of an epoch
                self.done = True
                psutil.Process(monitors[0].workers[1].pid).send_signal(signal_number)
            return commit(centre, worker, vector, pull=pull)

        monkeypatch.setattr(HeartbeatMonitor, "__enter__", enter_and_keep)
        monkeypatch.setattr(Centre, "commit", commit_and_send)


def check_that_a_loss_cost_a_window(session, whole, caplog, n_workers, **options):
    """Trains, and checks that every event of every epoch was committed once; returns the training."""
    config = CONFIG._replace(epochs=30)
    rule = options.pop("rule", DOWNPOUR())
    model, optimizer = build(whole)
    initial = layers.weights_of(model)
    options |= {"n_workers": n_workers, "seed": SEED, "record": True} | PLAIN
    trained = asynchronous.fit(session, model, optimizer, *whole, config, rule=rule, **options)
    assert len(trained.history.seconds) == 30
    seen = {n: max(c.seen for c in trained.commits if c.worker == n) for n in range(n_workers)}
    assert seen == dict.fromkeys(range(n_workers), 30 * N_WHOLE // n_workers)
    assert sum(c.n_events for c in trained.commits) == 30 * N_WHOLE
    assert trained.lost_events == 5 * 128
    assert caplog.text.count("its replacement trains 640 events again") == 1
    layers.assign_weights(model, replay(rule, initial, trained.exchanges))  # those of the last epoch
    measured = training.evaluate(model, whole[1].load(), keras.losses.BinaryCrossentropy())
    assert measured == trained.history.validation[-1]
    return trained


@pytest.mark.parametrize("act", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_worker_that_is_lost_is_replaced_and_the_others_go_on(session, whole, monkeypatch, caplog, act):
    if act == signal.SIGSTOP:
        monkeypatch.setattr(heartbeat, "LIMIT", 5.0)
    intervention = Intervention(monkeypatch, act)
    trained = check_that_a_loss_cost_a_window(session, whole, caplog, 3)
    assert intervention.done
    assert ("was killed" if act == signal.SIGKILL else "made no progress") in caplog.text
    # while the replacement started, the others went on to the end of their epochs
    times = [c.seconds for c in trained.commits if c.worker == 1]
    longest = int(np.argmax(np.diff(times)))
    between = {c.worker for c in trained.commits if times[longest] < c.seconds < times[longest + 1]}
    assert between == {0, 2}


@dataclass(frozen=True)
class Stuck(DOWNPOUR):
    """Hangs in worker 1 at the first commit of the second epoch, once; its heartbeats go on."""

    marker: str = ""

    def commit(self, weights, centre, n_batches):
        if TaskContext.get().partitionId() == 1 and not Path(self.marker).exists():
            Path(self.marker).touch()
            time.sleep(600)
        return super().commit(weights, centre, n_batches)


def test_a_worker_that_hangs_with_a_heartbeat_is_replaced(session, whole, caplog, tmp_path):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    rule = Stuck(marker=str(tmp_path / "hung"))
    check_that_a_loss_cost_a_window(session, whole, caplog, 2, rule=rule, timeout=6.0)
    assert "worker 1" in caplog.text
    assert "made no progress for" in caplog.text


@dataclass(frozen=True)
class Broken(DOWNPOUR):
    """Fails in the worker at the third exchange of each epoch."""

    def commit(self, weights, centre, n_batches):
        if n_batches < 5:
            raise RuntimeError("this rule cannot divide")
        return super().commit(weights, centre, n_batches)


def test_an_exception_of_a_worker_reaches_the_user(session, streams, caplog):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    model, optimizer = build(streams)
    options = {"rule": Broken(), "n_workers": 2, "seed": SEED, "retries": 1} | PLAIN
    with pytest.raises(WorkerError) as failure:
        asynchronous.fit(session, model, optimizer, *streams, CONFIG, **options)
    text = str(failure.value)
    assert re.search(
        r"failed: RuntimeError: this rule cannot divide \(worker \d, epoch 1, from batch 56 on, under", text
    )
    assert "given up after 2 losses and 0 epochs" in text
    assert 'raise RuntimeError("this rule cannot divide")' in failure.value.__notes__[0]
    assert caplog.text.count("its replacement trains") == 1


def test_weights_that_are_not_finite_stop_the_training(session, streams):
    model, optimizer = build(streams, ModelSpec((20, 20, 20), activation="linear"), keras.optimizers.SGD(1e30))
    options = {"rule": DOWNPOUR(), "n_workers": 2, "seed": SEED, "name": "odd"} | PLAIN
    with pytest.raises(
        DivergenceError, match=r"odd: the weights of worker \d of 2 are not finite after batch 5 of epoch 1, under"
    ):
        asynchronous.fit(session, model, optimizer, *streams, CONFIG, **options)


def test_a_checkpoint_of_the_centre_resumes(session, whole, tmp_path):
    """One worker resumes to the weights of an undisturbed training, and what is finished is read back."""
    options = {"rule": EAMSGD(window=10, momentum=0.2), "n_workers": 1, "seed": SEED} | PLAIN
    config = CONFIG._replace(epochs=4)
    model, optimizer = build(whole)
    asynchronous.fit(session, model, optimizer, *whole, config, **options)
    undisturbed = layers.weights_of(model)
    options["checkpoint"] = tmp_path / "training.npz"
    model, optimizer = build(whole)
    stopping = config._replace(patience=1, min_delta=1.0)
    stopped = asynchronous.fit(session, model, optimizer, *whole, stopping, **options)
    assert len(stopped.history.seconds) == 2
    for n_new in (2, 0):
        model, optimizer = build(whole)
        trained = asynchronous.fit(session, model, optimizer, *whole, config, **options)
        assert len(trained.history.seconds) == 4
        assert len(trained.phases) == n_new
        assert np.array_equal(layers.weights_of(model), undisturbed)
    assert np.isnan(trained.events_per_second)
    with pytest.raises(CheckpointError, match=r"with different (optimizer, )?update rule"):
        asynchronous.fit(session, model, optimizer, *whole, config, **options | {"rule": DOWNPOUR(window=7)})


def test_several_workers_resume_as_well(session, whole, tmp_path):
    options = {"rule": AEASGD(window=10), "n_workers": 2, "seed": SEED, "checkpoint": tmp_path / "training.npz"}
    options |= PLAIN
    for patience, n_epochs in ((1, 2), (0, 3)):
        config = TrainConfig(3, 128, patience=patience, min_delta=1.0)
        model, optimizer = build(whole)
        trained = asynchronous.fit(session, model, optimizer, *whole, config, **options)
        assert len(trained.history.seconds) == n_epochs
    assert trained.commits[-1].seen == 3 * N_WHOLE // 2


def test_invalid_arguments_are_refused_at_once(session, streams):
    def fit(rule, n_workers, config=CONFIG):
        asynchronous.fit(session, *build(streams), *streams, config, rule=rule, n_workers=n_workers, seed=SEED)

    with pytest.raises(ValueError, match=r"rule must be one of training\.update_rules, such as DOWNPOUR"):
        fit("downpour", 2)
    with pytest.raises(ValueError, match="Single trains with one worker, not 2"):
        fit(Single(), 2)
    with pytest.raises(spark.ClusterError, match="can run 3 tasks at once"):
        fit(ADAG(), 4)
    with pytest.raises(ValueError, match="each of 3 workers has 5010 events, less than a batch of 6000"):
        fit(ADAG(), 3, CONFIG._replace(batch_size=6000))
    with pytest.raises(ValueError, match="initial weights for 1 networks, not 2"):
        fit(Ensemble(([],)), 2)
    with pytest.raises(ValueError, match="n_workers must be one or more, not 0"):
        fit(Averaging(), 0)

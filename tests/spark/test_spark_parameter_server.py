"""The parameter server with workers that are threads here: the connections are the same."""

import queue
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from higgs_lib.spark import parameter_server
from higgs_lib.spark.parameter_server import Centre, CentreClient, ParameterServer, Progress, replay
from higgs_lib.training.channel import Credentials
from higgs_lib.training.update_rules import ADAG, AEASGD, DOWNPOUR, Averaging, DynSGD

N = 5000  # weights


def serve(rule, n_workers, work, *, encrypted=False, exchanges=None):
    """The server, after every worker has done its work; the workers' results; the initial weights."""
    weights = np.random.default_rng(1).normal(size=N).astype(np.float32)
    centre = Centre(weights, rule, n_workers, exchanges)
    progress = [Progress(1, 0, 0, [np.arange(2)]) for _ in range(n_workers)]
    with (
        ParameterServer("127.0.0.1", Credentials.create(encrypted), centre, progress, queue.Queue()) as server,
        ThreadPoolExecutor(n_workers) as threads,
    ):

        def run(number):
            with CentreClient(server.address, number) as client:
                return work(number, client)

        return server, list(threads.map(run, range(n_workers))), weights


def commits(rule, times):
    """A worker that commits random steps."""

    def work(number, client):
        rng = np.random.default_rng(number)
        client.begin(10)
        own = pulled = client.pull()
        for _ in range(times):
            own = own + rng.normal(0, 0.01, N).astype(np.float32)
            pulled = client.pull() if rule.elastic else pulled
            commit = rule.commit(own, pulled, 5)
            pulled = client.commit(commit, n_events=10, n_batches=5, in_flight=10, pull=not rule.elastic)
            own = own - commit if rule.elastic else pulled
        return client.staleness

    return work


@pytest.mark.parametrize("rule", [DOWNPOUR(), DynSGD(), ADAG(), AEASGD()], ids=repr)
@pytest.mark.parametrize("encrypted", [False, True])
def test_exchanges_in_their_order_give_the_centre_to_the_bit(rule, encrypted):
    exchanges = []
    server, _, weights = serve(rule, 4, commits(rule, 25), encrypted=encrypted, exchanges=exchanges)
    assert server.centre.version == 100
    assert np.array_equal(replay(rule, weights, exchanges), server.centre.weights)
    in_turn = sorted(exchanges, key=lambda exchange: -exchange.worker)  # another order is another result
    assert not np.array_equal(replay(rule, weights, in_turn), server.centre.weights)


def test_the_server_counts_the_staleness_that_the_workers_saw():
    server, seen, _ = serve(DOWNPOUR(), 4, commits(DOWNPOUR(), 25))
    counted = {n: [c.staleness for c in server.commits if c.worker == n] for n in range(4)}
    assert counted == dict(enumerate(seen))
    assert sorted(c.number for c in server.commits) == list(range(1, 101))
    # between two commits of a worker lie as many of others as the second one is stale, so the mean is n - 1
    numbers = {n: [c.number for c in server.commits if c.worker == n] for n in range(4)}
    for n, staleness in enumerate(seen):
        assert np.diff(numbers[n]).tolist() == [s + 1 for s in staleness[1:]]
    assert [p.seen for p in server.progress] == [250] * 4
    assert [p.batches for p in server.progress] == [125] * 4


def test_workers_of_an_average_wait_for_the_last_and_a_repeated_epoch_does_not_count():
    def work(number, client):
        client.begin(10)
        weights = client.average(np.full(N, number, np.float32), epoch=1)
        if number == 0:  # as a replacement that did not know that the epoch was complete
            weights = client.average(np.full(N, 100, np.float32), epoch=1)
        client.end_epoch(1, 10, {"phases": number}, [np.arange(2) + number])
        return weights

    server, averages, _ = serve(Averaging(), 3, work)
    assert all(np.array_equal(average, np.ones(N, np.float32)) for average in averages)
    end = server.messages.get_nowait().content
    assert (end.number, end.weights[0], [report["phases"] for report in end.reports]) == (1, 1.0, [0, 1, 2])
    assert [progress.variables[0].tolist() for progress in end.progress] == [[0, 1], [1, 2], [2, 3]]
    assert [(progress.epoch, progress.seen) for progress in end.progress] == [(2, 10)] * 3
    n_bytes = (3 + 1) * 2 * 4 * N  # both ways, and the repetition
    assert n_bytes < end.n_bytes < n_bytes + 3000


def test_a_replacement_begins_where_the_lost_worker_committed_last():
    centre, progress = Centre(np.zeros(N, np.float32), DOWNPOUR(), 1), [Progress(1, 0, 0, [np.arange(3)])]
    with (
        ParameterServer("127.0.0.1", Credentials.create(False), centre, progress, queue.Queue()) as server,
        CentreClient(server.address, 0) as lost,
    ):
        lost.begin(10)
        lost.commit(lost.pull(), n_events=10, n_batches=5, in_flight=7, pull=False)
        with CentreClient(server.address, 0) as replacement:
            with pytest.raises(EOFError):  # the server speaks to one worker of this number
                lost.pull()
            assert replacement.progress[:3] == (1, 5, 10)
            assert replacement.progress.variables[0].tolist() == [0, 1, 2]
            assert server.in_flight[0] == 7


def test_a_commit_of_another_type_or_size_is_not_taken():
    wrong = np.zeros(N, np.float64), np.zeros(N - 1, np.float32)

    def work(number, client):
        client.begin(10)
        client.pull()
        with pytest.raises((EOFError, OSError)):
            client.commit(wrong[number], n_events=1, n_batches=1, in_flight=0, pull=False)

    server, _, weights = serve(DOWNPOUR(), 2, work)
    assert "instead of its weights" in str(server.messages.get(timeout=5).content)
    assert np.array_equal(server.centre.weights, weights)
    assert not server.commits


def test_an_error_of_a_rule_reaches_the_program():
    class Broken(DOWNPOUR):
        def update(self, centre, commit, pulled, staleness):
            raise RuntimeError("a rule of one's own")

    def work(_, client):
        client.begin(1)
        pulled = client.pull()
        with pytest.raises((EOFError, OSError)):
            client.commit(pulled, n_events=1, n_batches=1, in_flight=0, pull=False)

    server, _, _ = serve(Broken(), 1, work)
    message = server.messages.get(timeout=5)
    assert message.message_type == "server"
    assert str(message.content) == "a rule of one's own"
    expected = "the centre cannot be changed by worker 0, after 0 batches of epoch 1, under Broken"
    assert message.content.__notes__ == [expected]


def test_a_rule_may_compute_in_float64():
    class Halving(DOWNPOUR):
        def update(self, centre, commit, pulled, staleness):
            return centre + commit / np.sqrt(np.float64(staleness + 1))

    server, _, _ = serve(Halving(), 2, commits(Halving(), 5))
    assert server.centre.version == 10
    assert server.centre.weights.dtype == np.float32


def test_a_worker_that_does_not_come_delays_the_others_once(monkeypatch):
    monkeypatch.setattr(parameter_server, "START_LIMIT", 0.5)

    def work(number, client):
        if number == 1:
            return 0.0
        seconds = []
        for _ in range(2):
            start = time.monotonic()
            client.begin(10)
            seconds.append(time.monotonic() - start)
        return seconds

    _, (seconds, _), _ = serve(DOWNPOUR(), 2, work)
    assert seconds[0] >= 0.5
    assert seconds[1] < 0.4

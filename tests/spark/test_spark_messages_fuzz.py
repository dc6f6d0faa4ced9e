"""Whatever a worker's connection sends, heartbeat monitor and parameter server give messages or documented errors."""

import queue
import socket
import time
from contextlib import suppress

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from peer_messages import JSON, LENGTHS, messages, send_and_wait

from higgs_lib.spark import parameter_server
from higgs_lib.spark.heartbeat import HeartbeatMonitor
from higgs_lib.spark.parameter_server import REQUESTS, Centre, ParameterServer, Progress
from higgs_lib.spark.worker import Epoch
from higgs_lib.training.channel import Channel, ChannelError, Credentials, connect
from higgs_lib.training.update_rules import DOWNPOUR, Averaging

WEIGHTS = np.arange(4, dtype=np.float32)
NUMBERS = st.integers(0, 3) | LENGTHS
STATUS = ["host", 1, "training", 0.5]
STATE = {"lists": {"model": 1, "optimizer": 0, "best": 0}, "history": {}}
EPOCH = {"number": 1, "phases": dict.fromkeys(("input", "compute"), 1.0), "weights": "digest", "state": STATE}
TYPES = st.sampled_from(["hello", "alive", "epoch", "failed", "done", "lost", "job", "centre", "server"])
REPORTS = st.tuples(NUMBERS, TYPES, st.sampled_from([STATUS, [*STATUS, 5], EPOCH, ["own", "text", ""], None]) | JSON)

FIELDS = sorted({name for fields in REQUESTS.values() for name in fields})
VALUES = NUMBERS | st.booleans() | st.just({"measures": None, "phases": [0.0] * 7}) | JSON
CONTENTS = st.sampled_from(sorted(REQUESTS.values(), key=str)).flatmap(
    lambda fields: st.fixed_dictionaries(dict.fromkeys(fields, VALUES))
)
WANTED = st.tuples(st.sampled_from([*REQUESTS, "join"]), CONTENTS | st.dictionaries(st.sampled_from(FIELDS), VALUES))


def exchange(address, *sent: bytes) -> None:
    """Sends bytes as a peer that knows the secret, and reads until the other end has closed the connection."""
    with connect(address) as line:
        send_and_wait(line, b"".join(sent))


@pytest.fixture(scope="module")
def monitor():
    with HeartbeatMonitor("127.0.0.1", 3) as monitor:
        yield monitor


def hello(number: int) -> bytes:
    """The bytes of a worker's first message."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Channel(ours).send([number, "hello", [*STATUS, 5]])
        return theirs.recv(10_000)


@examples
@given(st.booleans(), messages(REPORTS, [WEIGHTS]))
def test_a_monitor_takes_what_workers_send_alone(monitor, is_worker, sent):
    exchange(monitor.address, *[hello(1)] * is_worker, sent)
    taken = [monitor.messages.get_nowait() for _ in range(monitor.messages.qsize())]
    assert {message.message_type for message in taken} <= {"hello", "alive", "epoch", "failed", "done", "lost"}
    assert {message.worker for message in taken} <= {0, 1, 2}
    assert not is_worker or taken[0][:2] == (1, "hello")
    monitor.hanging_worker(10.0)
    for message in taken:
        if message.message_type == "epoch":
            with suppress(ChannelError):
                Epoch.from_message(message.content, message.arrays)


@pytest.fixture(scope="module", params=[DOWNPOUR(), Averaging()], ids=repr)
def server(request):
    """A parameter server of one worker."""
    centre, progress = Centre(WEIGHTS, request.param, 1), [Progress(1, 0, 0, [WEIGHTS])]
    credentials = Credentials.create(encrypted=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameter_server, "START_LIMIT", 0.01)
        with ParameterServer("127.0.0.1", credentials, centre, progress, queue.Queue()) as server:
            yield server


JOIN = b"\0\0\0\x07[0, []]"


@examples
@given(st.booleans(), st.lists(messages(WANTED, [WEIGHTS]), min_size=1, max_size=3))
def test_a_server_answers_or_tells_the_program_of_one_error(server, joins, sent):
    server.progress[0], weights = Progress(1, 0, 0, [WEIGHTS]), server.centre.weights
    exchange(server.address, *[JOIN] * joins, *sent)
    told = [server.messages.get_nowait() for _ in range(server.messages.qsize())]
    for _, message_type, content, _ in told:
        assert message_type == "centre" or isinstance(content, ChannelError), repr(content)
    assert weights.shape == server.centre.weights.shape
    assert server.progress[0].epoch < 5


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (["commit", {"n_events": 1, "n_batches": 1, "in_flight": 0, "pull": False}], "commits before its first pull"),
        (["average", {"epoch": 1}], "asks for an average, which DOWNPOUR does not make"),
        (["epoch", {"number": 3, "seen": 1, "report": {}}], "ends epoch 3 in epoch 1"),
        (["begin", {"in_flight": -1}], "is no request of a worker"),
    ],
)
def test_a_request_that_cannot_be_is_named(request_, problem):
    centre, progress = Centre(WEIGHTS, DOWNPOUR(), 1), [Progress(1, 0, 0, [WEIGHTS])]
    credentials = Credentials.create(encrypted=False)
    with ParameterServer("127.0.0.1", credentials, centre, progress, queue.Queue()) as server:
        with connect(server.address) as line:
            peer = Channel(line)
            peer.send(0)
            peer.receive()
            peer.send(request_, [WEIGHTS])
            with pytest.raises((EOFError, OSError)):
                peer.receive()
        assert problem in str(server.messages.get(timeout=5).content)


def test_a_peer_that_declares_much_and_sends_nothing_takes_no_time(monitor):
    began = time.monotonic()
    for declared in (2**32 - 1, 2**26):
        exchange(monitor.address, declared.to_bytes(4, "big"))
    assert time.monotonic() - began < 5

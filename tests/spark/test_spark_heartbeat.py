import os
import subprocess
import sys
import time

import numpy as np
import pytest

from higgs_lib.spark import heartbeat
from higgs_lib.spark.heartbeat import Heartbeat, HeartbeatMonitor


def next_message(monitor, *skipped_types):
    """The next message of another type."""
    while (message := monitor.next_message(timeout=10)) is not None and message.message_type in skipped_types:
        pass
    return message


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def any_monitor(request):
    with HeartbeatMonitor("127.0.0.1", 4, encrypted=request.param) as monitor:
        yield monitor


@pytest.fixture
def monitor():
    with HeartbeatMonitor("127.0.0.1", 4) as monitor:
        yield monitor


def test_messages_of_a_worker_keep_their_order(any_monitor):
    monitor = any_monitor
    worker = Heartbeat(monitor.address, 3)
    worker.begin("reading events")
    worker.step()
    worker.report_epoch({"number": 1}, [np.arange(3), np.float32(2)])
    worker.report_done()
    message = next_message(monitor, "hello", "alive")
    assert message[:3] == (3, "epoch", {"number": 1})
    assert [array.tolist() for array in message.arrays] == [[0, 1, 2], 2]
    assert monitor.are_training(1)
    assert str(monitor.workers[3]).endswith(f"process {os.getpid()}, training")
    assert next_message(monitor).message_type == "done"
    assert monitor.next_message(timeout=0.3) is None
    assert not monitor.workers


WORKER = """
import sys, time
from higgs_lib.spark.heartbeat import Heartbeat
from higgs_lib.training.channel import Address, Credentials
credentials = Credentials(bytes.fromhex(sys.argv[2]))
heartbeat = Heartbeat(Address("127.0.0.1", int(sys.argv[1]), credentials), int(sys.argv[3]))
heartbeat.begin(sys.argv[4])
print("here", flush=True)
time.sleep(60)
"""


def process(monitor, number, activity, secret=None):
    address = monitor.address
    arguments = [str(address.port), (secret or address.credentials.secret).hex(), str(number), activity]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], **pipes)


def test_a_killed_process_is_lost_and_one_that_loses_the_monitor_ends():
    with HeartbeatMonitor("127.0.0.1", 4) as monitor:
        killed, left = process(monitor, 0, "training"), process(monitor, 1, "training")
        for worker in (killed, left):
            assert worker.stdout.readline() == "here\n"
        killed.kill()
        message = next_message(monitor, "hello", "alive")
        assert message[:2] == (0, "lost")
    assert left.wait(timeout=10) == 1
    for worker in (killed, left):
        worker.communicate()


def test_the_worker_that_hangs_is_named(monkeypatch, monitor):
    """Neither makes progress; one is silent, or both send heartbeats and one is not training."""
    monkeypatch.setattr(heartbeat, "SILENCE", 0.3)
    now = time.monotonic()
    for (silent, activity), hanging in {((5.0, "training"), 1), ((0.0, "reading events"), 1)}:
        monitor.workers = {
            0: heartbeat.WorkerStatus("host", 1, "training", now, 5.0),
            1: heartbeat.WorkerStatus("host", 2, activity, now - silent, 5.0),
        }
        assert monitor.hanging_worker(4.0) == (hanging, pytest.approx(5.0 + silent, abs=1))
        assert monitor.hanging_worker(20.0) is None
        assert list(monitor.silent_workers()) == ([1] if silent else [])


def test_a_stranger_is_rejected(monitor, caplog):
    caplog.set_level("INFO")
    stranger = process(monitor, 0, "training", secret=b"another")
    _, errors = stranger.communicate(timeout=20)
    assert "AuthenticationError: the peer does not know the secret" in errors
    worker = process(monitor, 1, "training")
    assert next_message(monitor).worker == 1
    assert "something that is no worker connected" in caplog.text
    worker.kill()
    worker.communicate()


def test_a_process_that_was_replaced_ends_and_is_no_loss(monitor):
    first = process(monitor, 0, "training")
    first.stdout.readline()
    second = process(monitor, 0, "building the model")
    second.stdout.readline()
    assert first.wait(timeout=10) == 1
    first.communicate()
    while (message := next_message(monitor)).message_type == "hello" or message.content[1] != second.pid:
        assert message.message_type in ("hello", "alive")
    assert monitor.workers[0].pid == second.pid
    second.kill()
    second.communicate()
    assert next_message(monitor, "hello", "alive").message_type == "lost"


def test_a_worker_that_waits_for_others_does_not_hang():
    monitor, now = HeartbeatMonitor("127.0.0.1", 4), time.monotonic()
    with monitor:
        monitor.workers = {0: heartbeat.WorkerStatus("host", 1, heartbeat.WAITING, now, 500.0)}
        assert monitor.hanging_worker(4.0) is None
        monitor.workers[0] = monitor.workers[0]._replace(heard=now - 11)
        assert monitor.hanging_worker(4.0) == (0, pytest.approx(511, abs=1))

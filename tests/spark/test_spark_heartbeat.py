import os
import subprocess
import sys
import time

import pytest

from higgs_lib.spark import heartbeat
from higgs_lib.spark.heartbeat import Heartbeat, HeartbeatMonitor


def heard(supervisor, *kinds):
    """The next message that is none of these kinds."""
    while (message := supervisor.next(timeout=10)) is not None and message.message_type in kinds:
        pass
    return message


@pytest.fixture
def supervisor():
    with HeartbeatMonitor("127.0.0.1") as supervisor:
        yield supervisor


def test_what_a_worker_says_is_heard_in_its_order(supervisor):
    reporter = Heartbeat(supervisor.address, 3)
    reporter.begins("reading events")
    reporter.steps()
    reporter.epoch("the first")
    reporter.done()
    assert heard(supervisor, "hello", "alive") == (3, "epoch", "the first")
    assert supervisor.are_training(1)
    assert str(supervisor.workers[3]).endswith(f"process {os.getpid()}, training")
    assert heard(supervisor).kind == "done"
    assert supervisor.next(timeout=0.3) is None
    assert not supervisor.workers


WORKER = """
import sys, time
from higgs_lib.supervision import Address, Reporter
reporter = Reporter(Address("127.0.0.1", int(sys.argv[1]), bytes.fromhex(sys.argv[2])), int(sys.argv[3]))
reporter.begins(sys.argv[4])
print("here", flush=True)
time.sleep(60)
"""


def process(supervisor, number, doing, secret=None):
    address = supervisor.address
    arguments = [str(address.port), (secret or address.secret).hex(), str(number), doing]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], **pipes)


def test_a_process_that_is_killed_is_lost_and_one_that_loses_the_supervisor_ends():
    with HeartbeatMonitor("127.0.0.1") as supervisor:
        killed, left = process(supervisor, 0, "training"), process(supervisor, 1, "training")
        for worker in (killed, left):
            assert worker.stdout.readline() == "here\n"
        killed.kill()
        message = heard(supervisor, "hello", "alive")
        assert message[:2] == (0, "lost")
    assert left.wait(timeout=10) == 1
    for worker in (killed, left):
        worker.communicate()


def test_the_one_that_hangs_is_named(monkeypatch, supervisor):
    """Both stand still; one is silent, or both beat and one is in no sum."""
    monkeypatch.setattr(heartbeat, "SILENCE", 0.3)
    now = time.monotonic()
    for (silent, doing), late in {((5.0, "training"), 1), ((0.0, "reading events"), 1)}:
        supervisor.workers = {
            0: heartbeat.WorkerStatus("host", 1, "training", now, 5.0),
            1: heartbeat.WorkerStatus("host", 2, doing, now - silent, 5.0),
        }
        assert supervisor.hanging(4.0) == late
        assert supervisor.hanging(20.0) is None
        assert list(supervisor.silent()) == ([1] if silent else [])


def test_a_stranger_is_not_heard(supervisor, caplog):
    stranger = process(supervisor, 0, "training", secret=b"another")
    _, errors = stranger.communicate(timeout=20)
    assert "AuthenticationError" in errors
    worker = process(supervisor, 1, "training")
    assert heard(supervisor).worker == 1
    assert "someone who is no worker of ours" in caplog.text
    worker.kill()
    worker.communicate()

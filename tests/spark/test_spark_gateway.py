"""The Java process of a session, in one process with it."""

import os
import signal
import sys
import time

import psutil
import pytest

from higgs_lib import spark
from higgs_lib.spark import ClusterError


def java():
    return [child for child in psutil.Process().children() if child.name() == "java"]


def test_a_session_is_quiet_and_private_and_taken_again(capfd):
    with spark.session("local[3]", settings={"spark.my.password": "swordfish"}) as session:
        assert spark.slots(session) == 3
        assert session.sparkContext.getConf().get("spark.my.password") == "swordfish"
        (process,) = java()
        assert "spark.master=local[3]" in process.cmdline()
        assert not any("swordfish" in word for word in process.cmdline())
        assert spark.session("local[3]") is session
        with pytest.raises(ClusterError, match=r"a session on local\[3\] is active, and differs in spark.master"):
            spark.session("local[2]")
    assert capfd.readouterr() == ("", "")


def test_what_java_writes_later_is_shown(capfd):
    shown, until = "", time.monotonic() + 10
    with spark.session("local[3]") as session:
        session.sparkContext.parallelize([0], 1).foreach(lambda _: print("from a task", file=sys.stderr))
        while "from a task" not in shown and time.monotonic() < until:
            time.sleep(0.05)
            shown += capfd.readouterr().err
    assert shown == "from a task\n"


def test_after_its_java_has_died_there_is_a_new_session():
    first = spark.session("local[3]")
    (process,) = java()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with spark.session("local[3]") as second:
        assert second is not first
        assert second.range(5).count() == 5


@pytest.mark.parametrize(
    ("master", "settings", "message"),
    [
        ("local[1]", {"spark.driver.memory": "much"}, "ended at its start: .*Invalid maximum heap size: -Xmxmuch"),
        ("local-cluster[1,1,500]", {}, "Asked to launch cluster with 500 MiB/worker but requested 1024 MiB/executor"),
    ],
)
def test_what_cannot_start_is_one_clear_error_and_leaves_nothing(master, settings, message, capfd):
    with pytest.raises(ClusterError, match=message) as caught:
        spark.session(master, settings=settings)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None or "Py4J" not in repr(caught.value.__cause__)
    assert java() == []
    assert capfd.readouterr() == ("", "")


def test_what_takes_too_long_is_ended():
    with pytest.raises(ClusterError, match="the application was not accepted within 0 s"):
        spark.session("local[1]", settings={"spark.scheduler.maxRegisteredResourcesWaitingTime": "0s"})
    assert java() == []

"""The Java process of a session, in one process with it."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from higgs_lib import spark
from higgs_lib.spark import ClusterError


def java():
    return [child for child in psutil.Process().children() if child.name() == "java"]


def test_a_session_is_quiet_and_private_and_returned_again(capfd):
    with spark.session("local[3]", settings={"spark.my.password": "swordfish"}) as session:
        assert spark.slots(session) == 3
        assert session.sparkContext.getConf().get("spark.my.password") == "swordfish"
        (process,) = java()
        properties = Path(process.cmdline()[process.cmdline().index("--properties-file") + 1])
        assert not properties.parent.exists()
        assert not any("swordfish" in word for word in process.cmdline())
        assert spark.session("local[3]") is session
        with pytest.raises(ClusterError, match=r"a session on local\[3\] is active, and differs in spark.master"):
            spark.session("local[2]")
    assert capfd.readouterr() == ("", "")


def test_settings_reach_spark_as_they_are():
    settings = {"spark.my.path": "C:\\new\\folder", "spark.my.text": "é = #1 : \\u0041", "spark.my.lines": "a\nb"}
    with spark.session("local[3]", settings=settings) as session:
        properties = session.sparkContext._jvm.System.getProperties()  # what Spark read from the file
        assert {name: properties.get(name) for name in settings} == settings


def test_stderr_of_a_running_session_is_shown(capfd):
    shown = ""
    with spark.session("local[3]") as session:
        session.sparkContext.parallelize([0], 1).foreach(lambda _: print("from a task", file=sys.stderr))
        until = time.monotonic() + 10
        while "from a task" not in shown and time.monotonic() < until:
            time.sleep(0.05)
            shown += capfd.readouterr().err
    assert shown == "from a task\n"


def test_a_session_whose_java_process_died_is_replaced():
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
def test_a_failed_start_is_one_clear_error_and_leaves_nothing(master, settings, message, capfd):
    with pytest.raises(ClusterError, match=message) as error:
        spark.session(master, settings=settings)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is None or "Py4J" not in repr(error.value.__cause__)
    assert java() == []
    assert capfd.readouterr() == ("", "")


def test_a_start_that_takes_too_long_is_ended():
    with pytest.raises(ClusterError, match="the application was not accepted within 0 s"):
        spark.session("local[1]", settings={"spark.scheduler.maxRegisteredResourcesWaitingTime": "0s"})
    assert java() == []

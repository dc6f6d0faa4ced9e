"""The Java process of a session, in one process with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from higgs_lib import environment, spark
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


def test_a_session_is_not_the_users_other_spark(tmp_path, monkeypatch, capfd):
    """Another Spark, its defaults, Python and arguments, and another checkout of this library on the path."""
    (tmp_path / "spark-defaults.conf").write_text("spark.executor.memory much\nspark.plugins no.such.Class\n")
    (tmp_path / "spark-env.sh").write_text("echo sourced >&2\n")
    (tmp_path / "other" / "higgs_lib").mkdir(parents=True)
    (tmp_path / "other" / "higgs_lib" / "__init__.py").write_text("")
    values = {
        "SPARK_HOME": "/opt/another-spark",
        "SPARK_CONF_DIR": str(tmp_path),
        "SPARK_SUBMIT_OPTS": "-Xmx1k",
        "SPARK_REMOTE": "sc://nowhere",
        "SPARK_DRIVER_MEMORY": "much",
        "SPARK_LOCAL_DIRS": str(tmp_path / "local"),
        "PYSPARK_SUBMIT_ARGS": "--version",
        "PYSPARK_PYTHON": "/no/such/python",
        "PYTHONPATH": str(tmp_path / "other"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    before = dict(os.environ)
    with spark.session("local[1]", settings={"spark.my.kind": "hostile"}) as session:
        task = session.sparkContext.parallelize([0], 1).map(lambda _: (sys.executable, spark.__file__))
        assert task.collect() == [(sys.executable, spark.__file__)]
        assert list((tmp_path / "local").iterdir())
    assert {name: os.environ[name] for name in before} == before
    assert capfd.readouterr() == ("", "")


def test_only_a_cluster_over_a_network_has_defaults_of_its_administrator(monkeypatch):
    monkeypatch.setenv("SPARK_CONF_DIR", "/etc/spark")
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop")
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1234")
    for over_network in (False, True):
        seen = environment.spark_variables(over_network=over_network)
        assert ("SPARK_CONF_DIR" in seen) == over_network
        assert (seen["HADOOP_CONF_DIR"], seen["PYSPARK_GATEWAY_PORT"]) == ("/etc/hadoop", "1234")
        assert seen["JAVA_TOOL_OPTIONS"] == os.environ["JAVA_TOOL_OPTIONS"]


INTERRUPTED = """
import sys, threading, time, _thread, psutil
from higgs_lib import spark
began = time.monotonic()
threading.Timer(float(sys.argv[1]), _thread.interrupt_main).start()
try:
    spark.session("local[1]")
    time.sleep(60)
except KeyboardInterrupt:
    until = time.monotonic() + 20
    while psutil.Process().children(recursive=True) and time.monotonic() < until:
        time.sleep(0.1)
    print([child.name() for child in psutil.Process().children(recursive=True)], threading.active_count())
"""


def test_an_interrupted_start_leaves_no_process():
    """In a program that goes on; the moment is that in which the Java process has begun, but not yet answered."""
    answer = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "1.5"], capture_output=True, text=True, timeout=100, check=True
    )
    assert answer.stdout == "[] 1\n"
    assert not answer.stderr


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

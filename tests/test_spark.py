import os
import sys

import pytest

from higgs_lib import spark
from higgs_lib.data import origin
from higgs_lib.spark import JavaError


def test_a_session_reads_the_events_with_this_python(events):
    with spark.session("local-cluster[1,1,1024]") as session:
        frame = session.read.parquet(str(events))
        assert frame.count() == origin(events).n_events
        places = session.sparkContext.parallelize([0], 1).map(lambda _: (sys.executable, os.getpid())).collect()
    assert places[0][0] == sys.executable
    assert places[0][1] != os.getpid()


def test_java_is_new_enough():
    home = spark.find_java()
    assert home is not None
    assert spark._java_version(home / "bin" / "java") >= spark.JAVA_NEEDED


def test_without_java_one_error_says_what_to_install(monkeypatch, tmp_path):
    import jdk

    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(spark, "environment_java", lambda: tmp_path)
    monkeypatch.setattr(jdk, "install", unreachable)
    with pytest.raises(JavaError, match=r"Java 17 or newer.*no network.*apt install openjdk-17"):
        spark.ensure_java()


def test_an_old_or_broken_java_is_not_taken(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    assert spark._java_version(java) == 11
    java.write_text("#!/bin/sh\nexit 3\n")
    assert spark._java_version(java) == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(spark, "environment_java", lambda: tmp_path / "none")
    assert spark.find_java() is None

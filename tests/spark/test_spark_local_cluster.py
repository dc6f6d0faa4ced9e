"""A real cluster, started as `make cluster` does, and sessions on it."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import psutil
import pytest

from higgs_lib import models, spark, training
from higgs_lib.data import COMPLETE, EventStream
from higgs_lib.models import ModelSpec
from higgs_lib.spark import ClusterError, daemons, local_cluster, synchronous
from higgs_lib.training import TrainConfig


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "higgs_lib", "cluster", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a running cluster of two workers."""
    folder = tmp_path_factory.mktemp("cluster")
    answer = command("start", "--folder", folder, "--workers", 2)
    assert answer.returncode == 0, answer.stderr
    assert f"2 workers with 1 core(s) and 2g each: {local_cluster.running(folder).url}" in answer.stdout
    yield folder
    local_cluster.stop(folder)


def java_of_this_process():
    return [child.pid for child in psutil.Process().children(recursive=True) if "java" in child.name()]


def places(session):
    """The executor and the Python of two tasks, slow enough for every executor to get one."""

    def place(_):
        time.sleep(1)
        return os.getppid(), sys.executable

    return session.sparkContext.parallelize(range(2), 2).map(place).collect()


def daemons_and_executors(cluster):
    daemons = [psutil.Process(pid) for pid, _ in cluster.processes]
    return daemons + [child for daemon in daemons for child in daemon.children() if "java" in child.name()]


def listening(processes):
    """The addresses at which they can be reached."""
    connections = [connection for process in processes for connection in process.net_connections("inet")]
    return {c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN}


def test_a_job_runs_on_both_workers_over_authenticated_loopback(folder):
    cluster = local_cluster.running(folder)
    secret = (folder / "secret").read_text()
    with spark.session(cluster.url) as session:
        assert spark.slots(session) == 2
        assert session.sparkContext.getConf().get("spark.authenticate.secret") == secret
        executors_and_pythons = places(session)
        assert spark.session(cluster.url) is session
        processes = daemons_and_executors(cluster)
        assert listening([*processes, *map(psutil.Process, java_of_this_process())]) == {"127.0.0.1"}
        lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert len({executor for executor, _ in executors_and_pythons}) == 2
    assert {python for _, python in executors_and_pythons} == {sys.executable}
    assert len(processes) == 3 + 2
    assert sum("org.apache.spark.executor.CoarseGrainedExecutorBackend" in line for line in lines) >= 2
    assert not any(secret in word for line in lines for word in line)


def test_the_workers_of_a_real_cluster_train_as_one_process_does(folder, events):
    streams = EventStream.open(events, COMPLETE, range(8000)), EventStream.open(events, COMPLETE, range(8000, 10_000))
    spec = ModelSpec((20, 20))
    config = TrainConfig(epochs=2, batch_size=256)
    weights = []
    with spark.session(local_cluster.running(folder).url) as session:
        for fit, options in ((partial(synchronous.fit, session), {"n_workers": 2}), (training.fit, {})):
            parts = streams if options else [stream.load() for stream in streams]
            model = models.build(spec, models.standardisation(streams[0]), seed=1)
            optimizer = models.optimizer(spec, 8000, config.batch_size, config.epochs)
            fit(model, optimizer, *parts, config, **options, seed=1, jit_compile=False)
            weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert weights[0] == pytest.approx(weights[1], abs=2e-6)


def test_the_secret_is_in_private_files_alone(folder):
    url, secret = local_cluster.running(folder).url, (folder / "secret").read_text()
    assert len(secret) == 64
    assert local_cluster.secret_of(url) == secret
    assert local_cluster.secret_of("spark://127.0.0.1:1") == ""
    holders = [path for path in folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]
    assert {path.name for path in holders} == {"secret", "spark.properties"}
    assert {path.stat().st_mode & 0o777 for path in holders} == {0o600}


@pytest.mark.parametrize("options", [{"secret": "of another cluster"}, {"encrypted": False}])
def test_a_wrong_or_missing_secret_is_refused(folder, options, capfd):
    start = time.monotonic()
    with pytest.raises(ClusterError, match="the master refused this application"):
        spark.session(local_cluster.running(folder).url, **options)
    assert time.monotonic() - start < 60
    assert java_of_this_process() == []
    assert capfd.readouterr() == ("", "")


def test_a_session_without_room_on_any_worker_is_an_error(folder):
    settings = {"spark.executor.memory": "8g", "spark.scheduler.maxRegisteredResourcesWaitingTime": "4s"}
    with pytest.raises(ClusterError, match=r"0 of at least 1 executors came within 4s.* none has 8g of memory free"):
        spark.session(local_cluster.running(folder).url, settings=settings)
    assert java_of_this_process() == []


def test_a_second_start_leaves_the_cluster_as_it_is(folder):
    cluster = local_cluster.running(folder)
    answer = command("start", "--folder", folder, "--workers", 3)
    assert answer.returncode == 0
    assert cluster.url in answer.stdout
    assert "this cluster runs already" in answer.stderr
    assert local_cluster.running(folder) == cluster


def test_stop_ends_all_processes_and_is_quiet_if_nothing_runs(folder):
    cluster = local_cluster.running(folder)
    os.kill(cluster.processes[2][0], signal.SIGKILL)
    while daemons.process(*cluster.processes[2]):
        time.sleep(0.05)
    with pytest.raises(ClusterError, match="only 2 of 3 processes of the cluster run"):
        local_cluster.running(folder)
    assert command("stop", "--folder", folder).stdout == f"Spark cluster of {folder}: stopped\n"
    assert [daemons.process(*process) for process in cluster.processes] == [None] * 3
    assert not any(str(folder) in " ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    assert not (folder / "secret").exists()
    answer = command("stop", "--folder", folder)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_a_failed_start_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(ClusterError, match="workers=0, cores=1, memory='2g'; give positive numbers"):
        local_cluster.start(tmp_path / "cluster", workers=0)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(
        "#!/bin/sh\n[ $1 = -version ] && echo 'openjdk version \"17\"' >&2 || { echo no heap >&2; exit 1; }\n"
    )
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    before = psutil.Process().children()
    with pytest.raises(ClusterError, match=r"did not start: no heap; .*master\.log has the rest"):
        local_cluster.start(tmp_path / "cluster")
    assert sorted(path.name for path in (tmp_path / "cluster").iterdir()) == ["lock", "master.log"]
    assert psutil.Process().children() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"url": 1}', "\xff\xfe"])
def test_a_record_that_cannot_be_read_is_one_sentence_and_stop_removes_it(tmp_path, text):
    (tmp_path / "cluster.json").write_text(text, encoding="latin-1")
    answer = command("start", "--folder", tmp_path) if not text else None
    with pytest.raises(ClusterError, match=r"cluster\.json: does not say what runs there.*`cluster stop --folder"):
        local_cluster.running(tmp_path)
    if answer:
        assert answer.returncode == 1
        assert answer.stderr.count("\n") == 1
    local_cluster.stop(tmp_path)
    assert local_cluster.running(tmp_path) is None


def test_processes_are_ended_without_their_record_and_others_of_the_same_number_are_not(tmp_path):
    """A process that looks like a master; and one whose pid a record names that was written before it began."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    settings = str(tmp_path.resolve() / "spark.properties")
    with (
        subprocess.Popen([*sleep, daemons.MASTER, "--properties-file", settings]) as master,
        subprocess.Popen(sleep) as other,
    ):
        processes = [[other.pid, psutil.Process(other.pid).create_time() - 60]]
        size = {"url": "", "workers": 1, "cores": 1, "memory": "1g"}
        (tmp_path / "cluster.json").write_text(json.dumps(size | {"processes": processes}))
        assert local_cluster.running(tmp_path) is None
        assert local_cluster.stop(tmp_path)
        assert master.wait(timeout=5) is not None
        assert other.poll() is None
        other.kill()


def test_one_of_two_starts_waits_for_the_other(tmp_path, monkeypatch):
    def slowly(folder, cluster):
        begun.append(folder)
        time.sleep(0.5)
        created = psutil.Process().create_time()
        local_cluster._save(replace(cluster, processes=[(os.getpid(), created)] * 2), folder)
        return local_cluster.running(folder)

    begun = []
    monkeypatch.setattr(local_cluster, "_start", slowly)
    with ThreadPoolExecutor(2) as threads:
        clusters = list(threads.map(lambda _: local_cluster.start(tmp_path, workers=1), range(2)))
    assert clusters[0] == clusters[1]
    assert len(begun) == 1


def test_a_folder_that_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(path, settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file").write_text("")
    with pytest.raises(ClusterError, match=r"file/cluster: the cluster cannot write .* \(Not a directory\); make room"):
        local_cluster.start(tmp_path / "file" / "cluster")
    monkeypatch.setattr(local_cluster, "write_properties", full)
    with pytest.raises(ClusterError, match=r"cannot write its settings and logs there \(No space left on device\)"):
        local_cluster.start(tmp_path / "cluster")
    assert [path.name for path in (tmp_path / "cluster").iterdir()] == ["lock"]

"""The executors of a Spark session: waiting until their number has settled."""

import os
import secrets
import sys
import time
from pathlib import Path

from higgs_lib.spark import gateway, java, local_cluster, master
from higgs_lib.spark.local_cluster import ClusterError

LIMIT = "spark.scheduler.maxRegisteredResourcesWaitingTime"  # Spark's own setting, how long they are waited for
SETTLED = 2.0  # seconds without another executor


def wait_for_executors(context, until: float) -> None:
    """Returns when their number has settled; ClusterError if there are too few until that time."""
    conf, java_context = context.getConf(), context._jsc.sc()
    if master.in_one_process(context.master) or conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        return
    needed, changed, found = _needed(context), 0.0, -1
    while not java_context.isStopped() and time.monotonic() < until:
        now = java_context.schedulerBackend().getExecutorIds().size()
        if now != found:
            found, changed = now, time.monotonic()
        # a local cluster has said how many it will have
        complete = bool(master.workers_of_local_cluster(context.master)) or time.monotonic() - changed > SETTLED
        if found >= needed and complete:
            return
        time.sleep(0.1)
    if java_context.isStopped():
        raise ClusterError(f"{context.master}: the application was ended from there; the logs of its workers tell why")
    raise ClusterError(_too_few(context, found, needed))


def _needed(context) -> int:
    if context.master.startswith("spark://"):  # which gives what it has
        return 1
    return master.workers_of_local_cluster(context.master) or int(context.getConf().get("spark.executor.instances", 1))


def _too_few(context, found: int, needed: int) -> str:
    conf = context.getConf()
    memory = conf.get("spark.executor.memory", "1g")
    return (
        f"{context.master}: {max(found, 0)} of at least {needed} executors came within {conf.get(LIMIT)}: the workers' "
        f"cores are taken by another application, or none has {memory} of memory free for an executor. Stop what runs "
        "there, or ask for less with settings, e.g. {'spark.executor.memory': '512m'}"
    )


SECRET_FILE = "HIGGS_SPARK_SECRET_FILE"
SECRET = "spark.authenticate.secret"


def session(
    master: str = "local[*]",
    name: str = "higgs_lib",
    *,
    secret: str = "",
    encrypted: bool | None = None,
    settings: dict[str, str] | None = None,
):
    """A Spark session on `master`, with Arrow on, quiet, that returns once its executors are there.

    `master` is local[n], local-cluster[n,cores,MB], spark://host:port, yarn or k8s://https://host:port; `settings` are
    Spark's own, and go before those made here. A session with the same settings is taken again.

    With `encrypted` all channels of Spark are authenticated and encrypted; None means where a network is crossed, and
    on loopback where there is a secret. A standalone master's `secret` is by default the one of this machine's cluster
    at that URL (`cluster.start`), else of the file that HIGGS_SPARK_SECRET_FILE names. Other masters make their own.

    Workers run this environment's Python, at the same path; with spark.archives the one of the first archive
    (./name/bin/python, where name is what follows #); with spark.pyspark.python that.

    Executors are waited for as long as spark.scheduler.maxRegisteredResourcesWaitingTime, by default 120 s, on YARN
    and Kubernetes 300 s. ClusterError says why a session cannot be had, or which one has to be stopped before; nothing
    is left of it then. JavaError where there is no Java.
    """
    environment = {"JAVA_HOME": str(java.ensure_java()), "PYSPARK_DRIVER_PYTHON": sys.executable}
    environment["PYSPARK_PYTHON"] = _workers_python(master, settings or {})
    os.environ.update(environment)
    master.check(master)
    wanted = _settings(master, name) | _channels(master, secret, encrypted) | (settings or {})
    here = {"SPARK_LOCAL_IP": local_cluster.HOST} if master.on_this_machine(master) else {}
    return _active(wanted) or _start(wanted, environment | here)


def slots(session) -> int:
    """How many tasks can run at once now: the executors' cores by the cores that a task takes."""
    context = session.sparkContext._jsc.sc()
    return context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile())


def _workers_python(master: str, settings: dict[str, str]) -> str:
    if "spark.pyspark.python" in settings:
        return settings["spark.pyspark.python"]
    if "spark.archives" in settings and not master.in_one_process(master):
        path, _, alias = settings["spark.archives"].split(",")[0].partition("#")
        return f"./{alias or Path(path).name}/bin/python"
    return sys.executable


def _settings(master: str, name: str) -> dict[str, str]:
    common = {
        "spark.master": master,
        "spark.app.name": name,
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if master.on_this_machine(master):
        return common | {
            "spark.driver.host": local_cluster.HOST,
            "spark.driver.bindAddress": local_cluster.HOST,
            LIMIT: "120s",
        }
    if master == "yarn":  # which by default tries to reach an absent one for a quarter of an hour
        common["spark.hadoop.yarn.resourcemanager.connect.max-wait.ms"] = "30000"
        common["spark.hadoop.yarn.resourcemanager.connect.retry-interval.ms"] = "5000"
        common["spark.hadoop.ipc.client.connect.max.retries"] = "2"
    return common | {LIMIT: "120s" if master.startswith("spark://") else "300s"}


def _channels(master: str, secret: str, encrypted: bool | None) -> dict[str, str]:
    """Spark's settings for authentication and encryption."""
    if encrypted is False:
        return {"spark.authenticate": "false", "spark.network.crypto.enabled": "false"}
    standalone = master.startswith("spark://")
    if standalone:
        secret = secret or local_cluster.secret_of(master) or _secret_file()
    if not (encrypted or secret or not master.on_this_machine(master)):
        return {}
    if standalone and not secret:
        raise ClusterError(
            f"{master}: the master's secret is needed; give secret=..., or a file's path in {SECRET_FILE}, "
            "or encrypted=False for a master without one on a network that you trust"
        )
    return local_cluster.CHANNELS | ({SECRET: secret} if secret else {})


def _secret_file() -> str:
    path = os.environ.get(SECRET_FILE)
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ClusterError(f"{path}, named by {SECRET_FILE}, cannot be read: {error.strerror}; correct it") from error


def _active(wanted: dict[str, str]):
    """The active session if it has the settings `wanted`, None if there is none; ClusterError if it has others."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    context = SparkContext._active_spark_context
    if context is None:
        return None
    if not gateway.alive() or context._jsc.sc().isStopped():
        _discard(context)
        return None
    given = dict(context.getConf().getAll())
    others = sorted(key for key, value in wanted.items() if key != "spark.app.name" and given.get(key) != value)
    if others:
        raise ClusterError(
            f"{wanted['spark.master']}: a session on {context.master} is active, and differs in {', '.join(others)}; "
            "stop it first (its method stop)"
        )
    return SparkSession.builder.getOrCreate()


def _start(wanted: dict[str, str], environment: dict[str, str]):
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark import SparkConf

    master = wanted["spark.master"]
    with gateway.opened(wanted, environment) as jvm:
        try:
            conf = SparkConf(_jvm=jvm).setAll(wanted.items())
            if master.workers_of_local_cluster(master) and conf.get("spark.authenticate", "") == "true":
                conf.setIfMissing(SECRET, secrets.token_hex(32))
            if master.startswith("spark://"):
                master.probe(jvm, conf._jconf, master)
            return _begin(conf, conf._jconf.getTimeAsSeconds(LIMIT))
        except Py4JJavaError as error:  # without it as the cause, as its text is Java's stack trace
            raise ClusterError(f"{master}: Spark did not start: {_told(error.java_exception)}") from None
        except (Py4JError, OSError) as error:  # OSError where the process has gone
            raise ClusterError(f"{master}: Spark's Java process ended while it started: {error}") from None


def _begin(conf, seconds: float):
    """A session whose executors are there; they and the master have so long."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    until = time.monotonic() + seconds
    context = None
    try:
        with gateway.limited(seconds, f"{conf.get('spark.master')}: the application was not accepted"):
            context = SparkContext(conf=conf)
        wait_for_executors(context, until)
        context.setLogLevel("ERROR")
        return SparkSession.builder.getOrCreate()
    except BaseException:
        _discard(context)
        raise


def _discard(context) -> None:
    """Stops what can be stopped of a session that cannot be used."""
    if context is None:
        return
    if not gateway.alive():
        context._jsc = None  # else `stop` would ask a process that has gone
    context.stop()


def _told(java_exception) -> str:
    """What a Java exception says, and its first cause, in one line each."""
    texts = [java_exception.toString()]
    while (java_exception := java_exception.getCause()) is not None:
        texts.append(java_exception.toString())
    first, last = (text.splitlines()[0] for text in (texts[0], texts[-1]))
    return first if last in first else f"{first} ({last})"

"""The Spark session: opened with clear errors, once its executors are there."""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from higgs_lib import environment
from higgs_lib.spark import gateway, java, java_errors, local_cluster
from higgs_lib.spark import master as masters
from higgs_lib.spark.local_cluster import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SECRET_FILE = "HIGGS_SPARK_SECRET_FILE"
SECRET = "spark.authenticate.secret"
WAITING_TIME = "spark.scheduler.maxRegisteredResourcesWaitingTime"  # Spark's own limit for executors to register
ACCEPTANCE_LIMIT = 50.0  # seconds, for a standalone master; after 60 s Spark gives up and leaves half of a session
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # a local cluster then starts in 2/3 of the time
SETTLING_TIME = 2.0  # seconds without another executor after which their number counts as final


def session(
    master: str = "local[*]",
    name: str = "higgs_lib",
    *,
    secret: str = "",
    encrypted: bool | None = None,
    settings: dict[str, str] | None = None,
) -> "SparkSession":
    """Opens a Spark session, or returns the active one if it has the same settings, once its executors are there.

    Args:
        master: local[n], local-cluster[n,cores,MB], spark://host:port, yarn or k8s://https://host:port.
        name: of the application.
        secret: of a standalone master; by default that of this machine's cluster at this URL (`local_cluster.start`),
            else the content of the file that the variable HIGGS_SPARK_SECRET_FILE names. YARN and Kubernetes make
            their own secrets.
        encrypted: whether all channels of Spark are authenticated and encrypted; None: if they cross a network, or if
            the master has a secret.
        settings: Spark's own settings, which override those made here. Workers run this environment's Python at the
            same path, or with spark.archives that of the first archive (./name/bin/python, where name is what
            follows #), or spark.pyspark.python. The time to wait for executors is
            spark.scheduler.maxRegisteredResourcesWaitingTime: 120 s, or 300 s on YARN and Kubernetes. Of the
            environment variables of Spark only those in `environment.PASSED_ON` count, and SPARK_CONF_DIR with its
            spark-defaults.conf only over a network.

    Returns:
        The session, with Arrow switched on. Its errors are raised, and Spark itself logs nothing unless
        `session.sparkContext.setLogLevel` asks for it; executors have logs of their own.

    Raises:
        ClusterError: the session cannot be opened, or another one is active; nothing is left of the failed one.
        JavaError: there is no Java.
    """
    home, is_local = java.ensure_java(), masters.on_this_machine(master)
    masters.check(master)
    variables = environment.spark_variables(over_network=not is_local) | {
        "JAVA_HOME": str(home),
        "SPARK_HOME": str(local_cluster.spark_home()),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYSPARK_PYTHON": _worker_python(master, settings or {}),
    }
    if is_local:
        variables["SPARK_LOCAL_IP"] = local_cluster.HOST
    settings = _settings(master, name) | _channels(master, secret, encrypted) | (settings or {})
    with environment.replaced(variables):
        return _active(settings) or _start(settings, variables["PYTHONPATH"])


def slots(session: "SparkSession") -> int:
    """Returns the number of tasks that can run at once: the executors' cores over the cores of a task."""
    context = session.sparkContext._jsc.sc()
    return context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile())


def _worker_python(master: str, settings: dict[str, str]) -> str:
    """Returns the path of the Python that workers run."""
    if "spark.pyspark.python" in settings:
        return settings["spark.pyspark.python"]
    if "spark.archives" in settings and not masters.in_one_process(master):
        path, _, alias = settings["spark.archives"].split(",")[0].partition("#")
        return f"./{alias or Path(path).name}/bin/python"
    return sys.executable


def _settings(master: str, name: str) -> dict[str, str]:
    """Returns Spark's settings for a master, except those of its channels."""
    common = {
        "spark.master": master,
        "spark.app.name": name,
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # by default Hadoop tries to reach an absent file system for a quarter of an hour
        "spark.hadoop.ipc.client.connect.max.retries": "2",
        "spark.hadoop.ipc.client.connect.max.retries.on.timeouts": "2",
    }
    if masters.on_this_machine(master):
        host = local_cluster.HOST
        if masters.workers_of_local_cluster(master):
            common |= {f"spark.{part}.extraJavaOptions": QUICK_JAVA for part in ("driver", "executor")}
        return common | {"spark.driver.host": host, "spark.driver.bindAddress": host, WAITING_TIME: "120s"}
    if master == "yarn":  # which by default tries to reach an absent resource manager for a quarter of an hour
        common["spark.hadoop.yarn.resourcemanager.connect.max-wait.ms"] = "30000"
        common["spark.hadoop.yarn.resourcemanager.connect.retry-interval.ms"] = "5000"
    return common | {WAITING_TIME: "120s" if master.startswith("spark://") else "300s"}


def _channels(master: str, secret: str, encrypted: bool | None) -> dict[str, str]:
    """Returns Spark's settings for authentication and encryption; ClusterError if there is no secret for them."""
    if encrypted is False:
        return {"spark.authenticate": "false", "spark.network.crypto.enabled": "false"}
    standalone = master.startswith("spark://")
    if standalone:
        secret = secret or local_cluster.secret_of(master) or _secret_file()
    if not (encrypted or secret or not masters.on_this_machine(master)):
        return {}
    if standalone and not secret:
        raise ClusterError(
            f"{master}: the master's secret is needed; give secret=..., or a file's path in {SECRET_FILE}, "
            "or encrypted=False for a master without one on a network that you trust"
        )
    return local_cluster.CHANNELS | ({SECRET: secret} if secret else {})


def _secret_file() -> str:
    """Returns the secret in the file that the environment names; an empty string if it names none."""
    path = os.environ.get(SECRET_FILE)
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ClusterError(f"{path}, named by {SECRET_FILE}, cannot be read: {error.strerror}; correct it") from error


def _active(settings: dict[str, str]):
    """Returns the active session, None if there is none; ClusterError if it has other settings."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    context = SparkContext._active_spark_context
    if context is None:
        return None
    if not gateway.is_alive() or context._jsc.sc().isStopped():
        _discard(context)
        return None
    present = dict(context.getConf().getAll())
    others = sorted(key for key, value in settings.items() if key != "spark.app.name" and present.get(key) != value)
    if others:
        raise ClusterError(
            f"{settings['spark.master']}: a session on {context.master} is active, and differs in {', '.join(others)}; "
            "stop it first (its method stop)"
        )
    return SparkSession.builder.getOrCreate()


def _start(settings: dict[str, str], import_path: str):
    """Starts a session and waits for its executors; ends its Java process after an error.

    Tasks import what this program does, from `import_path` where their machine has it: the environment that they run in
    may have another copy of this library installed.
    """
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    url, context = settings["spark.master"], None
    with gateway.launch(settings) as errors:
        try:
            conf = SparkConf().setAll(settings.items())
            if masters.workers_of_local_cluster(url) and conf.get("spark.authenticate", "") == "true":
                conf.setIfMissing(SECRET, secrets.token_hex(32))
            seconds = conf._jconf.getTimeAsSeconds(WAITING_TIME)
            with gateway.time_limit(ACCEPTANCE_LIMIT if url.startswith("spark://") else seconds, url, errors):
                context = SparkContext(conf=conf)
            context.environment["PYTHONPATH"] = import_path
            _wait_for_executors(context, seconds)
            context.setLogLevel("OFF")  # what fails is raised, in one sentence
            return SparkSession.builder.getOrCreate()
        except Py4JJavaError as error:  # not as the cause, as its text is Java's stack trace
            raise ClusterError(f"{url}: Spark did not start: {java_errors.sentence(error)}") from None
        except (Py4JError, OSError) as error:  # OSError where the process has gone
            raise ClusterError(f"{url}: Spark's Java process ended while it started: {error}") from None
        except BaseException:
            _discard(context)
            raise


def _wait_for_executors(context, seconds: float) -> None:
    """Waits until the number of executors has settled; ClusterError if there are too few after so many seconds."""
    until = time.monotonic() + seconds
    conf, java_context = context.getConf(), context._jsc.sc()
    if masters.in_one_process(context.master) or conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        return
    n_local = masters.workers_of_local_cluster(context.master)
    # a standalone master gives what it has
    n_needed = 1 if context.master.startswith("spark://") else n_local or int(conf.get("spark.executor.instances", 1))
    n_executors, changed = -1, 0.0
    while not java_context.isStopped() and time.monotonic() < until:
        now = java_context.schedulerBackend().getExecutorIds().size()
        if now != n_executors:
            n_executors, changed = now, time.monotonic()
        # a local cluster has said how many it will have
        settled = n_local or time.monotonic() - changed > SETTLING_TIME
        if n_executors >= n_needed and settled:
            return
        time.sleep(0.1)
    if java_context.isStopped():
        raise ClusterError(f"{context.master}: the cluster ended the application; the logs of its workers say why")
    memory = conf.get("spark.executor.memory", "1g")
    raise ClusterError(
        f"{context.master}: {max(n_executors, 0)} of at least {n_needed} executors came within "
        f"{conf.get(WAITING_TIME)}: the workers' cores are taken by another application, or none has {memory} of "
        "memory free for an executor. Stop what runs there, or ask for less with settings, e.g. "
        "{'spark.executor.memory': '512m'}"
    )


def _discard(context) -> None:
    """Stops what can be stopped of a session that cannot be used."""
    if context is None:
        return
    if not gateway.is_alive():
        context._jsc = None  # else `stop` would ask a process that has gone
    context.stop()

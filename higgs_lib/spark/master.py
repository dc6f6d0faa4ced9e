"""Spark's master, by its URL: which hosts it names, and whether it answers; asked before a session is begun."""

import ipaddress
import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from higgs_lib.spark.local_cluster import ClusterError

CONNECT_LIMIT = 5.0  # seconds, for each address
ANSWER_LIMIT = "20s"  # for a master to answer as one

KINDS = "local[4], local-cluster[2,1,1024], spark://host:7077, yarn or k8s://https://host:6443"


def in_one_process(url: str) -> bool:
    """Whether the tasks run in the application's own Java process."""
    return re.fullmatch(r"local(\[.*\])?", url) is not None


def workers_of_local_cluster(url: str) -> int:
    """The n of local-cluster[n,cores,MB]; 0 for another master."""
    found = re.fullmatch(r"local-cluster\[\s*(\d+)\s*,\s*\d+\s*,\s*\d+\s*\]", url)
    return int(found[1]) if found else 0


def on_this_machine(url: str) -> bool:
    """Whether no network is crossed: local, local-cluster, or a standalone master on loopback."""
    if in_one_process(url) or workers_of_local_cluster(url):
        return True
    return url.startswith("spark://") and all(_is_loopback(host) for host, _ in _addresses(url))


def check(url: str) -> None:
    """ClusterError where no master can be at `url`: not a master's URL, an unknown host, or nothing that listens.

    Of several masters, spark://host1:port,host2:port, one that listens is enough.
    """
    if in_one_process(url) or workers_of_local_cluster(url):
        return
    if url == "yarn":
        _check_yarn()
        return
    failed = [reason for host, port in _addresses(url) if (reason := _unreachable(host, port))]
    if len(failed) == len(_addresses(url)):
        raise ClusterError(f"{url}: {'; '.join(failed)}. Is the master running, and is this its URL?")


def probe(jvm, conf, url: str) -> None:
    """Asks the standalone master at `url`, in Spark's own protocol, whether it is one; ClusterError if it says no.

    `jvm` is py4j's view of a Spark JVM and `conf` its SparkConf, of which authentication and encryption are taken. In
    a session the same takes Spark a minute to find out, and it leaves half of the session behind.
    """
    from py4j.protocol import Py4JJavaError

    spark = jvm.org.apache.spark
    quick = conf.clone()
    for name in ("spark.rpc.lookupTimeout", "spark.rpc.askTimeout", "spark.network.auth.rpcTimeout"):
        quick.set(name, ANSWER_LIMIT)
    defaults = [getattr(spark.SecurityManager, f"$lessinit$greater$default${number}")() for number in (2, 3)]
    rpc = spark.rpc.RpcEnv.create("probe", "localhost", 0, quick, spark.SecurityManager(quick, *defaults), True)
    try:
        answers = [_answer(rpc, spark.rpc.RpcAddress(host, port)) for host, port in _addresses(url)]
    except Py4JJavaError as error:
        raise ClusterError(f"{url}: {error.java_exception.getMessage()}") from None
    finally:
        rpc.shutdown()
    if all(answers):
        raise ClusterError(f"{url}: {'; '.join(answers)}")


def _answer(rpc, address) -> str:
    """An empty string if a master answers at `address`, else what is wrong."""
    from py4j.protocol import Py4JJavaError

    try:
        rpc.setupEndpointRef(address, "Master")
    except Py4JJavaError as error:
        if "Timeout" in error.java_exception.getClass().getName():
            return f"what listens there does not answer as a Spark master within {ANSWER_LIMIT}; is this its port?"
        return (
            "the master there refused this application, or it is no Spark master: the secret has to be its own "
            "(secret=..., or a file named by HIGGS_SPARK_SECRET_FILE), and authentication, encryption and "
            "spark.network.crypto.cipher as there; encrypted=False is for a master that has none of them"
        )
    return ""


def _addresses(url: str) -> list[tuple[str, int]]:
    """Host and port of each of the masters; ClusterError if the URL is not of a kind that Spark knows."""
    if url.startswith("spark://"):
        named = [f"spark://{part}" for part in url.removeprefix("spark://").split(",")]
    elif url.startswith("k8s://"):
        server = url.removeprefix("k8s://")
        named = [server if "://" in server else f"https://{server}"]
    else:
        raise ClusterError(f"{url}: not a Spark master; it can be {KINDS}")
    try:
        parts = [urlsplit(name) for name in named]
        found = [(part.hostname, part.port or {"http": 80, "https": 443}.get(part.scheme)) for part in parts]
    except ValueError as error:
        raise ClusterError(f"{url}: {error}; a Spark master can be {KINDS}") from error
    if not all(host and port for host, port in found):
        raise ClusterError(f"{url}: a host or a port is missing; a Spark master can be {KINDS}")
    return found


def _unreachable(host: str, port: int) -> str:
    """Why nothing can be reached there; an empty string if something listens."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_LIMIT).close()
    except socket.gaierror as error:
        return f"the host name {host} is not known ({error.strerror})"
    except TimeoutError:
        return f"{host} does not answer at port {port} within {CONNECT_LIMIT:.0f} s"
    except OSError as error:
        return f"nothing can be reached at {host}, port {port} ({error.strerror or error})"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
    except socket.gaierror:  # `check` tells it
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def _check_yarn() -> None:
    folder = os.environ.get("HADOOP_CONF_DIR") or os.environ.get("YARN_CONF_DIR")
    if not folder:
        raise ClusterError(
            "yarn: it is not known where YARN is; set HADOOP_CONF_DIR (or YARN_CONF_DIR) to the folder of its "
            "core-site.xml and yarn-site.xml"
        )
    if not Path(folder).is_dir():
        raise ClusterError(f"yarn: {folder}, named by HADOOP_CONF_DIR or YARN_CONF_DIR, is no folder; correct it")

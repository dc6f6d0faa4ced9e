"""The URL of a Spark master: which hosts it names, and whether something listens there."""

import ipaddress
import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from higgs_lib.spark.local_cluster import ClusterError

CONNECT_LIMIT = 5.0  # seconds, for each address

EXAMPLES = "local[4], local-cluster[2,1,1024], spark://host:7077, yarn or k8s://https://host:6443"


def in_one_process(url: str) -> bool:
    """Returns whether tasks run in the Java process of the application itself."""
    return re.fullmatch(r"local(\[.*\])?", url) is not None


def workers_of_local_cluster(url: str) -> int:
    """Returns the n of local-cluster[n,cores,MB]; 0 for another master."""
    match = re.fullmatch(r"local-cluster\[\s*(\d+)\s*,\s*\d+\s*,\s*\d+\s*\]", url)
    return int(match[1]) if match else 0


def on_this_machine(url: str) -> bool:
    """Returns whether no network is crossed: local, local-cluster, or a standalone master on loopback."""
    if in_one_process(url) or workers_of_local_cluster(url):
        return True
    return url.startswith("spark://") and all(_is_loopback(host) for host, _ in _addresses(url))


def check(url: str) -> None:
    """Raises ClusterError if `url` is no master's URL, names an unknown host, or nothing listens there.

    Of several masters, spark://host1:port,host2:port, one has to listen.
    """
    if in_one_process(url) or workers_of_local_cluster(url):
        return
    if url == "yarn":
        _check_yarn()
        return
    reasons = [_connection_error(host, port) for host, port in _addresses(url)]
    if all(reasons):
        raise ClusterError(f"{url}: {'; '.join(reasons)}. Is the master running, and is this its URL?")


def refusal(url: str, log: str) -> str:
    """Returns an error message if Spark's log says that no standalone master accepted a connection, else ""."""
    if not url.startswith("spark://"):
        return ""
    if not all(f"Failed to connect to master {host}:{port}" in log for host, port in _addresses(url)):
        return ""
    return (
        "the master refused this application, or it is no Spark master. The application needs the master's secret "
        "(secret=..., or a file that HIGGS_SPARK_SECRET_FILE names) and its settings for authentication and "
        "encryption, spark.network.crypto.cipher included; for a master without any of them use encrypted=False"
    )


def _addresses(url: str) -> list[tuple[str, int]]:
    """Returns host and port of each master; ClusterError if the URL is invalid."""
    if url.startswith("spark://"):
        named = [f"spark://{part}" for part in url.removeprefix("spark://").split(",")]
    elif url.startswith("k8s://"):
        server = url.removeprefix("k8s://")
        named = [server if "://" in server else f"https://{server}"]
    else:
        raise ClusterError(f"{url}: not a Spark master; it can be {EXAMPLES}")
    try:
        parts = [urlsplit(name) for name in named]
        addresses = [(part.hostname, part.port or {"http": 80, "https": 443}.get(part.scheme)) for part in parts]
    except ValueError as error:
        raise ClusterError(f"{url}: {error}; a Spark master can be {EXAMPLES}") from error
    if not all(host and port for host, port in addresses):
        raise ClusterError(f"{url}: a host or a port is missing; a Spark master can be {EXAMPLES}")
    return addresses


def _connection_error(host: str, port: int) -> str:
    """Returns why no connection can be made; an empty string if something listens."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_LIMIT).close()
    except socket.gaierror as error:
        return f"the host {host} is unknown ({error.strerror})"
    except TimeoutError:
        return f"{host} does not answer at port {port} within {CONNECT_LIMIT:.0f} s"
    except OSError as error:
        return f"{host} cannot be reached at port {port} ({error.strerror or error})"
    return ""


def _is_loopback(host: str) -> bool:
    """Returns whether all addresses of a host are on loopback; False for an unknown host, which `check` reports."""
    try:
        infos = socket.getaddrinfo(host, None)
    except socket.gaierror:
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in infos)


def _check_yarn() -> None:
    """Raises ClusterError unless the environment names the folder of YARN's settings."""
    folder = os.environ.get("HADOOP_CONF_DIR") or os.environ.get("YARN_CONF_DIR")
    if not folder:
        raise ClusterError(
            "yarn: Spark does not know where YARN is; set HADOOP_CONF_DIR (or YARN_CONF_DIR) to the folder of its "
            "core-site.xml and yarn-site.xml"
        )
    if not Path(folder).is_dir():
        raise ClusterError(f"yarn: {folder}, named by HADOOP_CONF_DIR or YARN_CONF_DIR, is not a folder; correct it")

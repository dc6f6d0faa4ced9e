"""What is known of a master without a session."""

import socket
import time

import pytest

from higgs_lib import spark
from higgs_lib.spark import ClusterError, master, spark_session
from higgs_lib.spark.local_cluster import CHANNELS


@pytest.fixture
def silent():
    """The address of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("foo://host:7077", "not a Spark master; it can be local"),
        ("local-cluster[2,1]", "not a Spark master; it can be local"),
        ("spark://host", "a host or a port is missing"),
        ("spark://host:many", "Port could not be cast to integer"),
        ("spark://127.0.0.1:1", "127.0.0.1 cannot be reached at port 1 .Connection refused"),
        ("spark://no-such-host.invalid:7077", "the host no-such-host.invalid is unknown"),
        ("spark://127.0.0.1:1,no-such-host.invalid:7077", "cannot be reached .*; the host no-such"),
        ("k8s://https://127.0.0.1:1", "127.0.0.1 cannot be reached at port 1"),
        ("yarn", "set HADOOP_CONF_DIR"),
    ],
)
def test_an_unreachable_master_is_one_clear_error(url, message, monkeypatch):
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    monkeypatch.delenv("YARN_CONF_DIR", raising=False)
    start = time.monotonic()
    with pytest.raises(ClusterError, match=message) as error:
        spark.session(url)
    assert str(error.value).startswith(url)
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 60


def test_one_of_several_masters_has_to_listen(silent):
    master.check(f"spark://127.0.0.1:1,{silent}")


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("local", True),
        ("local[*]", True),
        ("local-cluster[2,1,1024]", True),
        ("spark://127.0.0.1:7077", True),
        ("spark://[::1]:7077", True),
        ("spark://localhost:7077", True),
        ("spark://127.0.0.1:7077,192.0.2.1:7077", False),
        ("yarn", False),
        ("k8s://https://127.0.0.1:6443", False),
    ],
)
def test_channels_that_cross_a_network_are_encrypted(url, is_local):
    assert master.on_this_machine(url) is is_local
    secret = "" if is_local or not url.startswith("spark://") else "mine"
    assert spark_session._channels(url, secret, None) == (
        {} if is_local else CHANNELS | ({spark_session.SECRET: secret} if secret else {})
    )
    assert spark_session._channels(url, "mine", True) == CHANNELS | {spark_session.SECRET: "mine"}
    assert spark_session._channels(url, "mine", False)["spark.authenticate"] == "false"


def test_a_master_over_a_network_needs_a_secret(monkeypatch, tmp_path):
    with pytest.raises(ClusterError, match=r"secret is needed; give secret=.*HIGGS_SPARK_SECRET_FILE"):
        spark_session._channels("spark://192.0.2.1:7077", "", None)
    monkeypatch.setenv(spark_session.SECRET_FILE, str(tmp_path / "secret"))
    with pytest.raises(ClusterError, match="named by HIGGS_SPARK_SECRET_FILE, cannot be read"):
        spark_session._channels("spark://192.0.2.1:7077", "", None)
    (tmp_path / "secret").write_text("from the file\n")
    assert spark_session._channels("spark://192.0.2.1:7077", "", None)[spark_session.SECRET] == "from the file"


def test_a_port_that_is_no_master_is_one_clear_error(silent, monkeypatch, capfd):
    monkeypatch.setattr(spark_session, "ACCEPTANCE_LIMIT", 2.0)
    with pytest.raises(ClusterError, match="the application was not accepted within 2 s"):
        spark.session(f"spark://{silent}", secret="some secret")
    assert capfd.readouterr() == ("", "")

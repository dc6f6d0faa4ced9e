import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from higgs_lib import data
from higgs_lib.data import DataError
from higgs_lib.data.datasets import OPENML, UCI


class _Server(BaseHTTPRequestHandler):
    content, requests, cut = b"", [], None

    def do_GET(self):
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.requests.append(begin)
        if begin >= len(self.content):
            self.send_error(416)
            return
        body = self.content[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut])

    def log_message(self, *_):
        """Silent."""


@pytest.fixture
def server():
    _Server.content, _Server.requests, _Server.cut = np.random.default_rng(1).bytes(5_000_000), [], None
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/HIGGS.csv.gz"
        running.shutdown()


def test_an_interrupted_download_resumes(tmp_path, server):
    file, dataset = tmp_path / "HIGGS.csv.gz", UCI._replace(sha256=hashlib.sha256(_Server.content).hexdigest())
    _Server.cut = 3_000_000
    with pytest.raises(DataError, match="make data"):
        data.fetch(dataset, file, mirror=server)
    assert not file.exists()
    _Server.cut = None
    assert data.fetch(dataset, file, mirror=server) == file
    assert file.read_bytes() == _Server.content
    assert _Server.requests[0] == 0
    assert 2_000_000 <= _Server.requests[1] <= 3_000_000
    data.fetch(dataset, file, mirror=server)
    assert len(_Server.requests) == 2


def test_a_data_set_without_a_checksum_resumes_too_and_is_fetched_once(tmp_path, server):
    dataset = OPENML._replace(url=server, path=tmp_path / "data" / "higgs.arff")
    _Server.cut = 3_000_000
    with pytest.raises(DataError, match="could not be fetched"):
        data.fetch(dataset)
    assert not dataset.path.exists()
    _Server.cut = None
    for _ in range(2):
        assert data.fetch(dataset).read_bytes() == _Server.content
    assert len(_Server.requests) == 2
    assert _Server.requests[1] > 0


def test_a_download_with_another_sha256_is_an_error(tmp_path, server):
    with pytest.raises(DataError, match="hash"):
        data.fetch(UCI._replace(sha256="0" * 64), tmp_path / "HIGGS.csv.gz", mirror=server)
    assert not (tmp_path / "HIGGS.csv.gz").exists()
    assert not (tmp_path / "HIGGS.csv.gz.part").exists()


def test_an_unreachable_server_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match=r"could not be fetched .*MIRROR=URL"):
        data.fetch(UCI, tmp_path / "HIGGS.csv.gz", mirror="http://127.0.0.1:9/HIGGS.csv.gz")


def test_the_data_sets_are_those_of_profiles():
    assert set(data.DATASETS) == {"uci", "openml"}
    assert all(dataset.url.startswith("https://") for dataset in data.DATASETS.values())
    assert OPENML.n_rows + OPENML.n_incomplete == 98_050
    assert len(UCI.sha256) == 64

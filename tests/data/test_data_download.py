import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from higgs_lib import data
from higgs_lib.data import DataError


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
    sha256 = hashlib.sha256(_Server.content).hexdigest()
    _Server.cut = 3_000_000
    with pytest.raises(DataError, match="make data"):
        data.fetch(tmp_path / "HIGGS.csv.gz", server, sha256)
    assert not (tmp_path / "HIGGS.csv.gz").exists()
    _Server.cut = None
    data.fetch(tmp_path / "HIGGS.csv.gz", server, sha256)
    assert (tmp_path / "HIGGS.csv.gz").read_bytes() == _Server.content
    assert _Server.requests[0] == 0
    assert 2_000_000 <= _Server.requests[1] <= 3_000_000
    data.fetch(tmp_path / "HIGGS.csv.gz", server, sha256)
    assert len(_Server.requests) == 2


def test_a_download_with_another_sha256_is_an_error(tmp_path, server):
    with pytest.raises(DataError, match="hash"):
        data.fetch(tmp_path / "HIGGS.csv.gz", server, "0" * 64)
    assert not (tmp_path / "HIGGS.csv.gz").exists()
    assert not (tmp_path / "HIGGS.csv.gz.part").exists()


def test_an_unreachable_server_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="could not be fetched"):
        data.fetch(tmp_path / "HIGGS.csv.gz", "http://127.0.0.1:9/HIGGS.csv.gz", "0" * 64)

import hashlib

import numpy as np
import pytest
from file_server import serving

from higgs_lib import data
from higgs_lib.data import DataError
from higgs_lib.data.datasets import OPENML, UCI


@pytest.fixture
def served():
    """The address of a file of random bytes, and what answers."""
    with serving(np.random.default_rng(1).bytes(5_000_000)) as server:
        yield server


def test_an_interrupted_download_resumes(tmp_path, served):
    server, handler = served
    file, dataset = tmp_path / "HIGGS.csv.gz", UCI._replace(sha256=hashlib.sha256(handler.content).hexdigest())
    handler.cut = 3_000_000
    with pytest.raises(DataError, match="make data"):
        data.fetch(dataset, file, mirror=server)
    assert not file.exists()
    handler.cut = None
    assert data.fetch(dataset, file, mirror=server) == file
    assert file.read_bytes() == handler.content
    assert handler.requests[0] == 0
    assert 2_000_000 <= handler.requests[1] <= 3_000_000
    data.fetch(dataset, file, mirror=server)
    assert len(handler.requests) == 2


def test_a_data_set_without_a_checksum_resumes_too_and_is_fetched_once(tmp_path, served):
    server, handler = served
    dataset = OPENML._replace(url=server, path=tmp_path / "data" / "higgs.arff")
    handler.cut = 3_000_000
    with pytest.raises(DataError, match="could not be fetched"):
        data.fetch(dataset)
    assert not dataset.path.exists()
    handler.cut = None
    for _ in range(2):
        assert data.fetch(dataset).read_bytes() == handler.content
    assert len(handler.requests) == 2
    assert handler.requests[1] > 0


def test_a_download_with_another_sha256_is_an_error(tmp_path, served):
    with pytest.raises(DataError, match="hash"):
        data.fetch(UCI._replace(sha256="0" * 64), tmp_path / "HIGGS.csv.gz", mirror=served[0])
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

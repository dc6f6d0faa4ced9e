import atexit
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from higgs_lib import data, simulation

# The Java processes of the tests live for seconds: without the optimizing compiler they start in half the time.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

# JAX' processes compile the same small programs: each is compiled once, in the first process that needs it.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="higgs_lib-jax-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    os.environ |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}

# What is tested on a GPU machine is what is tested elsewhere.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def pytest_collection_modifyitems(items):
    """Puts what takes longest first, so that the processes that share the tests end together."""
    items.sort(key=lambda item: item.path.stem != "test_notebooks")


@pytest.fixture(scope="session")
def uci_csv() -> Path:
    """UCI events in the original format, from the file that HIGGS_SAMPLE names."""
    place = os.environ.get("HIGGS_SAMPLE")
    if not place:
        pytest.skip("HIGGS_SAMPLE does not name a file of UCI events")
    return Path(place)


@pytest.fixture(scope="session")
def uci_events(uci_csv, tmp_path_factory) -> Path:
    """The UCI events as Parquet."""
    path = tmp_path_factory.mktemp("real") / "events.parquet"
    data.ingest(uci_csv, path)
    return path


@pytest.fixture(scope="session")
def events(tmp_path_factory) -> Path:
    """20,000 built-in events as Parquet."""
    path = tmp_path_factory.mktemp("simulated") / "events.parquet"
    simulation.simulate(path, 20_000, seed=7, workers=1)
    return path


@pytest.fixture(scope="session")
def rows() -> np.ndarray:
    """(500, 29) built-in events."""
    return np.stack([column.to_numpy() for column in simulation.generate(500, seed=3).columns], 1)

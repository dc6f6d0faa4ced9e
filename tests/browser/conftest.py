import os
from pathlib import Path

import chromium
import pytest


@pytest.fixture(scope="module")
def browser():
    """A Chromium of each module's own, so that the event loop that drives it has ended when other tests run."""
    if not chromium.executable():
        pytest.skip("no Chromium here")
    with chromium.chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def run():
    """The finished run that HIGGS_RUN names."""
    if "HIGGS_RUN" not in os.environ:
        pytest.skip("HIGGS_RUN does not name a finished run")
    return Path(os.environ["HIGGS_RUN"]).resolve()


@pytest.fixture(scope="session")
def report(run):
    return run / "report"

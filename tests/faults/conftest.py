from pathlib import Path

import pytest
import tiny


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished run, to be copied."""
    folder = tiny.write(tmp_path_factory.mktemp("finished"), tiny.STEPS.replace(str(tiny.SECONDS), "0.01"))
    tiny.finish(folder)
    return folder

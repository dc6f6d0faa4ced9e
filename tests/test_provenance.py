import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest
from gpu_stand_ins import A2, BOTH, H100, failing_driver, stand_in_driver, stand_in_tensorflow

from higgs_lib import device, provenance


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Makes each test ask the driver again."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    device.gpus.cache_clear()
    provenance._unchanging.cache_clear()
    yield
    device.gpus.cache_clear()
    provenance._unchanging.cache_clear()


def test_the_stamp_follows_the_choice_of_device(monkeypatch):
    stand_in_driver(monkeypatch)
    stand_in_tensorflow(monkeypatch)
    assert provenance.stamp()["computes_on"] == BOTH  # as TensorFlow would without a choice
    device.use("gpu:1")
    assert provenance.stamp()["computes_on"] == "GPU 1: NVIDIA A2"
    assert "NVIDIA A2 (14.5 GiB, driver 570.124.06), computing on GPU 1: NVIDIA A2; Python" in provenance.describe()
    device.use("cpu")
    stored = json.loads(json.dumps(provenance.stamp()))
    assert stored["computes_on"] == "processor"
    assert stored["gpus"] == [H100._asdict(), A2._asdict()]
    assert "computing on the processor" in provenance.describe()


def test_without_keras_the_processor_computes_and_nothing_is_loaded(monkeypatch):
    stand_in_driver(monkeypatch)
    for name in ("keras", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert provenance.stamp()["computes_on"] == "processor"
    assert "computing" not in provenance.describe()
    assert not {"keras", "tensorflow"} & sys.modules.keys()


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH])
def test_without_a_driver_the_description_names_no_gpu(monkeypatch, code):
    failing_driver(monkeypatch, code)
    assert "no GPU" in provenance.describe()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of two packages in place of this one: `training.loop` imports `training.steps` and all of `data`."""
    sources = {
        "data/__init__.py": "",
        "data/files.py": 'SIZE = 1\n"""The size."""\n',
        "training/__init__.py": "",
        "training/loop.py": "from higgs_lib import data\nfrom higgs_lib.training import steps\n",
        "training/steps.py": "RATE = 1\n",
        "training/other.py": "OTHER = 1\n",
    }
    for name, source in sources.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(provenance, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "source", "changes"),
    [
        ("training/steps.py", "RATE = 2\n", True),
        ("data/files.py", "SIZE = 2\n", True),
        ("data/__init__.pyi", "from .files import SIZE as SIZE\n", True),
        ("data/files.py", 'SIZE = 1  # event\n"""Number of events."""\n', False),
        ("training/other.py", "OTHER = 2\n", False),
    ],
)
def test_the_code_version_depends_on_all_imported_code_but_not_on_its_texts(library, module, source, changes):
    before = provenance.code_version("training.loop")
    (library / module).write_text(source)
    assert (provenance.code_version("training.loop") != before) is changes
    assert len(before) == 16


def test_the_code_version_is_that_of_utf8_in_every_locale():
    program = "from higgs_lib import provenance; print(provenance.code_version('report', 'study'))"
    plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, env=os.environ | plain, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == provenance.code_version("report", "study")


def test_the_commit_is_that_of_the_repository_that_keeps_this_library(tmp_path, monkeypatch):
    """A user's repository with an environment in it says nothing about the library that is installed there."""
    packages = tmp_path / "mine" / ".venv" / "site-packages"
    shutil.copytree(provenance.FOLDER, packages / "higgs_lib", ignore=shutil.ignore_patterns("__pycache__", "spark"))
    (tmp_path / "mine" / "analysis.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(packages))
    for name, value in {"NAME": "a", "EMAIL": "a@b"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)

    def git(*words):
        command = ["git", "-C", tmp_path / "mine", "-c", "core.hooksPath=none", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit():
        program = "from higgs_lib import provenance; print(provenance.__file__, repr(provenance.commit()))"
        answer = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        path, text = answer.stdout.split()
        assert Path(path).is_relative_to(packages)
        return text.strip("'")

    git("init", "-q")
    git("add", "analysis.py")
    git("commit", "-qm", "mine")
    assert commit() == ""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "mine" / ".git"))  # as in a hook
    assert commit() == ""
    monkeypatch.delenv("GIT_DIR")
    git("add", "-f", ".venv")
    git("commit", "-qm", "with its environment")
    assert commit() == git("rev-parse", "--short=12", "HEAD")

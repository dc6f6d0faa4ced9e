"""What tries the package without installing it: the files for Docker, Binder and Colab agree with the package."""

import fnmatch
import json
import os
import re
import subprocess
import sys
import tomllib

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from repository import ROOT

from higgs_lib.spark.java import MINIMUM_VERSION

BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(name):
    """Returns what follows each instruction `name` of the Dockerfile, with continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [line.split(None, 1)[1] for line in lines if line.startswith(f"{name} ")]


def colab():
    return nbformat.read(BINDER / "colab.ipynb", 4)


def shell(text):
    """Returns the words of each call of make in a shell script or notebook."""
    return [line.strip(" !").split() for line in text.splitlines() if re.match(r"!?make ", line)]


MAKES = {
    "Dockerfile": [json.loads(instructions("ENTRYPOINT")[0]) + json.loads(instructions("CMD")[0])],
    "Dockerfile's comment": [[*json.loads(instructions("ENTRYPOINT")[0]), "reproduce"]],
    "postBuild": shell((BINDER / "postBuild").read_text()),
    "colab": shell("\n".join(cell.source for cell in colab().cells if cell.cell_type == "code")),
}


@pytest.mark.parametrize("file", MAKES)
def test_the_makefile_can_do_what_they_ask_for(file):
    assert MAKES[file]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for program, *words in MAKES[file]:
        assert program == "make"
        assert next(word for word in words if "=" not in word) in targets
        (profile,) = [word.partition("=")[2] for word in words if word.startswith("PROFILE=")] or ["smoke"]
        assert (ROOT / "params" / f"{profile}.yaml").exists()
        answer = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, check=False)
        assert answer.returncode == 0


def test_python_is_one_that_the_package_supports():
    (base,) = instructions("FROM")
    version = re.fullmatch(r"python:(\d\.\d+)-slim-\w+", base)[1]
    assert version in SpecifierSet(PROJECT["requires-python"])
    assert (BINDER / "runtime.txt").read_text() == f"python-{version}\n"


def test_both_install_the_same_packages_of_the_system():
    packages = (BINDER / "apt.txt").read_text().split()
    assert "make" in packages
    (java,) = [package for package in packages if package.startswith("openjdk-")]
    assert int(java.split("-")[1]) >= MINIMUM_VERSION
    (run,) = [run for run in instructions("RUN") if "apt-get" in run]
    assert "--arg-file=/tmp/apt.txt apt-get install --yes --no-install-recommends &&" in re.sub(" +", " ", run)
    assert "binder/apt.txt /tmp/apt.txt" in instructions("COPY")


def test_packages_of_python_are_listed_in_pyproject_alone():
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["--constraint ../requirements.lock", "--editable ."]
    (install,) = [run for run in instructions("RUN") if run.startswith("pip ")]
    assert install == "pip install --no-cache-dir --constraint requirements.lock --editable ."
    names = {Requirement(line).name for line in PROJECT["dependencies"]} - {"jupyterlab"}
    texts = [path.read_text() for path in (ROOT / "Dockerfile", *BINDER.iterdir()) if path.suffix != ".ipynb"]
    texts += [cell.source for cell in colab().cells if cell.cell_type == "code"]
    assert not [name for name in names for text in texts if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


def test_all_that_the_dockerfile_copies_is_there_and_not_ignored():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    ignored = [line.removeprefix("**/") for line in lines if line and not line.startswith("#")]
    for copied in instructions("COPY"):
        *sources, _ = [word for word in copied.split() if not word.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists()
            assert not [part for part in source.split("/") for pattern in ignored if fnmatch.fnmatch(part, pattern)]
    assert {".git", "runs", "data", "__pycache__"} <= {os.path.basename(pattern) for pattern in ignored}


def test_jupyterlab_can_be_reached_from_outside_the_container_and_is_not_root():
    settings = json.loads((BINDER / "jupyter_server_config.json").read_text())["ServerApp"]
    assert settings["ip"] == "0.0.0.0"
    assert [str(settings["port"])] == instructions("EXPOSE")
    assert instructions("USER") == ["1000"]
    assert "binder/jupyter_server_config.json /etc/jupyter/" in instructions("COPY")
    asks = "from jupyter_server.serverapp import ServerApp as S; a = S(); a.initialize([], new_httpserver=False); "
    command = [sys.executable, "-W", "ignore", "-c", asks + "print(a.ip, a.port, a.open_browser)"]
    environment = os.environ | {"JUPYTER_CONFIG_PATH": str(BINDER)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["0.0.0.0", "8888", "False"]


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_the_scripts_of_binder_can_be_run(name):
    assert os.access(BINDER / name, os.X_OK)
    assert (BINDER / name).read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", BINDER / name], check=True)


def test_start_runs_the_server_with_two_threads():
    words = [BINDER / "start", sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "2\n"


def test_the_notebook_for_colab_is_valid_and_has_no_outputs():
    book = colab()
    nbformat.validate(book)
    assert not any(cell.get("outputs") for cell in book.cells)
    assert "make reproduce PROFILE=smoke" in "\n".join(cell.source for cell in book.cells)

"""The wheel, which Spark's workers may get, holds every package; the lock pins every requirement."""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from itertools import chain

import pytest
import yaml
from packaging.requirements import Requirement
from repository import ROOT

import higgs_lib

IMPORT_ALL = """
import importlib, pkgutil, sys
folder = sys.argv[1]
sys.path.insert(0, folder)
import higgs_lib
names = [module.name for module in pkgutil.walk_packages(higgs_lib.__path__, "higgs_lib.") if module.ispkg]
for name in names:
    package = importlib.import_module(name)
    assert package.__file__.startswith(folder), package.__file__
    for public in getattr(package, "__all__", ()):
        getattr(package, public)
print(len(names))
"""


def test_every_package_of_the_wheel_is_imported_with_all_that_it_offers(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "higgs_lib", source / "higgs_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = ["-m", "uv", "build", "--wheel", "--no-build-isolation", "--out-dir", tmp_path, source]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    command = [sys.executable, "-c", IMPORT_ALL, str(installed)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["13"]
    assert (installed / "higgs_lib" / "py.typed").exists()
    (entries,) = installed.glob("*.dist-info/entry_points.txt")
    assert "higgs-lib = higgs_lib.__main__:main" in entries.read_text()


def test_requirements_lock_pins_a_version_for_every_requirement_of_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines()]
    versions = {pin.name: [str(p.specifier).removeprefix("==") for p in pins if p.name == pin.name] for pin in pins}
    for required in map(Requirement, chain(project["dependencies"], *project["optional-dependencies"].values())):
        pinned = versions.get(required.name, [])
        assert pinned, required
        assert all(required.specifier.contains(version) for version in pinned), required


def test_the_extra_gpu_brings_libraries_of_one_version_of_cuda_and_all_are_pinned():
    pinned = {Requirement(line).name for line in (ROOT / "requirements.lock").read_text().splitlines()}
    brought = {
        requirement.name
        for requirement in map(Requirement, requires("tensorflow"))
        if requirement.marker and requirement.marker.evaluate({"extra": "and-cuda"})
    }
    assert len(brought) > 5
    assert {name.rpartition("-")[2] for name in brought} == {"cu12"}
    assert brought <= pinned
    assert "jax-cuda13-plugin" in pinned  # the other extra, gpu-jax
    assert not [name for name in pinned if name.endswith(("cu11", "cu14"))]


@pytest.mark.parametrize(
    ("answer", "last", "found"),
    [
        ("", "not audited, as the service of pypi.org does not answer", False),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', "not audited", False),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', "0 in 1 packages, 0 accepted", False),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}]}',
            "1 in 1 packages",
            True,
        ),
    ],
)
def test_the_audit_tells_vulnerabilities_from_a_service_that_does_not_answer(answer, last, found):
    lines, fails = runpy.run_path(str(ROOT / "tools" / "audit.py"))["report"](answer)
    assert last in lines[-1]
    assert fails is found
    assert lines[:-1] == (["a 1: PYSEC-1, fixed in 2"] if found else [])


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == higgs_lib.__version__
    latest = re.search(r"^## (\d\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert latest.groups() == (higgs_lib.__version__, str(citation["date-released"]))

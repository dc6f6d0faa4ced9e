"""The wheel, which Spark's workers may get, holds every package."""

import shutil
import subprocess
import sys
import zipfile

from repository import ROOT

IMPORT_ALL = """
import importlib, pkgutil, sys
folder = sys.argv[1]
sys.path.insert(0, folder)
import higgs_lib
names = [module.name for module in pkgutil.walk_packages(higgs_lib.__path__, "higgs_lib.") if module.ispkg]
for name in names:
    package = importlib.import_module(name)
    assert package.__file__.startswith(folder), package.__file__
    for public in package.__all__:
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
    assert answer.stdout.split() == ["12"]
    assert (installed / "higgs_lib" / "py.typed").exists()
    (entries,) = installed.glob("*.dist-info/entry_points.txt")
    assert "higgs-lib = higgs_lib.__main__:main" in entries.read_text()

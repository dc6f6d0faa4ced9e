"""Runs the tests of the library from the wheel, outside the repository, on each version of Python that it supports.

Each version gets an empty environment of 3 GB, with the versions of requirements.lock; uv finds or downloads Python.
Prints one line for each version, and exits with status 1 where tests fail.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ["3.11", "3.12", "3.13"]
TESTS = ["metrics", "data", "simulation", "models", "training", "test_files.py", "test_device.py", "test_provenance.py"]


def build_wheel(folder: Path) -> Path:
    """Builds the wheel from a copy of the sources, so that no folder `build` of an older version gets into it."""
    source = folder / "source"
    shutil.copytree(ROOT / "higgs_lib", source / "higgs_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    uv("build", "--wheel", "--no-build-isolation", "--out-dir", folder, source)
    return next(folder.glob("*.whl"))


def uv(*arguments: str | Path) -> None:
    """Runs uv, which prints only what goes wrong."""
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True)


def test(version: str, wheel: Path, folder: Path) -> str:
    """Returns the last line of pytest in an environment of this version of Python; raises where a test fails."""
    environment = folder / f"python-{version}"
    python = environment / "bin" / "python"
    uv("venv", "--python", version, environment)
    needed = ["pytest", "pytest-xdist", "hypothesis", "awkward", "mlcroissant", "uproot"]
    uv("pip", "install", "--python", python, "--constraint", ROOT / "requirements.lock", wheel, *needed)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    tests = [folder / "tests" / name for name in TESTS]
    configuration = ("--config-file", folder / "source" / "pyproject.toml")
    command = [python, "-m", "pytest", "--quiet", "-n", "logical", "--dist", "loadfile", *configuration, *tests]
    answer = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    shutil.rmtree(environment)
    if answer.returncode:
        raise RuntimeError(answer.stdout)
    return answer.stdout.splitlines()[-1]


def main() -> None:
    """Tests the versions that are named on the command line, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS, help="such as 3.12; by default all that are supported")
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build_wheel(folder)
        for part in ("tests", "docs"):  # some tests read the documentation
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "_build"))
        for version in parser.parse_args().versions:
            try:
                print(f"Python {version}: {test(version, wheel, folder)}", flush=True)
            except (RuntimeError, subprocess.CalledProcessError) as error:
                failed = True
                print(f"Python {version}: {error}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

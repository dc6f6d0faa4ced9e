"""Records what made a result: code, commit, hardware and software."""

import ast
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from higgs_lib import environment
from higgs_lib.device import backend, cores, gpus, in_use, processor

PACKAGES = ("numpy", "tensorflow", "jax", "keras", "scikit-learn", "xgboost", "pyarrow", "pyspark")


def code_version(*names: str) -> str:
    """Returns 16 hexadecimal digits that change with the code of these modules and of all that they import.

    A name is a package ("training") or one module of it ("study.classifiers"), below `higgs_lib`. A module of another
    package counts with its whole package, so that nothing can be forgotten. Docstrings and comments do not count.
    """
    return _digest(json.dumps(code_versions(*names)))


def code_versions(*names: str) -> dict[str, str]:
    """Returns the same for each package and module by itself, by its name: those given and all that they import."""
    return {
        name: _digest("".join(f"{p.name} {_syntax(p.read_text('utf-8'))}" for p in _sources(name)))
        for name in _with_imports(names)
    }


def _digest(text: str) -> str:
    """Returns 16 hexadecimal digits of a text's hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


FOLDER = Path(__file__).parent


def _sources(name: str) -> list[Path]:
    """Returns the files of a package, what it offers (`__init__.pyi`) included, or the one of a module."""
    path = FOLDER.joinpath(*name.split("."))
    return sorted(path.glob("*.py*")) if path.is_dir() else [path.with_suffix(".py")]


def _with_imports(names: Iterable[str]) -> list[str]:
    """Returns these packages and modules with all that they import from this library, directly or not."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [other for path in _sources(name) for other in _imports(path, name)]
    return sorted(found)


def _imports(path: Path, name: str) -> Iterator[str]:
    """Yields what a source file imports from this library: modules of its own package, and other packages whole."""
    own = name.partition(".")[0]
    for module, imported in _import_statements(path.read_text("utf-8")):
        _, *parts = module.split(".")
        if parts[:1] != [own]:
            yield from parts[:1] or [other for other in imported if _sources(other)[0].exists()]
        elif len(parts) > 1:
            yield f"{own}.{parts[1]}"
        else:
            yield from (f"{own}.{other}" for other in imported if (FOLDER / own / f"{other}.py").exists())


@cache
def _import_statements(source: str) -> list[tuple[str, list[str]]]:
    """Returns the module and the names of each import from this library in a source text."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    named = [(node.module or "", [alias.name for alias in node.names]) for node in nodes]
    return [(module, names) for module, names in named if module.partition(".")[0] == "higgs_lib"]


@cache
def _syntax(source: str) -> str:
    """Returns the syntax tree of a source text without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [statement for statement in body if not _is_docstring(statement)]
    return ast.dump(tree)


def _is_docstring(node: ast.stmt) -> bool:
    """Tells whether a statement is a text alone, as docstrings are."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _unchanging() -> dict[str, Any]:
    """The part of the stamp that no choice of a device changes."""
    return {
        "processor": processor(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": [gpu._asdict() for gpu in gpus()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


def packages() -> list[str]:
    """Returns those of `PACKAGES` that are in use: of TensorFlow and JAX the one that is Keras' backend."""
    return [package for package in PACKAGES if package not in {"tensorflow", "jax"} - {backend()}]


def _version(package: str) -> str:
    """Returns the version of a package, or of its build for processors alone; "none" where neither is installed."""
    for distribution in (package, f"{package}-cpu"):
        with suppress(PackageNotFoundError):  # as TensorFlow is where Keras runs on another backend
            return version(distribution)
    return "none"


def stamp() -> dict[str, Any]:
    """Processor, cores, memory in GiB, GPUs, Python, the packages that results depend on, and what was computed on.

    That is the device of Keras' backend, or the processor where Keras is not loaded.
    """
    return _unchanging() | {"computes_on": in_use() or "processor"}


def describe() -> str:
    """The stamp as one line of text."""
    record = stamp()
    cards = [f"GPU {g['number']}: {g['name']} ({g['memory_gib']} GiB, driver {g['driver']})" for g in record["gpus"]]
    if cards and "keras" in sys.modules:
        cards.append(f"computing on {in_use() or 'the processor'}")
    versions = ", ".join(f"{package} {record[package]}" for package in packages())
    return (
        f"{record['processor']}, {record['cores']} cores, {record['memory_gib']} GiB, {record['system']}; "
        f"{', '.join(cards) or 'no GPU'}; Python {record['python']}, {versions}"
    )


@cache
def commit() -> str:
    """The git commit of this library, marked where files differ from it; "" where git does not keep its files.

    A library that is installed below another repository, as in its `.venv`, is no part of that one.
    """
    return _git("describe", "--always", "--dirty", "--abbrev=12") if _git("ls-files", Path(__file__).name) else ""


def _git(*words: str) -> str:
    """Returns what git says in this library's folder; "" where it fails, or is not there."""
    command = ["git", "-C", str(Path(__file__).parent), *words]
    try:
        answer = subprocess.run(command, env=environment.variables(), capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git on this machine
        return ""
    return answer.stdout.strip()

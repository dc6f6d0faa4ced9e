"""Decides which of the user's settings the processes of this library see: notebooks, Spark and figures.

A setting that says where and on what to compute is passed on: PATH, proxies, numbers of threads, CUDA_VISIBLE_DEVICES,
KERAS_BACKEND, JAVA_HOME, HADOOP_CONF_DIR. One that changes results or stops a run, and is in no recipe, is left out.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

LEFT_OUT = {
    "MPLBACKEND": "figures are drawn into the outputs of notebooks",
    "MATPLOTLIBRC": "figures look the same on every machine",
    "IPYTHON*": "profiles run code, and choose what a notebook stores",
    "PYTHON*": "they switch off checks, turn warnings into errors, run code or change the encoding of files",
    "KERAS_*": "they change the precision and cut trainings short",
    "TF_*": "they change the precision and the order of sums, and fill notebooks with notes",
    "JAX_*": "they change the precision and the random numbers",
    "XLA_FLAGS": "they change the precision and the number of devices",
    "NVIDIA_TF32_OVERRIDE": "it changes the precision",
    "SPARK_*": "they are for another Spark than the one of this environment, or override what a session is asked for",
    "PYSPARK_*": "Python and arguments of a session are those of this environment and of `settings`",
    "MAKE*": "they are for the make that started this process",
    "MFLAGS": "they are for the make that started this process",
    "GIT_DIR": "a hook's repository is not this library's",
    "GIT_WORK_TREE": "a hook's repository is not this library's",
    "GIT_INDEX_FILE": "a hook's repository is not this library's",
}
"""Patterns of environment variables that no process of this library sees, and why."""

PASSED_ON = (
    *("PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *("KERAS_BACKEND", "TF_NUM_*", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR"),
    *("JAX_PLATFORMS", "JAX_COMPILATION_CACHE_*", "JAX_PERSISTENT_CACHE_*"),
    *("SPARK_LOCAL_DIRS", "SPARK_LOCAL_IP", "SPARK_LOCAL_HOSTNAME", "SPARK_PUBLIC_DNS", "SPARK_USER"),
    *("SPARK_CONF_DIR", "PYSPARK_GATEWAY_*"),
)
"""Patterns of variables that are seen nevertheless: they say where things are, and on what to compute."""

LIBRARY = Path(__file__).resolve().parent.parent
"""The folder that this library is imported from."""


def is_left_out(name: str) -> bool:
    """Tells whether no process of this library sees the environment variable `name`."""
    return any(fnmatchcase(name, p) for p in LEFT_OUT) and not any(fnmatchcase(name, p) for p in PASSED_ON)


def variables(settings: Path | None = None) -> dict[str, str]:
    """Returns the environment variables for processes that this library starts.

    They import this copy of the library, whichever is installed, and read and write text as UTF-8. `settings` is a
    folder in which IPython and Keras look for settings instead of the user's home, and matplotlib looks for none.
    """
    seen = {name: value for name, value in os.environ.items() if not is_left_out(name)}
    seen |= {"PYTHONPATH": _import_path(), "PYTHONUTF8": "1"}
    if settings is not None:
        folder = str(settings)
        seen |= {"IPYTHONDIR": folder, "KERAS_HOME": folder, "KERAS_BACKEND": keras_backend()}
        seen["MATPLOTLIBRC"] = os.devnull
    return seen


def spark_variables(*, over_network: bool) -> dict[str, str]:
    """Returns the environment variables for Spark: those of all processes, without its settings on this machine alone.

    A cluster's administrator sets the defaults of sessions in the folder that SPARK_CONF_DIR names. Where Hadoop and
    YARN are (HADOOP_CONF_DIR, KRB5CCNAME and others), and what holds for every Java program (JAVA_TOOL_OPTIONS), is
    passed on in any case; what a user asks of one session is its `settings`.
    """
    return {name: value for name, value in variables().items() if over_network or name != "SPARK_CONF_DIR"}


@contextlib.contextmanager
def replaced(values: dict[str, str]) -> Iterator[None]:
    """Replaces the variables of this process in a block, after which those that were there are as before."""
    before = dict(os.environ)
    for name in before.keys() - values:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values.keys() - before:
            os.environ.pop(name, None)
        os.environ.update(before)


def _import_path() -> str:
    """Returns the user's PYTHONPATH, in absolute paths and after the folder of this library.

    An installed library is found in any case, and its folder would hide the standard library.
    """
    first = [] if LIBRARY.name in ("site-packages", "dist-packages") else [str(LIBRARY)]
    given = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.pathsep.join(dict.fromkeys(first + given))


def keras_settings() -> Path:
    """Returns the file in which Keras looks for the user's settings."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json").expanduser()


def keras_backend() -> str:
    """Returns Keras' backend by the user's settings: KERAS_BACKEND, then its file, then "tensorflow"."""
    try:
        stored = json.loads(keras_settings().read_bytes())
    except (OSError, ValueError):  # Keras does without them too
        stored = {}
    return os.environ.get("KERAS_BACKEND") or stored.get("backend") or "tensorflow"

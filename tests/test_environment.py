import json
import os

import pytest

from higgs_lib import environment


@pytest.mark.parametrize(
    "name",
    [
        *("MPLBACKEND", "MATPLOTLIBRC", "IPYTHONDIR", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS"),
        *("PYTHONHASHSEED", "PYTHONINSPECT", "KERAS_MAX_EPOCHS", "KERAS_HOME", "JAX_ENABLE_X64", "XLA_FLAGS"),
        *("JAX_DEFAULT_MATMUL_PRECISION", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "TF_CONFIG", "NVIDIA_TF32_OVERRIDE"),
        *("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "GIT_DIR"),
    ],
)
def test_what_changes_results_or_stops_a_run_is_left_out(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert name not in environment.variables()


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LC_ALL", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"),
        *("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "JAX_PLATFORMS", "XLA_PYTHON_CLIENT_MEM_FRACTION"),
        *("JAX_COMPILATION_CACHE_DIR", "JAVA_HOME", "HADOOP_CONF_DIR", "KRB5CCNAME", "https_proxy", "NO_PROXY"),
        *("HIGGS_SPARK_SECRET_FILE", "MPLCONFIGDIR", "PYTHONPYCACHEPREFIX", "GIT_CONFIG_COUNT"),
    ],
)
def test_what_says_where_and_on_what_to_compute_is_passed_on(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert environment.variables()[name] == "1"


def test_processes_import_this_library_before_what_the_user_names(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "mine", "/other", str(environment.LIBRARY)]))
    path = environment.variables()["PYTHONPATH"].split(os.pathsep)
    assert path == [str(environment.LIBRARY), str(tmp_path / "mine"), "/other"]
    monkeypatch.setattr(environment, "LIBRARY", tmp_path / "lib" / "site-packages")
    monkeypatch.delenv("PYTHONPATH")
    assert environment.variables()["PYTHONPATH"] == ""


@pytest.mark.parametrize(
    ("stored", "given", "backend"),
    [
        (None, None, "tensorflow"),
        ("{", None, "tensorflow"),
        ("{}", None, "tensorflow"),
        (json.dumps({"backend": "jax"}), None, "jax"),
        (json.dumps({"backend": "jax"}), "", "jax"),
        (json.dumps({"backend": "jax"}), "tensorflow", "tensorflow"),
    ],
)
def test_the_backend_is_the_users_and_nothing_else_of_keras_settings(tmp_path, monkeypatch, stored, given, backend):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if given is not None:
        monkeypatch.setenv("KERAS_BACKEND", given)
    (tmp_path / ".keras").mkdir()
    if stored is not None:
        (tmp_path / ".keras" / "keras.json").write_text(stored)
    settings = tmp_path / "settings"
    variables = environment.variables(settings)
    assert variables["KERAS_BACKEND"] == backend
    assert variables["KERAS_HOME"] == variables["IPYTHONDIR"] == str(settings)

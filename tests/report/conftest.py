import json
import os

import pytest

RC = """
text.usetex: True
figure.dpi: 30
font.family: monospace
lines.linewidth: 9
svg.fonttype: none
figure.max_open_warning: 1
no.such.key: 1
"""
CONFIGURATION = """
c.DisplayFormatter.active_types = ["text/plain"]
c.InteractiveShell.ast_node_interactivity = "none"
c.InteractiveShellApp.exec_lines = ["1 / 0"]
"""


@pytest.fixture
def hostile_home(tmp_path_factory, monkeypatch):
    """A home and an environment with settings that change what notebooks store, or keep them from running."""
    home = tmp_path_factory.mktemp("home")
    kernel = {"argv": ["false", "{connection_file}"], "display_name": "of another Python", "language": "python"}
    files = {
        ".config/matplotlib/matplotlibrc": RC,
        ".keras/keras.json": json.dumps({"floatx": "float64", "epsilon": 0.01, "backend": "jax"}),
        ".ipython/profile_default/ipython_config.py": CONFIGURATION,
        ".ipython/profile_default/startup/00.py": "print('startup')",
        ".local/share/jupyter/kernels/python3/kernel.json": json.dumps(kernel),
        "startup.py": "print('PYTHONSTARTUP')",
        "other/higgs_lib/__init__.py": "raise ImportError('another checkout')",
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    variables = {
        "HOME": home,
        "MPLBACKEND": "Agg",
        "MATPLOTLIBRC": home / ".config/matplotlib/matplotlibrc",
        "IPYTHONDIR": home / ".ipython",
        "JUPYTER_PATH": home / ".local/share/jupyter",
        "JUPYTER_PREFER_ENV_PATH": "0",
        "PYTHONPATH": os.pathsep.join([str(home / "other"), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONSTARTUP": home / "startup.py",
        "PYTHONOPTIMIZE": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONUTF8": "0",
        "LC_ALL": "POSIX",
        "KERAS_MAX_EPOCHS": "1",
        "JAX_ENABLE_X64": "1",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=3",
        "MAKEFLAGS": "-j",
        "CUDA_VISIBLE_DEVICES": "",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    for name in ("KERAS_BACKEND", "KERAS_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home

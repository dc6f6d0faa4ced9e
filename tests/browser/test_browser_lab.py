"""A notebook in JupyterLab, run from its first cell to its last through the menu, in a copy of a finished run."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from chromium import Opened, count_figures
from repository import ROOT

NOTEBOOK = "05_significance"
DEADLINE = 240  # seconds
PROMPT = ".jp-NotebookPanel .jp-CodeCell .jp-InputArea-prompt"
ENDED = f"""() => {{
  const prompts = [...document.querySelectorAll("{PROMPT}")].map(prompt => prompt.textContent);
  return /[0-9]/.test(prompts[0]) && !prompts.some(prompt => prompt.includes("*"));
}}"""
STDERR, ERROR = "application/vnd.jupyter.stderr", "application/vnd.jupyter.error"
IDLE = "Python 3 (ipykernel) | Idle"  # in the status bar


def start(copy):
    """What `make lab` starts for a run, and where JupyterLab then finds the notebook."""
    profile = f"params/{copy.name}.yaml"
    return ["higgs_lib", "lab", "--profile", profile, "--run", str(copy), "--no-browser"], f"{NOTEBOOK}.ipynb"


@pytest.fixture(scope="module")
def copy(run, tmp_path_factory):
    """A copy of the run, so that the workspace is made beside it."""
    copy = tmp_path_factory.mktemp("lab") / run.name
    return shutil.copytree(run, copy, ignore=shutil.ignore_patterns("report"))


@pytest.fixture(scope="module")
def address(browser, copy, tmp_path_factory):
    """The address of the notebook in a JupyterLab with settings of its own, which ends with the tests."""
    place = tmp_path_factory.mktemp("jupyter")
    settings = place / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')  # cells out of sight are kept
    (place / "config").mkdir()
    server = {"ServerApp": {"allow_root": True, "open_browser": False, "port_retries": 0}}
    (place / "config" / "jupyter_server_config.json").write_text(json.dumps(server))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = secrets.token_hex()
    variables = {
        "JUPYTER_PORT": str(port),
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(place / "config"),
        "JUPYTER_RUNTIME_DIR": str(place / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(place / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(place / "workspaces"),
    }
    command, notebook = start(copy)
    with open(place / "log.txt", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=os.environ | variables, stdout=log, stderr=log
        )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/api/status?token={token}", server, place / "log.txt")
        yield f"http://127.0.0.1:{port}/lab/tree/{notebook}?token={token}"
    finally:
        server.terminate()
        server.wait(60)


def wait_until_it_answers(address, server, log):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            with urlopen(address, timeout=10):
                return
        except OSError:  # it refuses, resets or lets wait until it is up
            time.sleep(0.3)
    pytest.fail(log.read_text())


def test_a_notebook_runs_to_its_end_in_jupyterlab(browser, address, run):
    opened = Opened(browser)
    page = opened.page
    page.set_default_timeout(60_000)
    page.goto(address)
    page.get_by_text(IDLE).wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = page.locator(PROMPT)
    page.wait_for_function(ENDED, timeout=DEADLINE * 1000)
    page.get_by_text(IDLE).wait_for()
    for kind in (ERROR, STDERR):
        assert page.locator(f".jp-OutputArea-output[data-mime-type='{kind}']").all_inner_texts() == []
    assert all(re.fullmatch(r"\[\d+\]:", prompt) for prompt in prompts.all_inner_texts())
    figures = page.locator(".jp-OutputArea-output img")
    assert figures.count() >= count_figures(run / "notebooks" / f"{NOTEBOOK}.ipynb") > 0
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        assert figure.evaluate("image => image.naturalWidth") > 0
        assert figure.bounding_box()["width"] > 300
    opened.context.close()

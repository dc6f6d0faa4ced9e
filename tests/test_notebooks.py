"""All notebooks, whole, through papermill, and the report in a browser."""

import os
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import nbformat
import numpy as np
import pytest
from repository import ROOT
from sklearn.metrics import roc_auc_score

from higgs_lib import study
from higgs_lib.data import origin
from higgs_lib.report import notebook
from higgs_lib.study import Run, comparison

PROFILE = """
common: {n_test: 1500, n_validation: 800}
02_training: {seeds: [1], few_epochs: 3, few_patience: 0, comparison_epochs: 1}
03_performance: {tree_iterations: 20}
05_cluster_scaling: {cluster_events: 2048, optimizers: [adam], cluster_batch_sizes: [512], cluster_batch_size: 1024,
  cluster_repeats: 1, transfer_events: 1024, target_auc: 0.5}
07_gpu_scaling: {gpu_optimizers: [sgd, adam], swept_batch_sizes: [64, 1024], events_per_timing: 4096}
08_kinematics: {kinematic_seeds: [1], few_epochs: 3, tree_iterations: 20, pre_training_events: 10000,
  pre_training_epochs: 1, tuning_epochs: 1}
10_fidelity: {few_epochs: 2, few_patience: 0, n_compared: 3000, n_built_in_test: 3000}
11_speed: {timed_events: 3000, batch_sizes: [100, 1024], repeats: 2, comparison_epochs: 1}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, events):
    """A run and its profile: a copy of the finished one that HIGGS_RUN names, else a small one made here."""
    folder = tmp_path_factory.mktemp("made") / "run"
    finished = os.environ.get("HIGGS_RUN")
    if finished:
        shutil.copytree(finished, folder)
        return Run(folder), notebook.read_profile(ROOT / "params" / f"{Path(finished).name}.yaml", ROOT / "notebooks")
    folder.mkdir()
    (folder / "tiny.yaml").write_text(PROFILE)
    profile = notebook.read_profile(folder / "tiny.yaml", ROOT / "notebooks")
    study.prepare(Run(folder).events, n_events=8000, seed=1)
    for name in profile.notebooks:
        notebook.run(ROOT / "notebooks" / f"{name}.ipynb", profile, folder)
    command = [sys.executable, "-m", "higgs_lib", "report", "--profile", folder / "tiny.yaml", "--run", folder]
    subprocess.run(command, check=True)
    return Run(folder), profile


@pytest.fixture
def run(made):
    return made[0]


@pytest.fixture
def shown(run):
    """What every page says of its events."""
    return re.match(r"[\d,]+ events of the built-in simulation \(seed 1\), not UCI", origin(run.events).description)[0]


def text(run, name):
    return str([cell.get("outputs") for cell in nbformat.read(run.path / "notebooks" / f"{name}.ipynb", 4).cells])


def test_notebooks_show_what_was_measured(run, shown):
    assert shown in text(run, "01_data")
    for kind in ("shallow", "deep", "trees"):
        of_seeds = [roc_auc_score(*run.scores(r["name"], "test")) for r in run.results(kind, "complete")]
        assert f"{np.mean(of_seeds):.4f} [" in text(run, "03_performance")
    assert "1.644" in text(run, "04_significance")
    significance = run.result("significance")["values"]
    assert len(significance) == 3 * 3 * 4
    assert all(row["interval"][1] <= row["interval"][0] <= row["interval"][2] for row in significance)
    assert "0.885" in text(run, "09_conclusions")
    for kind, features in product(("kinematic", "kinematic_trees"), ("low", "complete")):
        auc = np.mean([roc_auc_score(*run.scores(r["name"], "test")) for r in run.results(kind, features)])
        assert f"{auc:.4f}" in text(run, "08_kinematics")
    assert re.search(r"features, trees on the same inputs 0\.\d+ .* That is \+0\.\d+ \[", text(run, "08_kinematics"))
    assert f"{comparison.auc(run, 'kinematic', 'low'):.4f}" in text(run, "09_conclusions")
    assert "In batches of 100 the loop of `higgs_lib` trains" in text(run, "11_speed")
    assert re.search(r"(launches|arithmetic) would limit these GPUs in batches of 100", text(run, "07_gpu_scaling"))
    assert re.search(r"Compared with 1 worker, training with 2 is \d\.\d+ times", text(run, "05_cluster_scaling"))
    assert re.search(r"The first optimizer to reach an AUC of 0\.\d+ is adam", text(run, "05_cluster_scaling"))


@pytest.mark.skipif("HIGGS_REAL_RUN" not in os.environ, reason="HIGGS_REAL_RUN does not name a run of real events")
def test_a_run_of_real_events_goes_on_from_built_in_ones():
    run = Run(os.environ["HIGGS_REAL_RUN"])
    for features in ("low", "complete"):
        assert comparison.difference(run, f"tuned, {features}", f"kinematic, {features}").value > 0
        assert f"{comparison.auc(run, 'tuned', features):.4f}" in text(run, "08_kinematics")
    assert comparison.auc(run, "kinematic", "low").value == pytest.approx(0.826, abs=0.012)  # as found by trying
    assert comparison.difference(run, "kinematic, low", "deep, complete").low > 0
    assert "built-in events first, it reaches" in text(run, "08_kinematics")


def test_running_a_notebook_again_trains_nothing(made):
    run, profile = made
    before = {path: path.stat().st_mtime_ns for path in (run.path / "metrics").glob("*-seed*.json")}
    notebook.run(ROOT / "notebooks" / "02_training.ipynb", profile, run.path)
    assert before == {path: path.stat().st_mtime_ns for path in (run.path / "metrics").glob("*-seed*.json")}
    assert len(before) > 20


def test_every_page_says_which_events_it_shows_and_needs_no_network(run, shown):
    pages = sorted((run.path / "report").glob("*.html"))
    assert {"index.html", "01_data.html", "09_conclusions.html"} <= {page.name for page in pages}
    for page in pages:
        html = page.read_text()
        assert shown in html
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="([^"]+)"', html)
        assert not [place for place in loaded if place.startswith(("http:", "https:", "//"))]
        local = [place.split("?")[0].split("#")[0] for place in loaded if not place.startswith(("#", "data:"))]
        assert all((page.parent / place).exists() for place in local if place), page
    for style in (run.path / "report").rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text()), style
    assert "<math" in (run.path / "report" / "04_significance.html").read_text()
    assert "$m_" not in (run.path / "report" / "01_data.html").read_text()


@pytest.fixture(scope="module")
def chromium():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium here to open the report in")
    return found


@pytest.mark.parametrize("page", ["index", "01_data", "09_conclusions"])
def test_the_report_opens_from_the_file_system(run, chromium, tmp_path, page):
    address = (run.path / "report" / f"{page}.html").as_uri()
    options = "headless no-sandbox disable-gpu disable-background-networking disable-component-update disable-sync"
    flags = [f"--{option}" for option in options.split()]
    command = [chromium, *flags, "--no-first-run", f"--user-data-dir={tmp_path}", "--dump-dom", address]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "<h1>" in answer.stdout
    assert len(answer.stdout) > 10_000
    assert "ERR_" not in answer.stdout

import json
import os
import subprocess
import sys

import nbformat
import pytest
from small_notebooks import make_folder, write_notebook, write_profile

from higgs_lib import study
from higgs_lib.data import origin
from higgs_lib.report import lab

PARAMETERS = """run: str = "../runs/laptop"  # the folder of results
events: str = "../e"  # the events
interactive: bool = False  # sliders
n: int = 3  # a number, π
sizes: list[int] = [1, 2]  # sizes
share: float = 0.5  # a share"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A repository with two notebooks and a finished run of its profile."""
    monkeypatch.chdir(make_folder(tmp_path))
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "print(n, name)", parameters=PARAMETERS)
    run = study.Run(tmp_path / "runs" / "mine")
    run.save("deep-low-seed1", {"recipe": {"epochs": 3}})
    run.publish("networks", [{"name": "deep-low-seed1"}])
    study.prepare(run.events, n_events=100)
    (run.path / "summary.json").write_text(json.dumps({"minutes": {"01_one": 7.25}}))
    return tmp_path


def prepare(place, text="01_one: {n: 20000, sizes: [10, 20000]}"):
    return lab.prepare(write_profile(place, text), place / "runs" / "mine")


def start_page(folder):
    return "\n\n".join(cell.source for cell in nbformat.read(folder / lab.START, 4).cells)


def snapshot(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_copy_has_one_cell_of_parameters_with_the_values_of_the_profile(place):
    folder = prepare(place).folder
    book = nbformat.read(folder / "01_one.ipynb", 4)
    assert ["parameters" in cell.metadata.get("tags", []) for cell in book.cells] == [False, True, False]
    assert book.cells[1].source.splitlines() == [
        f'run: str = "{folder}/results"  # the folder of results',
        f'events: str = "{folder}/results/data/events.parquet"  # the events',
        "interactive: bool = True  # sliders",
        "n: int = 20_000  # a number, π",
        "sizes: list[int] = [10, 20_000]  # sizes",
        "share: float = 0.5  # a share",
    ]


def test_what_one_makes_in_the_workspace_leaves_the_run_as_it_is(place):
    run, before = place / "runs" / "mine", snapshot(place / "runs" / "mine")
    results = study.Run(prepare(place).folder / "results")
    assert results.events.samefile(run / "data" / "events.parquet")
    assert results.published() == study.Run(run).published()
    results.save("deep-low-seed1", {"recipe": {"epochs": 4}})
    results.save("another", {"recipe": {"epochs": 5}})
    results.publish("networks", [{"name": "another"}])
    study.prepare(results.events, n_events=50)
    with (results.path / "metrics" / "deep-low-seed1.json").open("a") as edited:  # as an editor does
        edited.write(" ")
    assert snapshot(run) == before
    assert results.published()[0]["recipe"] == {"epochs": 5}


def test_results_follow_the_run_unless_the_workspace_has_replaced_them(place):
    run, results = study.Run(place / "runs" / "mine"), study.Run(prepare(place).folder / "results")
    results.publish("networks", [])
    run.save("deep-low-seed1", {"recipe": {"epochs": 9}})
    run.publish("networks", [{"name": "deep-low-seed1"}] * 2)
    study.prepare(run.events, n_events=60)
    prepare(place)
    assert results.result("deep-low-seed1")["recipe"] == {"epochs": 9}
    assert results.published() == []
    assert origin(results.events).n_events == 60


def test_a_changed_notebook_stays_and_another_follows_the_repository(place):
    folder = prepare(place).folder
    one, two = (nbformat.read(folder / f"{name}.ipynb", 4) for name in ("01_one", "02_two"))
    one.cells[1].source = one.cells[1].source.replace("20_000", "7")
    two.cells[-1].outputs = [nbformat.v4.new_output("stream", text="as it ran")]
    nbformat.write(one, folder / "01_one.ipynb")
    nbformat.write(two, folder / "02_two.ipynb")
    workspace = prepare(place)
    assert workspace.changed == ["01_one"]
    assert "you have changed `01_one`" in start_page(folder)
    assert "n: int = 7 " in nbformat.read(folder / "01_one.ipynb", 4).cells[1].source
    assert "as it ran" in (folder / "02_two.ipynb").read_text()
    for name in ("01_one", "02_two"):
        write_notebook(place / "notebooks" / f"{name}.ipynb", "print('new')", parameters=PARAMETERS)
    assert prepare(place).changed == ["01_one"]
    assert "print('new')" not in (folder / "01_one.ipynb").read_text()
    assert "print('new')" in (folder / "02_two.ipynb").read_text()
    (folder / "01_one.ipynb").unlink()
    assert prepare(place).changed == []
    assert "print('new')" in (folder / "01_one.ipynb").read_text()
    assert "you have changed" not in start_page(folder)


def test_without_a_finished_run_the_events_are_made(place):
    (place / "runs" / "mine" / "summary.json").unlink()
    workspace = prepare(place, "events: {n_events: 40}")
    assert not workspace.is_finished
    assert origin(workspace.folder / "results" / "data" / "events.parquet").n_events == 40
    assert not (workspace.folder / "results" / "metrics").exists()
    assert "results are made as you run the notebooks" in start_page(workspace.folder)
    (place / "runs" / "mine" / "summary.json").write_text('{"minutes": {}}')
    prepare(place)
    assert origin(workspace.folder / "results" / "data" / "events.parquet").n_events == 100


def test_the_start_page_tells_of_every_notebook(place):
    book = nbformat.read(place / "notebooks" / "01_one.ipynb", 4)
    book.cells[0].source += "\n\n- Input: events.\n- Try: `n = 4`, which\n  is more.\n- Output: figures."
    book.metadata["higgs_lib"] = {"part": "Physics"}
    nbformat.write(book, place / "notebooks" / "01_one.ipynb")
    page = start_page(prepare(place).folder)
    assert "| [01 Title](01_one.ipynb) | What?<br>**Try:** `n = 4`, which is more. | 7.2 |" in page
    assert "## Physics\n" in page


def test_jupyterlab_finds_this_interpreter_in_place_of_the_users_kernel(place, hostile_home, monkeypatch):
    opened = []
    monkeypatch.setattr(lab.os, "execve", lambda *arguments: opened.extend(arguments))
    workspace = prepare(place)
    monkeypatch.setattr(lab, "prepare", lambda *_: workspace)
    (place / "params").mkdir()
    (place / "mine.yaml").rename(place / "params" / "smoke.yaml")
    lab.lab(None, None)
    program, command, environment = opened
    assert (program, command[:3]) == (sys.executable, [sys.executable, "-m", "jupyterlab"])
    assert environment["IPYTHONDIR"] == str(workspace.folder / ".settings")
    assert {"MPLBACKEND", "PYTHONSTARTUP"} & environment.keys() == set()
    listing = [sys.executable, "-m", "jupyter", "kernelspec", "list", "--json"]
    answer = subprocess.run(listing, env=environment, capture_output=True, text=True, check=True)
    kernels = json.loads(answer.stdout)["kernelspecs"]
    assert kernels["python3"]["spec"]["argv"][:3] == [sys.executable, "-m", "ipykernel_launcher"]


def test_without_a_profile_laptop_is_opened_where_it_is_finished(place, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(lab, "prepare", lambda profile, run, source: opened.append(run) or lab.Workspace(run, True, []))
    monkeypatch.setattr(lab, "read_profile", lambda path: path)
    monkeypatch.setattr(lab.os, "execve", lambda program, command, environment: opened.append(command))
    lab.lab(None, None, "", ["--no-browser", "--port=8899"])
    (place / "runs" / "laptop").mkdir()
    (place / "runs" / "laptop" / "summary.json").touch()
    lab.lab(None, None)
    assert [os.fspath(run) for run in opened[::2]] == ["runs/smoke", "runs/laptop"]
    assert {"--no-browser", "--port=8899"} <= set(opened[1])
    assert "--no-browser" not in opened[3]
    assert "Profile smoke, as runs/laptop is not finished" in capsys.readouterr().out

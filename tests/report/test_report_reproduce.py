"""`reproduce` on small notebooks: what runs, why, and what a user sees."""

import json
import os
import shutil

import nbformat
import pytest
from small_notebooks import make_folder, write_notebook, write_profile

from higgs_lib import provenance
from higgs_lib.report import notebook, pages
from higgs_lib.report.notebook import NotebookError
from higgs_lib.report.reproduce import reproduce
from higgs_lib.study import Run


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """A function that reproduces a run of two small notebooks, the second of which reads the first, and returns the
    lines that a user sees.
    """
    folder = make_folder(tmp_path)
    book = nbformat.read(folder / "notebooks" / "02_two.ipynb", 4)
    book.metadata["higgs_lib"] = {"reads": ["01_one"]}
    nbformat.write(book, folder / "notebooks" / "02_two.ipynb")
    write_profile(folder, "events: {n_events: 200, seed: 3}")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(pages, "build", lambda run, *_: (run / "report").mkdir(exist_ok=True))

    def call():
        reproduce("mine.yaml", "run")
        lines = capfd.readouterr().out.splitlines()
        return {line.split()[0]: line.split(maxsplit=2)[2] for line in lines if line[:1] in "0e"}

    return call


def test_every_line_says_why_a_notebook_runs_and_a_second_call_runs_none(run):
    lines = run()
    assert lines["events"].startswith("200 events of the built-in simulation (seed 3)")
    assert (lines["01_one"], lines["02_two"]) == ("first run", "first run")
    assert set(run()) == {"events"}


def test_the_clock_plays_no_part(run, tmp_path):
    run()
    for path in tmp_path.rglob("*.*"):
        os.utime(path)
    assert set(run()) == {"events"}


def test_changed_parameters_are_named_and_readers_run_too(run, tmp_path):
    run()
    write_profile(tmp_path, "events: {n_events: 200, seed: 3}\n01_one: {share: 0.7, name: b}")
    assert run() == {
        "events": "200 events of the built-in simulation (seed 3), not UCI's and not an experiment's",
        "01_one": "parameters changed: name, share",
        "02_two": "new results of 01_one",
    }


def test_another_text_runs_one_notebook(run, tmp_path):
    run()
    book = nbformat.read(tmp_path / "notebooks" / "02_two.ipynb", 4)
    book.cells[-1].source = "print(n + 1)"
    nbformat.write(book, tmp_path / "notebooks" / "02_two.ipynb")
    assert run() == {"events": run()["events"], "02_two": "text changed"}


def test_other_events_run_all(run, tmp_path):
    run()
    write_profile(tmp_path, "events: {n_events: 300, seed: 3}")
    assert [run()[name] for name in ("01_one",)] == ["events changed"]


def test_changed_code_runs_the_notebooks_that_import_it(run, tmp_path, monkeypatch):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "from higgs_lib import metrics")
    run()
    library = tmp_path / "library"
    shutil.copytree(provenance.FOLDER, library)
    monkeypatch.setattr(provenance, "FOLDER", library)
    assert set(run()) == {"events"}
    for name, lines in (("plots", {"events"}), ("metrics", {"events", "01_one", "02_two"})):
        path = library / name / "__init__.py"
        path.write_text(path.read_text() + "\nCHANGED = 1\n")
        assert set(run()) == lines


@pytest.fixture
def without_kernel(monkeypatch):
    """Runs notebooks in this process, which takes no time."""

    def execute(path, profile, folder, **_):
        book, names = nbformat.read(path, 4), {}
        for cell in book.cells[1:]:
            exec(cell.source, names)
            names |= {"run": folder} | profile.notebooks[path.stem]
        (folder / "notebooks").mkdir(exist_ok=True)
        nbformat.write(book, folder / "notebooks" / path.name)

    monkeypatch.setattr(notebook, "run", execute)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"[" * 100_000])
def test_a_damaged_file_of_a_run_is_made_again(run, tmp_path, without_kernel, content):
    run()
    for name in ("notebooks/01_one.json", "notebooks/01_one.ipynb", "report.json", "summary.json"):
        (tmp_path / "run" / name).write_bytes(content)
        assert set(run()) == {"events", *(["01_one"] if "01_one" in name else [])}
        nbformat.read(tmp_path / "run" / "notebooks" / "01_one.ipynb", 4)
        for path in ("notebooks/01_one.json", "report.json", "summary.json"):
            assert isinstance(json.loads((tmp_path / "run" / path).read_bytes()), dict)
    assert set(run()) == {"events"}


TRAINING = """
from higgs_lib.study import Run

stored = Run(run)

def make():
    for path in files:
        path.parent.mkdir(exist_ok=True)
        path.write_text("weights")
    return {"value": 1}

files = [stored.model("one"), stored.scores_file("one")]
stored.publish("all", [stored.cached("one", {}, make, files)])
stored.save("headline", {"value": 2, "nan": float("nan"), "numbers": {1: 1, 10: (10,)}})
"""
NAMES = ["metrics/one.json", "metrics/headline.json", "models/one.keras", "scores/one.parquet", "published/all.json"]


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_result_is_named_and_made_again(run, tmp_path, capfd, without_kernel, name):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", TRAINING)
    run()
    assert set(run()) == {"events"}
    stored = Run(tmp_path / "run")
    value, path = stored.result("one")["value"], tmp_path / "run" / name
    whole = path.read_bytes()
    for content in (b"", b"{}", whole[:-9], whole.replace(b"1", b"7"), None):
        if content == whole or (content is None and name in ("metrics/headline.json", "published/all.json")):
            continue  # nothing tells of a result that is neither published nor read
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        reproduce("mine.yaml", "run")
        lines = capfd.readouterr().out.splitlines()
        (told,) = [line for line in lines if line.endswith("all notebooks run")]
        assert path.stem in told
        assert [line.split()[0] for line in lines if line[0] == "0"] == ["01_one", "02_two"]
        assert stored.result("one")["value"] == value
        assert stored.model("one").read_text() == stored.scores_file("one").read_text() == "weights"
        assert stored.published() == [stored.result("one")]
        assert stored.result("headline")["value"] == 2
        assert set(run()) == {"events"}


def test_a_failed_notebook_runs_again_and_the_log_has_its_output(run, tmp_path, capfd):
    fine = (tmp_path / "notebooks" / "02_two.ipynb").read_text()
    write_notebook(
        tmp_path / "notebooks" / "02_two.ipynb", "import os; os.write(2, b'from below'); raise ValueError('no')"
    )
    with pytest.raises(NotebookError, match="ValueError: no"):
        run()
    shown = capfd.readouterr()
    assert "stopped" in shown.out
    assert "from below" not in shown.out + shown.err
    assert "from below" in (tmp_path / "run" / "log.txt").read_text()
    (tmp_path / "notebooks" / "02_two.ipynb").write_text(fine)
    assert run()["02_two"] == "first run"


def test_the_summary_holds_the_times_beside_the_expected_ones(run, tmp_path):
    write_profile(tmp_path, "events: {n_events: 200, seed: 3}\nexpect: {minutes: {01_one: 0.1}}")
    run()
    summary = __import__("json").loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["expected"]["minutes"] == {"01_one": 0.1}
    assert summary["minutes"]["01_one"] > 0

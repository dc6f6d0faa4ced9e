"""`reproduce` on small notebooks: what runs, why, and what a user sees."""

import os
import shutil

import nbformat
import pytest
from small_notebooks import make_folder, write_notebook, write_profile

from higgs_lib import provenance
from higgs_lib.report import pages
from higgs_lib.report.notebook import NotebookError
from higgs_lib.report.reproduce import reproduce


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

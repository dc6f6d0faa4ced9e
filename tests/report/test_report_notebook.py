import nbformat
import pytest
from small_notebooks import make_folder, write_notebook, write_profile

from higgs_lib.report import notebook
from higgs_lib.report.notebook import NotebookError


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path)


def test_a_notebook_runs_with_its_parameters(folder):
    read = write_profile(folder, "common: {n: 17}")
    finished = notebook.run(folder / "notebooks" / "01_one.ipynb", read, folder / "run")
    assert finished == folder / "run" / "notebooks" / "01_one.ipynb"
    assert "17 a" in str(nbformat.read(finished, 4).cells[-1].outputs)
    assert not list(finished.parent.glob("running-*"))


def test_a_failed_notebook_stays_to_be_read_and_is_tried_again(folder):
    broken = write_notebook(folder / "notebooks" / "01_one.ipynb", "print('so far')", "raise ValueError('no luck')")
    read = write_profile(folder, "")
    with pytest.raises(NotebookError, match=r"01_one\.ipynb, cell 3: ValueError: no luck\n.*running-01_one\.ipynb"):
        notebook.run(broken, read, folder / "run")
    left = nbformat.read(folder / "run" / "notebooks" / "running-01_one.ipynb", 4)
    assert "so far" in str(left.cells)
    assert not (folder / "run" / "notebooks" / "01_one.ipynb").exists()
    write_notebook(broken, "print('fine')")
    assert notebook.run(broken, read, folder / "run").exists()


def test_an_unknown_notebook_is_named(folder):
    with pytest.raises(NotebookError, match="no such notebook"):
        notebook.run(folder / "notebooks" / "07_seven.ipynb", write_profile(folder, ""), folder / "run")

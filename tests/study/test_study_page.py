import os

import nbformat
import pytest
from nbclient import NotebookClient
from repository import ROOT

from higgs_lib.processes import NO_DRIVER, NOTES, standard_error_without

STARTING = """WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795747450.433046   12554 port.cc:153] oneDNN custom operations are on.
E0000 00:00:1795747454.915244   12554 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error
F0000 00:00:1795747454.915244   12554 cpu_guard.cc:52] this processor has no AVX
an error of the user's, I0000 not at its beginning
"""


@pytest.mark.parametrize(("pattern", "left"), [(NOTES, [2, 3, 4]), (f"{NOTES}|{NO_DRIVER}", [3, 4])])
def test_notes_of_the_start_are_left_out_and_errors_are_not(capfd, pattern, left):
    with standard_error_without(pattern):
        os.write(2, STARTING.encode())
    os.write(2, b"I0000 later\n")
    lines = STARTING.splitlines(keepends=True)
    assert capfd.readouterr().err == "".join(lines[line] for line in left) + "I0000 later\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's client, not of what is tested
@pytest.mark.parametrize("name", ["01_data", "03_training"])
def test_the_first_cell_of_a_notebook_writes_no_warning(events, name):
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    book.cells = [cell for cell in book.cells if cell.cell_type == "code"][:2]
    book.cells[0].source += f"\nevents = {str(events)!r}"
    NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()
    outputs = [output for cell in book.cells for output in cell.outputs]
    assert [output.output_type for output in outputs] == ["execute_result"]
    assert "**Events:** 20,000 events" in outputs[0].data["text/markdown"]

import os
import signal
import subprocess
import sys
import time

import matplotlib.pyplot as plt
import nbformat
import psutil
import pytest
from small_notebooks import make_folder, write_notebook, write_profile

from higgs_lib import environment, plots
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


def test_the_settings_of_a_user_change_nothing_in_a_notebook(folder, hostile_home):
    cells = [
        "import sys, keras, jax, higgs_lib, matplotlib.pyplot as plt",
        "from pathlib import Path\nfrom higgs_lib import plots",
        "print(keras.config.floatx(), keras.config.epsilon(), keras.config.backend(), keras.config.max_epochs())",
        "print(jax.config.jax_enable_x64, jax.device_count(), __debug__, sys.warnoptions)",
        "print(sys.executable, higgs_lib.__file__)",
        "Path('text').write_text('√s = 8 TeV')\nprint(Path('text').read_bytes())",
        "plots.use_style()\nplt.plot([1, 3, 2])\nplt.xlabel('$m_{jj}$')\nplots.caption('A line.')",
    ]
    write_notebook(folder / "notebooks" / "01_one.ipynb", *cells)
    run = folder / "{name} {of} {}"  # papermill fills in the values of parameters in braces
    finished = notebook.run(folder / "notebooks" / "01_one.ipynb", write_profile(folder, ""), run)
    outputs = [cell.outputs for cell in nbformat.read(finished, 4).cells if cell.cell_type == "code"]
    assert not any(outputs[:3])
    assert [output[0].text for output in outputs[3:7]] == [
        "float32 1e-07 jax None\n",
        "False 1 True []\n",
        f"{sys.executable} {environment.LIBRARY / 'higgs_lib' / '__init__.py'}\n",
        f"{'√s = 8 TeV'.encode()}\n",
    ]
    with plt.rc_context():
        plots.use_style()
        plt.plot([1, 3, 2])
        plt.xlabel("$m_{jj}$")
        assert outputs[7][0].data["text/html"] == plots.caption("A line.")._repr_html_()


def test_a_figure_that_is_not_stored_stops_the_run(folder):
    cells = ["from higgs_lib import plots\nget_ipython().display_formatter.active_types = ['text/plain']"]
    cells += ["import matplotlib.pyplot as plt\nplt.plot([1])\nplt.title('a')\nplots.caption('A point.')"]
    path = write_notebook(folder / "notebooks" / "01_one.ipynb", *cells)
    with pytest.raises(NotebookError, match=r"01_one\.ipynb, cell 3: it stored no figure\n.*running-01_one\.ipynb"):
        notebook.run(path, write_profile(folder, ""), folder / "run")
    assert not (folder / "run" / "notebooks" / "01_one.ipynb").exists()


RUN = """
import sys
from pathlib import Path
from higgs_lib.report import notebook
from higgs_lib.report.profile import read_profile

notebook.run("notebooks/01_one.ipynb", read_profile("mine.yaml", Path("notebooks")), "run")
"""


def test_a_kernel_ends_with_the_process_that_started_it(folder):
    code = "import os, time\nfrom pathlib import Path\nPath('pid').write_text(str(os.getpid()))\ntime.sleep(100)"
    write_notebook(folder / "notebooks" / "01_one.ipynb", code)
    write_profile(folder, "")
    with subprocess.Popen([sys.executable, "-c", RUN], cwd=folder, env=environment.variables()) as process:
        written = folder / "notebooks" / "pid"
        until = time.monotonic() + 60
        while not (written.exists() and written.read_text()) and time.monotonic() < until:
            time.sleep(0.1)
        kernel = psutil.Process(int(written.read_text()))
        assert kernel.ppid() == process.pid
        os.kill(process.pid, signal.SIGKILL)
    kernel.wait(20)

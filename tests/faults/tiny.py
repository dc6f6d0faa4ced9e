"""A run so small that it can be killed many times in a minute: two notebooks that compute without any network."""

import json
import sys
from pathlib import Path

import nbformat
from reproduction import Reproduction, python

N_STEPS, SECONDS = 50, 0.4  # more than the kills of one test leave time for
RUN_LIMIT = 300.0  # seconds in which a run must have ended, on a busy machine

STEPS = f"""
import time
from higgs_lib.study.run import Run

def make(n):
    time.sleep({SECONDS})
    return {{"seconds": {SECONDS}, "value": n * n}}

from higgs_lib.study.run import Scores
import numpy as np

made = [Run(run).cached(f"step-seed{{n}}", {{"n": n}}, lambda n=n: make(n)) for n in range({N_STEPS})]
if not (Run(run).path / "scores" / "ours.parquet").exists():
    Run(run).save_scores("ours", {{"test": Scores(np.arange(2000) % 2, np.arange(2000.0))}})
"""

PARAMETERS = "n: int = 0\nrun: str = ''"

SUM = f"""
from higgs_lib.study.run import Run

values = [Run(run).result(f"step-seed{{n}}")["value"] for n in range({N_STEPS})]
print(sum(values), Run(run).scores("ours", "test").labels.sum())
"""


def write(folder: Path, first: str = STEPS) -> Path:
    """Writes the notebooks and the profile into a folder, and returns it; `first` is the code of the first one."""
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    for name, code, reads in (("01_steps", first, []), ("02_sum", SUM, ["01_steps"])):
        kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
        book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel, "higgs_lib": {"reads": reads}})
        book.cells = [
            nbformat.v4.new_markdown_cell(f"# {name}\n\n**Question.** What?", id="head"),
            nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}, id="parameters"),
            nbformat.v4.new_code_cell(code, id="code"),
            nbformat.v4.new_markdown_cell("The end.", id="end"),
        ]
        nbformat.write(book, folder / "notebooks" / f"{name}.ipynb")
    (folder / "tiny.yaml").write_text("events: {n_events: 300, seed: 3}\n")
    return folder


def start(folder: Path, run: str = "run", **variables: str) -> Reproduction:
    """Starts `reproduce` of the tiny profile."""
    return Reproduction(python("reproduce", "--profile", "tiny.yaml", "--run", run), folder, **variables)


def finish(folder: Path, run: str = "run", **variables: str) -> list[str]:
    """Runs it to its end, and returns what a user sees."""
    call = start(folder, run, **variables)
    status = call.wait(RUN_LIMIT)
    assert status == 0, call.lines
    assert call.survivors(10) == []
    return call.lines


def is_complete(folder: Path, run: str = "run") -> bool:
    """Tells whether the run holds what an undisturbed one makes."""
    path = folder / run
    values = [json.loads((path / "metrics" / f"step-seed{n}.json").read_text())["value"] for n in range(N_STEPS)]
    shown = str(nbformat.read(path / "notebooks" / "02_sum.ipynb", 4).cells[-2].outputs)
    pages = {page.name for page in (path / "report").glob("*.html")}
    whole = {"index.html", "01_steps.html", "02_sum.html"} <= pages and not list(path.rglob("*partial-*"))
    return whole and values == [n * n for n in range(N_STEPS)] and f"{sum(values)} 1000" in shown


if __name__ == "__main__":
    print(finish(write(Path(sys.argv[1]))), is_complete(Path(sys.argv[1])))

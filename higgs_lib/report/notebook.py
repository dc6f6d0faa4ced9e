"""Runs one notebook with the parameters of a profile, through papermill."""

import ast
import logging
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from higgs_lib.files import errors_name
from higgs_lib.report.profile import Profile, declared_parameters

log = logging.getLogger(__name__)


class NotebookError(RuntimeError):
    """A notebook stopped; the message says at which cell, why, and where the notebook can be read."""


class _Stream:
    """A file that passes on what is written to it."""

    def __init__(self, write: Callable[[str], object]):
        self.write = write

    def flush(self) -> None:
        """Does nothing, as nothing is kept."""


def run(
    notebook: str | Path,
    profile: Profile,
    folder: str | Path,
    *,
    on_cell: Callable[..., object] = lambda **_: None,
    on_stderr: Callable[[str], object] = lambda _: None,
) -> Path:
    """Executes a notebook and stores it, with its outputs, in `folder`/notebooks.

    While it runs, and after it failed, its file is called running-NAME.

    Args:
        notebook: the path of the notebook.
        profile: the parameters of all notebooks.
        folder: the folder of the run.
        on_cell: is called before each cell, with `cell_index` as a keyword.
        on_stderr: is called with all that the cells write to standard error.

    Returns:
        The path of the executed notebook.

    Raises:
        NotebookError: the notebook is not one of the profile's, or it stopped.
    """
    notebook, folder = Path(notebook), Path(folder).resolve()
    if notebook.stem not in profile.notebooks:
        raise NotebookError(f"{notebook}: no such notebook; there are {', '.join(profile.notebooks)}")
    finished = folder / "notebooks" / notebook.name
    running = finished.with_name(f"running-{notebook.name}")
    running.parent.mkdir(parents=True, exist_ok=True)
    paths = {"run": str(folder), "events": str(folder / "data" / "events.parquet")}
    declared = declared_parameters(notebook)
    parameters = {name: path for name, path in paths.items() if name in declared} | profile.notebooks[notebook.stem]
    book = _execute(notebook, running, parameters, on_cell=on_cell, on_stderr=on_stderr)
    for cell in book.cells:
        if _lacks_figure(cell):
            raise NotebookError(
                f"{notebook.name}, cell {cell.execution_count}: it stored no figure\nThe notebook: {running}"
            )
    running.replace(finished)
    return finished


def _execute(
    notebook: Path,
    running: Path,
    parameters: dict[str, object],
    *,
    on_cell: Callable[..., object],
    on_stderr: Callable[[str], object],
) -> nbformat.NotebookNode:
    """Executes a notebook in a kernel of its own; the arguments and errors are those of `run`.

    Args:
        notebook: the path of the notebook.
        running: the path at which it is stored, after each cell.
        parameters: what replaces its own parameters.
        on_cell: is called before each cell.
        on_stderr: is called with what the cells write to standard error.

    Returns:
        The executed notebook.
    """
    import papermill  # here, as a run in which nothing is stale does without it
    from jupyter_core.utils import ensure_event_loop
    from traitlets.config import Config

    from higgs_lib.report.kernel import Kernel

    # the tasks of an interrupted cell fail once its kernel has ended, which nobody waits for
    ensure_event_loop().set_exception_handler(lambda _, context: log.debug("%s", context))
    try:
        with errors_name(running), TemporaryDirectory(prefix="higgs_lib-") as settings:
            return papermill.execute_notebook(
                _as_template(notebook),
                _as_template(running),
                parameters,
                kernel_name="python3",
                kernel_manager_class=Kernel,
                config=Config({"Kernel": {"settings": settings}}),
                cwd=notebook.parent,
                progress_bar=False,
                stderr_file=_Stream(on_stderr),
                on_cell_execute=on_cell,
            )
    except papermill.PapermillExecutionError as error:
        message = re.sub(r"\x1b\[[0-9;]*m", "", error.evalue)  # IPython colours some messages
        raise NotebookError(
            f"{notebook.name}, cell {error.exec_count}: {error.ename}: {message}\nThe notebook so far: {running}"
        ) from error
    except RuntimeError as error:  # DeadKernelError, and those of a kernel that does not start
        raise NotebookError(
            f"{notebook.name}: {error}, perhaps for lack of memory\nThe notebook so far: {running}"
        ) from error


def _as_template(path: Path) -> str:
    """Returns a path as papermill takes it, which fills in names in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _lacks_figure(cell: nbformat.NotebookNode) -> bool:
    """Tells whether an executed cell ends with a captioned figure that is not among its outputs."""
    statements = ast.parse(cell.source).body if cell.cell_type == "code" else []
    match statements[-1:]:
        case [ast.Expr(ast.Call(ast.Attribute(ast.Name("plots"), "caption")))]:
            pass
        case _:  # also "plots.caption(...) if compared else None", which may be none
            return False
    return not any("<figure" in output.get("data", {}).get("text/html", "") for output in cell.outputs)

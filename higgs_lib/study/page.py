"""The head of a notebook's page."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from IPython.display import Markdown

from higgs_lib import data, device, provenance

# What TensorFlow writes to standard error while it starts, before it reads TF_CPP_MIN_LOG_LEVEL: notes ("I0000 ...")
# and one line about them.
NOTES = r"^I[0-9]{4} |^WARNING: All log messages before absl::InitializeLog"
NO_DRIVER = r"^E[0-9]{4} .*failed call to cuInit"  # an error only where there is a GPU


def header(events: str | Path, train_on: str = "") -> Markdown:
    """Returns which events a page shows and on which machine it runs; chooses the device `train_on` if it is given.

    `train_on` is as in `device.use`, and has to be chosen before anything else of TensorFlow or JAX runs.
    """
    computes_on = ""
    if train_on:
        with standard_error_without(NOTES if device.gpus() else f"{NOTES}|{NO_DRIVER}"):
            computes_on = f" {device.use(train_on)}"
    return Markdown(
        f"**Events:** {data.origin(events).description}.\n\n**Machine:** {provenance.describe()}.{computes_on}"
    )


@contextmanager
def standard_error_without(pattern: str) -> Iterator[None]:
    """Leaves out the lines that match an extended regular expression of what is written to file descriptor 2.

    The filter is a process of its own, so the last words of a process that crashes get through.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with subprocess.Popen(["grep", "-v", "-E", pattern], stdin=subprocess.PIPE, stdout=before) as lines:
        os.dup2(lines.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)


def event_label(events: str | Path) -> str:
    """Returns the label of figures that show events: that they are simulated, at which energy, and which they are."""
    return rf"Simulation, $\sqrt{{s}}$ = 8 TeV, {data.origin(events).name}"

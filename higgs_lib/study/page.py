"""The head of a notebook's page."""

from pathlib import Path

from IPython.display import Markdown

from higgs_lib import data, device, provenance
from higgs_lib.processes import NO_DRIVER, NOTES, standard_error_without


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


def event_label(events: str | Path) -> str:
    """Returns the label of figures that show events: that they are simulated, at which energy, and which they are."""
    return rf"Simulation, $\sqrt{{s}}$ = 8 TeV, {data.origin(events).name}"

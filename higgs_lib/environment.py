"""Decides which of the user's settings the processes of this library see: notebooks, Spark and figures.

A setting that changes results or stops a run is left out; one that says where and on what to compute is passed on.
"""

import os

LEFT_OUT = {
    "MPLBACKEND": "figures of notebooks are drawn into their outputs",
}
"""Environment variables that no process of this library sees, and why."""


def variables() -> dict[str, str]:
    """Returns the environment variables for processes that this library starts."""
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT}

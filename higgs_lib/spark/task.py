"""A task of Spark that trains, in a process of its own."""

import pickle
from collections.abc import Iterator

from higgs_lib import processes


def run(work: bytes, rows: Iterator) -> Iterator:
    """Does what `work` says, a pickled function of `rows`, whose modules import Keras when it is unpickled."""
    processes.import_keras()
    return pickle.loads(work)(rows)  # noqa: S301

"""The state of a training after an epoch, in one file that is there whole or not at all."""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib.data import written_whole


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says which and why."""


class State(NamedTuple):
    """What a training needs to go on as if it had never stopped."""

    model: list[np.ndarray]
    """All variables: weights, moving averages, the state of its random numbers."""
    optimizer: list[np.ndarray]
    """Its variables, the number of steps among them."""
    best: list[np.ndarray]
    """The weights of the best epoch so far."""
    history: dict
    """As JSON takes it."""


def write(path: str | Path, state: State, settings: dict) -> None:
    """Stores the state of a training with these `settings`, in place of an older one."""
    lists = {name: getattr(state, name) for name in ("model", "optimizer", "best")}
    arrays = {f"{name}/{i:04d}": array for name, values in lists.items() for i, array in enumerate(values)}
    about = json.dumps({"settings": settings, "history": state.history})
    with written_whole(Path(path)) as beside, beside.open("wb") as file:
        np.savez(file, about=np.array(about), **arrays)


def read(path: str | Path, settings: dict) -> State | None:
    """The stored state; None where there is none.

    CheckpointError where the file was not written by a training with these `settings`, or is none.
    """
    if not Path(path).exists():
        return None
    try:
        with Path(path).open("rb") as file, np.load(file) as stored:
            about = json.loads(str(stored["about"]))
            history, written = about["history"], about["settings"]
            lists = {
                name: [stored[key] for key in sorted(stored.files) if key.startswith(f"{name}/")]
                for name in ("model", "optimizer", "best")
            }
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a checkpoint ({error}); delete it to begin anew") from error
    wanted = json.loads(json.dumps(settings))
    other = sorted(key for key in wanted.keys() | written if wanted.get(key) != written.get(key))
    if other:
        raise CheckpointError(
            f"{path}: of a training with other {', '.join(other)}; delete it to begin anew, or give another path"
        )
    return State(**lists, history=history)

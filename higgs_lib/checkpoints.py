"""The state of a training after an epoch, in one file that is there whole or not at all."""

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from higgs_lib.data import written_whole
from higgs_lib.history import History


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

    @classmethod
    def of(cls, model, optimizer, history: History, best: list[np.ndarray]) -> "State":
        """That of a Keras model and its optimizer."""
        variables = ([_stored(variable) for variable in part.variables] for part in (model, optimizer))
        return cls(*variables, best, history.as_dict())

    def restore(self, model, optimizer) -> tuple[History, list[np.ndarray]]:
        """Puts model and optimizer back into this state: the history until then and the best weights."""
        for variables, values in ((model.variables, self.model), (optimizer.variables, self.optimizer)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return History.of(self.history), self.best


def _stored(variable) -> np.ndarray:
    """A variable as numpy's files take it: bfloat16 as float32, which holds it exactly."""
    value = np.asarray(variable)
    return value.astype(np.float32) if value.dtype.name == "bfloat16" else value


def settings(model, optimizer, loss, training, validation, numbers: dict) -> dict:
    """What a checkpoint must agree with; of the events, their number and the first thousand."""
    described = keras.saving.serialize_keras_object(optimizer)
    described["config"] |= {"name": None}  # Keras numbers them: adam, adam_1, ...
    return numbers | {
        "model": _description(model),
        "optimizer": described,
        "loss": keras.saving.serialize_keras_object(loss),
        "training events": _digest(training),
        "validation events": _digest(validation),
    }


def _description(model) -> str:
    """Names a model but for its weights: equal for one built in the same way again."""
    try:
        text = model.to_json()
    except NotImplementedError:  # a class of the user's own that does not say how it was made
        text = f"{type(model)} {[list(variable.shape) for variable in model.variables]}"
    numberless = re.sub(r'_\d+"', '"', text)  # Keras numbers the layers that it names: dropout, dropout_1, ...
    return hashlib.sha256(numberless.encode()).hexdigest()


def _digest(events) -> str:
    first = events.take(np.arange(min(1000, events.n_events)))
    return f"{events.n_events} {hashlib.sha256(first.features.tobytes() + first.labels.tobytes()).hexdigest()}"


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

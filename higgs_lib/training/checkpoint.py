"""The state of a training after an epoch, in one file that is there whole or not at all."""

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from higgs_lib.files import write_atomically
from higgs_lib.training import steps
from higgs_lib.training.history import History


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


class Checkpoint:
    """The file with the state of one training; without a path nothing is stored."""

    def __init__(self, path: Path | None, settings: dict):
        """`settings` are what the training that wrote a file must agree in with the one that reads it."""
        self.path, self.settings = path, json.loads(json.dumps(settings))

    @classmethod
    def of(
        cls, path: str | Path | None, model, optimizer, loss, training, validation, config, seed, jit_compile
    ) -> "Checkpoint":
        """Returns the checkpoint of a training, with the arguments of `training.fit`.

        Of the events, their number and the first thousand must agree.
        """
        if path is None:
            return cls(None, {})
        described = keras.saving.serialize_keras_object(optimizer)
        described["config"] |= {"name": None}  # Keras numbers them: adam, adam_1, ...
        settings = {
            "epochs": config.epochs,
            "batch size": config.batch_size,
            "seed": seed,
            "XLA": steps.prefers_xla(model, config.batch_size) if jit_compile is None else jit_compile,
            "model": _description(model),
            "optimizer": described,
            "loss": keras.saving.serialize_keras_object(loss),
            "training events": _digest(training),
            "validation events": _digest(validation),
        }
        return cls(Path(path), settings)

    def write(self, state: State) -> None:
        """Stores a state in place of an older one."""
        if self.path is None:
            return
        lists = {name: getattr(state, name) for name in ("model", "optimizer", "best")}
        arrays = {f"{name}/{i:04d}": array for name, values in lists.items() for i, array in enumerate(values)}
        about = json.dumps({"settings": self.settings, "history": state.history})
        with write_atomically(self.path) as beside, beside.open("wb") as file:
            np.savez(file, about=np.array(about), **arrays)

    def read(self) -> State | None:
        """Returns the stored state, or None where there is none.

        Raises:
            CheckpointError: the file is no checkpoint, or that of a training with other settings.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file, np.load(file) as stored:
                about = json.loads(str(stored["about"]))
                history, written = about["history"], about["settings"]
                lists = {
                    name: [stored[key] for key in sorted(stored.files) if key.startswith(f"{name}/")]
                    for name in ("model", "optimizer", "best")
                }
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{self.path}: not a checkpoint ({error}); delete it to start over") from error
        keys = self.settings.keys() | written
        if differing := sorted(key for key in keys if self.settings.get(key) != written.get(key)):
            raise CheckpointError(
                f"{self.path}: the checkpoint of a training with other {', '.join(differing)}; "
                "delete it to start over, or give another path"
            )
        return State(**lists, history=history)


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

"""Stores the state of a training after every epoch in one file, which is written atomically."""

import hashlib
import io
import json
import logging
import re
import zipfile
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from higgs_lib.data import EventStream, Sample
from higgs_lib.files import write_atomically
from higgs_lib.training import steps
from higgs_lib.training.config import TrainConfig
from higgs_lib.training.history import History

log = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """Raised when a checkpoint cannot be used; the message names the file and the reason."""


class State(NamedTuple):
    """The state from which a training resumes as if it had never stopped."""

    model: list[np.ndarray]
    """All variables of the model: weights, moving averages, random-number states."""
    optimizer: list[np.ndarray]
    """All variables of the optimizer, including the number of steps."""
    best: list[np.ndarray]
    """The weights of the best epoch so far."""
    history: dict
    """The history, as `History.as_dict` returns it."""

    @classmethod
    def capture(cls, model, optimizer, history: History, best: list[np.ndarray]) -> "State":
        """Copies the state of a training.

        Args:
            model: the Keras model.
            optimizer: its optimizer.
            history: the epochs so far.
            best: the weights of the best of them.

        Returns:
            The state.
        """
        variables = ([as_storable(variable) for variable in part.variables] for part in (model, optimizer))
        return cls(*variables, best, history.as_dict())

    def restore(self, model, optimizer) -> tuple[History, list[np.ndarray]]:
        """Restores model and optimizer in place; returns the history so far and the weights of its best epoch."""
        restore(model.variables, self.model)
        restore(optimizer.variables, self.optimizer)
        return History.from_dict(self.history), self.best

    def as_message(self) -> tuple[dict, list[np.ndarray]]:
        """Returns the state as what JSON can hold, and its arrays."""
        lists = {name: len(getattr(self, name)) for name in ("model", "optimizer", "best")}
        return {"lists": lists, "history": self.history}, [*self.model, *self.optimizer, *self.best]

    def fits(self, other: "State") -> bool:
        """Tells whether the arrays have the shapes and types of another state of the same training."""
        same = all(_kinds(getattr(self, name)) == _kinds(getattr(other, name)) for name in ("model", "optimizer"))
        return same and bool(self.best) and set(_kinds(self.best)) <= set(_kinds(other.model))

    @classmethod
    def from_message(cls, content: dict, arrays: list[np.ndarray]) -> "State":
        """Returns the state that `as_message` took apart."""
        arrays = iter(arrays)
        lists = {name: list(islice(arrays, length)) for name, length in content["lists"].items()}
        return cls(**lists, history=content["history"])


def as_storable(variable) -> np.ndarray:
    """Returns a variable as numpy can store it: bfloat16 as float32, which holds it exactly."""
    value = np.asarray(variable)
    return value.astype(np.float32) if value.dtype.name == "bfloat16" else value


def _kinds(arrays: list[np.ndarray]) -> list[tuple]:
    """Returns shape and type of each array."""
    return [(array.shape, array.dtype) for array in arrays]


def restore(variables: list, values: list[np.ndarray]) -> None:
    """Assigns stored values to variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class Checkpoint:
    """The file that holds the state of one training; without a path nothing is stored."""

    def __init__(self, path: Path | None, settings: dict):
        """Takes the settings that must be equal in the trainings that write and read the file."""
        self.path, self.settings = path, json.loads(json.dumps(settings))

    @classmethod
    def for_training(
        cls,
        path: str | Path | None,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss: keras.losses.Loss,
        training: Sample | EventStream,
        validation: Sample | EventStream,
        config: TrainConfig,
        seed: int,
        jit_compile: bool | None,
        others: dict | None = None,
    ) -> "Checkpoint":
        """Returns the checkpoint of a training, which only a training with the same settings can read.

        Early stopping may differ. Events count as the same if their number and the first thousand of them agree.

        Args:
            path: the file; None: nothing is stored.
            model: the model, of which the architecture must agree.
            optimizer: its optimizer, of which all settings must agree.
            loss: the loss.
            training: the training events.
            validation: the validation events.
            config: number of epochs and batch size.
            seed: of the order of events.
            jit_compile: whether XLA compiles the steps; None: by batch size, number of steps and device.
            others: what else must agree.

        Returns:
            The checkpoint.
        """
        if path is None:
            return cls(None, {})
        optimizer_settings = keras.saving.serialize_keras_object(optimizer)
        wrapped = optimizer_settings["config"].get("optimizer", optimizer_settings)
        for part in (optimizer_settings, wrapped):
            part["config"] |= {"name": None}  # Keras numbers them: adam, adam_1, ...
        settings = {
            "epochs": config.epochs,
            "batch size": config.batch_size,
            "seed": seed,
            "Keras backend": keras.backend.backend(),
            "XLA": steps.uses_xla(jit_compile, model, config, training.n_events),
            "model": _architecture(model),
            "optimizer": optimizer_settings,
            "loss": keras.saving.serialize_keras_object(loss),
            "training events": _digest(training),
            "validation events": _digest(validation),
        }
        return cls(Path(path), settings | (others or {}))

    def write(self, state: State) -> None:
        """Replaces the stored state."""
        if self.path is None:
            return
        lists = {name: getattr(state, name) for name in ("model", "optimizer", "best")}
        arrays = {f"{name}/{i:04d}": array for name, values in lists.items() for i, array in enumerate(values)}
        about = json.dumps({"settings": self.settings, "history": state.history})
        with write_atomically(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, about=np.array(about), **arrays)

    def read(self, initial: State) -> State:
        """Returns the stored state, or the initial one where there is none.

        A damaged file is kept under another name, with a warning, and the training starts over.

        Raises:
            CheckpointError: the checkpoint belongs to a training with other settings, or the path is no file's.
        """
        if self.path is None or not self.path.exists():
            return initial
        if not self.path.is_file():
            raise CheckpointError(f"{self.path}: not a file; choose another path for the checkpoint")
        content = self.path.read_bytes()
        try:
            written, state = _parse(content)
        except MemoryError:
            raise
        except Exception as error:  # the libraries that read it stumble over damage in any way
            return self._start_over(initial, f"{error}")
        keys = self.settings.keys() | written
        if differing := sorted(key for key in keys if self.settings.get(key) != written.get(key)):
            raise CheckpointError(
                f"{self.path}: the checkpoint belongs to a training with different {', '.join(differing)}; "
                "delete it to start over, or choose another path"
            )
        return state if state.fits(initial) else self._start_over(initial, "its arrays are those of another model")

    def _start_over(self, initial: State, reason: str) -> State:
        """Returns the initial state, after it has put a damaged file aside."""
        aside = self.path.with_name(f"{self.path.stem}.damaged{self.path.suffix}")
        self.path.replace(aside)
        reason = " ".join(reason.split())
        log.warning(
            "%s: not a checkpoint (%s); it is kept as %s, and the training starts over", self.path, reason, aside
        )
        return initial


def _parse(content: bytes) -> tuple[dict, State]:
    """Returns the settings and the state of a checkpoint; raises any error where it is damaged."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:

        def array(name: str) -> np.ndarray:
            whole = archive.read(name)  # compared with its check sum
            return np.lib.format.read_array(io.BytesIO(whole), allow_pickle=False)

        about, names = json.loads(str(array("about.npy"))), sorted(archive.namelist())
        lists = {
            part: [array(name) for name in names if name.startswith(f"{part}/")]
            for part in ("model", "optimizer", "best")
        }
    history = History.from_dict(about["history"])
    if not 0 < len(history.seconds) == len(history.training) == len(history.validation):
        raise ValueError("its history is not that of whole epochs")
    return dict(about["settings"]), State(**lists, history=about["history"])


def _architecture(model) -> str:
    """Returns a digest of the model's architecture, equal for models that were built in the same way."""
    try:
        text = model.to_json()
    except NotImplementedError:  # a custom class that does not define get_config
        text = f"{type(model)} {[list(variable.shape) for variable in model.variables]}"
    numberless = re.sub(r'_\d+"', '"', text)  # Keras numbers the layers that it names: dropout, dropout_1, ...
    return hashlib.sha256(numberless.encode()).hexdigest()


def _digest(events: Sample | EventStream) -> str:
    """Returns the number of events and a digest of the first thousand."""
    first = events.take(np.arange(min(1000, events.n_events)))
    return f"{events.n_events} {hashlib.sha256(first.features.tobytes() + first.labels.tobytes()).hexdigest()}"

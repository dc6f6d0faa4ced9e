"""Checks before the first step that a training is possible."""

import logging

import keras
import numpy as np

from higgs_lib import device
from higgs_lib.data import EventStream, Sample
from higgs_lib.training import steps
from higgs_lib.training.config import TrainConfig
from higgs_lib.training.layers import uses_bfloat16

log = logging.getLogger(__name__)

N_TRIED = 100  # events, on which the model is tried


class TrainingError(ValueError):
    """Raised when a training is not possible; the message says why, and what to do."""


def check_events(events: Sample | EventStream, part: str) -> None:
    """Raises TrainingError unless all events are finite and labelled 0 or 1, and both classes are among them."""
    first, labels = 0, set()
    for block in events.blocks():
        if block.features.ndim != 2 or block.labels.shape != (len(block.features),):
            raise TrainingError(
                f"{part} events: features must be (n, n_features) and labels (n,), not {block.features.shape} and "
                f"{block.labels.shape}"
            )
        for bad, text in (
            (~np.isin(block.labels, (0, 1)), "the label is neither 0 (background) nor 1 (signal)"),
            (~np.isfinite(block.features).all(1), "a feature is not finite"),
        ):
            if bad.any():
                raise TrainingError(f"{part} events, row {first + int(bad.argmax())} from 0: {text}")
        first, labels = first + len(block.labels), labels | set(np.unique(block.labels).tolist())
    if len(labels) < 2:
        raise TrainingError(
            f"{part} events: signal (label 1) and background (0) are needed, but not both are there; if the file is "
            "sorted by class, shuffle its events before they are split"
        )


def check_trainable(
    model: keras.Model,
    training: Sample | EventStream,
    config: TrainConfig,
    jit_compile: bool | None,
    loss: keras.losses.Loss | None = None,
) -> None:
    """Checks that a training is possible, and warns of bfloat16 on a processor without it.

    Args:
        model: the model, built here if it is not.
        training: the training events.
        config: number of epochs, batch size and early stopping.
        jit_compile: whether XLA has to compile the steps.
        loss: the loss; None: the binary cross-entropy.

    Raises:
        TrainingError: it is not possible.
    """
    if config.epochs < 1 or not 1 <= config.batch_size <= training.n_events:
        raise TrainingError(
            f"cannot train {config.epochs} epochs in batches of {config.batch_size} on {training.n_events} "
            "training events"
        )
    for name in ("patience", "min_delta", "min_epochs"):
        if not getattr(config, name) >= 0:
            raise TrainingError(f"{name} must not be negative, as {getattr(config, name)} is")
    if jit_compile is False and keras.backend.backend() == "jax":
        raise TrainingError("jit_compile cannot be False, as JAX compiles every step with XLA: leave it out")
    _try(model, training.take(np.arange(min(N_TRIED, training.n_events))).features, loss)
    if uses_bfloat16(model) and not (steps.has_gpu() or device.has_bfloat16()):
        log.warning("this processor does not list bfloat16 instructions; float32 is faster without them")


def _try(model: keras.Model, features: np.ndarray, loss: keras.losses.Loss | None) -> None:
    """Raises TrainingError unless the model has weights and makes one score of each event, as the loss needs it."""
    try:
        scores = np.asarray(model(features), np.float32)
    except (ValueError, TypeError) as error:
        raise TrainingError(
            f"the model does not take the {features.shape[1]} features of the training events: "
            f"{' '.join(f'{error}'.split())}"
        ) from error
    if not model.trainable_variables:
        raise TrainingError("the model has no weights to train")
    if scores.shape != (len(features), 1):
        raise TrainingError(
            f"the model makes {scores.shape} of {features.shape} features, where ({len(features)}, 1) is needed: one "
            "score for each event"
        )
    probabilities = loss is None or (isinstance(loss, keras.losses.BinaryCrossentropy) and not loss.from_logits)
    if probabilities and not ((scores >= 0) & (scores <= 1)).all():
        raise TrainingError(
            "the model's scores do not lie in [0, 1], as the binary cross-entropy needs: give the last layer the "
            "activation sigmoid, or the loss from_logits=True"
        )

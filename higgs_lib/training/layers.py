"""What the trainings need to know of a model's layers and weights."""

import math
from collections.abc import Iterator

import keras
import numpy as np


def layers_of(model) -> Iterator[keras.layers.Layer]:
    """Yields a model and all layers in it, including nested ones."""
    yield model
    for inner in getattr(model, "layers", ()):
        yield from layers_of(inner)


def uses_bfloat16(model) -> bool:
    """Tells whether any layer multiplies in bfloat16."""
    return any(layer.compute_dtype == "bfloat16" for layer in layers_of(model))


def offset_dropout_seeds(model, rank: int) -> None:
    """Adds the rank to the seeds of dropout, so that ranks drop different outputs; rank 0 those of a single process."""
    for variable in model.variables:
        if "seed_generator" in variable.path:
            seed = np.array(variable)
            seed[0] += rank
            variable.assign(seed)


def weights_of(model) -> np.ndarray:
    """Returns a copy of all trainable weights as one vector (k,), in float32."""
    return np.concatenate([np.asarray(v, np.float32).ravel() for v in model.trainable_variables])


def assign_weights(model, vector: np.ndarray) -> None:
    """Assigns a vector (k,) to the trainable weights."""
    start = 0
    for variable in model.trainable_variables:
        size = math.prod(variable.shape)
        variable.assign(vector[start : start + size].reshape(variable.shape))
        start += size

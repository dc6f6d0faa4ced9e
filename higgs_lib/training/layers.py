"""What the steps need to know of a model's layers."""

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

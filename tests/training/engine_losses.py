"""The loss of every step of the deep network, on Keras' backend of this process, for the comparison of the engines.

As a program it stores these of some optimizers, and the checkpoint of a small training.
"""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from small_training import build
from small_training import sample as small_sample

from higgs_lib import data, models, training
from higgs_lib.data import COMPLETE
from higgs_lib.models import PRESETS
from higgs_lib.training.loop import Trainer

N_STEPS, BATCH_SIZE = 200, 100


def losses(events: Path, weights: Path, optimizer: str) -> np.ndarray:
    """The loss (n_steps,) of each step of an epoch, with initial weights from a file."""
    sample = data.load(events, COMPLETE, range(N_STEPS * BATCH_SIZE))
    spec = replace(PRESETS["deep"], optimizer=optimizer)
    model = models.build(spec, models.standardisation(sample), seed=1)
    with np.load(weights) as stored:
        model.set_weights([stored[f"arr_{i}"] for i in range(len(stored.files))])
    stepper = models.optimizer(spec, sample.n_events, BATCH_SIZE, epochs=1)
    trainer = Trainer(model, stepper, keras.losses.BinaryCrossentropy(), sample, BATCH_SIZE, seed=5)
    labels, results, _, _ = trainer.train_epoch(1)
    probability = np.where(labels == 1, results.scores, 1 - results.scores).astype(float)
    return -np.log(probability).reshape(N_STEPS, BATCH_SIZE).mean(1)


if __name__ == "__main__":
    events, weights, destination, checkpoint, *optimizers = sys.argv[1:]
    np.savez(destination, **{name: losses(Path(events), Path(weights), name) for name in optimizers})
    assert keras.backend.backend() == "jax"
    assert "tensorflow" not in sys.modules  # until Keras describes a model for the checkpoint
    parts, config = (small_sample(3030, 1), small_sample(1500, 2)), training.TrainConfig(2, 100)
    training.fit(*build(), *parts, config, seed=1, checkpoint=checkpoint)

"""A user's script, which `mypy --strict` checks: every public function has types."""

from pathlib import Path
from typing import assert_type

import numpy as np

from higgs_lib import __version__, data, device, metrics, models, simulation, study, training


def main(events: Path) -> None:
    """Trains the shallow network on built-in events, and judges it on test events."""
    assert_type(__version__, str)
    assert_type(device.use("cpu"), str)
    simulation.simulate(events, 10_000, seed=1)
    splits = data.split(10_000, n_test=2_000, n_validation=1_000)
    assert_type(splits, data.Splits)
    sample = data.load(events, data.feature_set("complete"), splits.training)
    assert_type(sample, data.Sample)
    standard = models.standardisation(sample)
    assert_type(standard, models.Standardisation)
    model = models.build(models.PRESETS["shallow"], standard, 1)
    config = training.TrainConfig(epochs=2, batch_size=100)
    optimizer = models.optimizer(models.PRESETS["shallow"], sample.n_events, config.batch_size, config.epochs)
    history = training.fit(model, optimizer, sample, sample, config, seed=1)
    assert_type(history, training.History)
    scores = training.predict(model, sample.features)
    assert_type(scores, np.ndarray)
    assert_type(metrics.auc(sample.labels, scores), float)
    assert_type(metrics.auc_interval(sample.labels, scores), metrics.Interval)
    experiment = metrics.Experiment(100, 1000, 0.05)
    assert_type(
        metrics.best_cut(metrics.efficiencies(sample.labels, scores, metrics.CUTS), experiment, "Asimov"), float
    )
    assert_type(metrics.asimov(np.array([100.0]), 1000.0), np.ndarray)
    assert_type(study.Run(events.parent).path, Path)

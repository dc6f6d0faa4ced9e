"""The settings with which the study trains each classifier: those of 03_training, 04_performance and 06_kinematics."""

from dataclasses import replace
from typing import Any, NamedTuple

from higgs_lib.models import PRESETS, ModelSpec
from higgs_lib.study.boosting import TreeSettings
from higgs_lib.training import TrainConfig

FEW_EVENTS = 200_000  # with fewer training events classifiers overfit


class NetworkSettings(NamedTuple):
    """What a network is and how long it trains."""

    spec: ModelSpec
    """The architecture and its optimizer."""
    config: TrainConfig
    """Length, batch size and early stopping."""


_COSINE = {"schedule": "cosine", "warm_up": 0.05}
_MANY_EVENTS = {"initial_weights": "he", **_COSINE}
_FEW_EVENTS = {"optimizer": "adam", **_COSINE}
# what differs from the preset, and for how long to train: with many events, and with few
_CHANGES_AND_LENGTHS: dict[str, tuple[tuple[dict[str, Any], TrainConfig], ...]] = {
    "shallow": (
        ({"learning_rate": 0.01, **_MANY_EVENTS}, TrainConfig(24, 1024)),
        ({"learning_rate": 0.002, **_FEW_EVENTS}, TrainConfig(40, 128, patience=8)),
    ),
    "deep": (
        ({"learning_rate": 0.004, **_MANY_EVENTS}, TrainConfig(6, 512)),
        ({"learning_rate": 0.002, "dropout": 0.3, **_FEW_EVENTS}, TrainConfig(40, 128, patience=8)),
    ),
    "modern": (
        ({"learning_rate": 0.006, **_MANY_EVENTS}, TrainConfig(6, 2048)),
        ({"learning_rate": 0.001, "dropout": 0.3, **_FEW_EVENTS}, TrainConfig(80, 128, patience=8)),
    ),
    "kinematic": (({}, TrainConfig(3, 1024)), ({"dropout": 0.2}, TrainConfig(40, 128))),
}
CLASSIFIERS = tuple(_CHANGES_AND_LENGTHS)
"""The networks of the study."""


def network_settings(classifier: str, n_training: int) -> NetworkSettings:
    """Returns the settings of "shallow", "deep", "modern" or "kinematic" for this number of training events.

    Below `FEW_EVENTS` networks train in smaller batches, for more epochs and with dropout.

    Raises ValueError for another classifier.
    """
    if classifier not in CLASSIFIERS:
        raise ValueError(f"unknown classifier {classifier!r}: choose one of {', '.join(CLASSIFIERS)}")
    changes, config = _CHANGES_AND_LENGTHS[classifier][n_training < FEW_EVENTS]
    return NetworkSettings(replace(PRESETS[classifier], **changes), config)


_TREES = (
    TreeSettings(iterations=100, leaves=127, learning_rate=0.15),
    TreeSettings(iterations=600, leaves=31, learning_rate=0.05),
)


def tree_settings(n_training: int) -> TreeSettings:
    """Returns the settings of boosted trees for this number of training events.

    Below `FEW_EVENTS` trees are smaller, and stop before they overfit.
    """
    return _TREES[n_training < FEW_EVENTS]

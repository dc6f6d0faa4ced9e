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


_COSINE: dict[str, Any] = {"schedule": "cosine", "warm_up": 0.05}
_MANY_EVENTS: dict[str, Any] = {"initial_weights": "he", **_COSINE}
_FEW_EVENTS: dict[str, Any] = {"optimizer": "adam", **_COSINE}
_SHALLOW, _DEEP, _MODERN = (PRESETS[name] for name in ("shallow", "deep", "modern"))
_SETTINGS = {  # with many events, and with few
    "shallow": (
        NetworkSettings(replace(_SHALLOW, learning_rate=0.01, **_MANY_EVENTS), TrainConfig(16, 1024)),
        NetworkSettings(replace(_SHALLOW, learning_rate=0.002, **_FEW_EVENTS), TrainConfig(40, 128, patience=8)),
    ),
    "deep": (
        NetworkSettings(replace(_DEEP, learning_rate=0.004, **_MANY_EVENTS), TrainConfig(5, 512)),
        NetworkSettings(
            replace(_DEEP, learning_rate=0.002, dropout=0.3, **_FEW_EVENTS), TrainConfig(40, 128, patience=8)
        ),
    ),
    "modern": (
        NetworkSettings(replace(_MODERN, learning_rate=0.006, **_MANY_EVENTS), TrainConfig(6, 2048)),
        NetworkSettings(
            replace(_MODERN, learning_rate=0.001, dropout=0.3, **_FEW_EVENTS), TrainConfig(80, 128, patience=8)
        ),
    ),
    "kinematic": (
        NetworkSettings(PRESETS["kinematic"], TrainConfig(3, 1024)),
        NetworkSettings(PRESETS["kinematic_few"], TrainConfig(40, 128)),
    ),
}
CLASSIFIERS = tuple(_SETTINGS)
"""The networks of the study."""


def network_settings(classifier: str, n_training: int) -> NetworkSettings:
    """Returns the settings of "shallow", "deep", "modern" or "kinematic" for this number of training events.

    Below `FEW_EVENTS` networks train in smaller batches, for more epochs and with dropout.

    Raises ValueError for another classifier.
    """
    if classifier not in CLASSIFIERS:
        raise ValueError(f"unknown classifier {classifier!r}: choose one of {', '.join(CLASSIFIERS)}")
    return _SETTINGS[classifier][n_training < FEW_EVENTS]


_TREES = (
    TreeSettings(iterations=70, leaves=127, learning_rate=0.2),
    TreeSettings(iterations=600, leaves=31, learning_rate=0.05),
)


def tree_settings(n_training: int) -> TreeSettings:
    """Returns the settings of boosted trees for this number of training events.

    Below `FEW_EVENTS` trees are smaller, and stop before they overfit.
    """
    return _TREES[n_training < FEW_EVENTS]

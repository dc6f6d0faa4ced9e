"""The training loop on one machine: batches, steps, history and checkpoints; README.md says what it guarantees."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["update_rules"],
    submod_attrs={
        "checkpoint": ["CheckpointError"],
        "checks": ["TrainingError"],
        "config": ["TrainConfig"],
        "history": ["History", "Measures", "Phases"],
        "loop": ["DivergenceError", "evaluate", "fit", "predict"],
    },
)

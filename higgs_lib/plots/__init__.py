"""Draws results; computes nothing. Every function takes `ax` (default: the current axes) and returns it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["asynchronous", "captions", "scaling", "systematics", "throughput"],
    submod_attrs={
        "captions": ["caption"],
        "classification": [
            "against_cut",
            "by_epoch",
            "classes",
            "correlations",
            "expected",
            "intervals",
            "learning_curve",
            "prediction_band",
            "r_squared",
            "ratio",
            "reliability",
            "roc",
            "scores",
        ],
        "style": [
            "BACKGROUND",
            "CLASSIFIER_COLOURS",
            "CYCLE",
            "FEATURE_COLOURS",
            "PUBLISHED",
            "SIGNAL",
            "WIDTH",
            "use_style",
        ],
    },
)

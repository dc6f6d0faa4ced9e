"""Draws results; computes nothing. Every function takes `ax` (default: the current axes) and returns it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "asynchronous",
        "captions",
        "learning",
        "scaling",
        "sculpting",
        "significance",
        "systematics",
        "throughput",
    ],
    submod_attrs={
        "captions": ["caption"],
        "classification": [
            *("against_cut", "by_epoch", "expected", "intervals", "learning_curve", "prediction_band", "r_squared"),
            *("reliability", "roc", "scores"),
        ],
        "comparison": ["compared"],
        "diagrams": ["processes"],
        "features": [
            *("classes", "correlations", "density_label", "low_level", "masses", "ratio", "single_features"),
            "two_samples",
        ],
        "style": [
            *("BACKGROUND", "CLASSIFIER_COLOURS", "CYCLE", "FEATURE_COLOURS", "PUBLISHED", "SIGNAL", "WIDTH"),
            *("legend_below", "outer_labels", "shades", "shared_legend", "use_style"),
        ],
    },
)

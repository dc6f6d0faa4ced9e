"""This study: stored runs, trained classifiers, the literature and the comparison with it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "asynchronous",
        "comparison",
        "crossing",
        "diagnostics",
        "distributions",
        "headline",
        "learning_curve",
        "likelihood",
        "measured",
        "published",
        "readout",
        "reference",
        "regions",
        "sculpting",
        "stored_shifts",
        "systematics",
        "tables",
        "timed",
        "trees",
    ],
    submod_attrs={
        "classifiers": ["BALDI", "Study"],
        "events": ["prepare"],
        "page": ["event_label", "header"],
        "run": ["Run", "Scores", "by_epoch"],
        "settings": ["NetworkSettings", "network_settings"],
        "timed": ["ScalingStudy"],
    },
)

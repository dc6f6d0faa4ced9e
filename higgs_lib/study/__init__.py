"""This study: stored runs, trained classifiers, the literature and the comparison with it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "asynchronous",
        "comparison",
        "crossing",
        "devices",
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
        "staleness",
        "stored_shifts",
        "systematics",
        "tables",
        "timed",
        "trees",
        "wording",
        "workers",
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

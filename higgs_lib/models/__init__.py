"""From a `ModelSpec` to a Keras model and its optimizer; the presets of the study."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["beam_symmetry", "jet_permutations", "kinematic_layer", "periodic_embedding"],
    submod_attrs={
        "archive": ["ModelFileError"],
        "builder": ["Standardisation", "build", "load", "standardisation"],
        "kinematic_layer": ["kinematic_features"],
        "optimizers": ["optimizer"],
        "spec": ["ModelSpec", "OPTIMIZERS", "PRECISIONS", "PRESETS"],
    },
)

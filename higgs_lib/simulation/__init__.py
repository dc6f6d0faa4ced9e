"""Built-in events: a parton-level simulation of signal and background in the format of UCI HIGGS."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "event_files": ["changed_parameters", "parameters_of", "recipe", "simulate"],
        "generator": ["generate"],
        "parameters": ["SimulationParameters"],
        "variations": ["VARIATIONS", "Variation", "simulate_together"],
    },
)

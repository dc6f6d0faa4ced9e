"""How fast training is, and why: timings, throughput, scaling laws, energy."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["curve_fit", "energy", "interconnect", "measure", "scaling", "step_cost", "throughput", "timing"],
)

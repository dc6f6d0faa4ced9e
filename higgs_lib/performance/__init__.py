"""How fast training is, and why: timings, throughput, scaling laws, energy."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

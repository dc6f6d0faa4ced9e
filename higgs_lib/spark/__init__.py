"""A Spark session, and what its executors do: generate events, score them, and train together (README.md)."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

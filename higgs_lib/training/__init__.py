"""The training loop on one machine: batches, steps, history and checkpoints; README.md says what it guarantees."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

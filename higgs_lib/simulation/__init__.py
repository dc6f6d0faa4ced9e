"""Built-in events: a parton-level simulation of signal and background in the format of UCI HIGGS."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

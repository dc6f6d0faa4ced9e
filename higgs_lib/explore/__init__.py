"""What a reader plays with: sliders for the cut and for the masses of the Higgs bosons, a display of single events."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

"""From a `ModelSpec` to a Keras model and its optimizer; the presets of the study."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

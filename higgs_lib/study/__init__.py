"""This study: stored runs, trained classifiers, the literature and the comparison with it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

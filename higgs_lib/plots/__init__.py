"""Draws results; computes nothing. Every function takes `ax` (default: the current axes) and returns it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

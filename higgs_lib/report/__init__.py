"""Runs notebooks with the parameters of a profile, checks what they store, and renders them into pages."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

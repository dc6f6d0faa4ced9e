"""ROC curves, intervals, cuts, figure of merit and significance; needs only numpy and scipy."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

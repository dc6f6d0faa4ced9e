"""The subcommands of `higgs-lib`: each module adds some to the parser and imports what they need when they run."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

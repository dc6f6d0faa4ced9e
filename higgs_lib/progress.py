"""Shows the progress of what takes long as a bar on standard error, where somebody can see it."""

import os
import sys
from typing import Any

from tqdm import tqdm


def bar(total: int, description: str, unit: str, *, initial: int = 0, **settings: Any) -> tqdm:
    """Returns a progress bar, which is silent unless standard error is a terminal or the output of a notebook.

    The environment variable `TQDM_DISABLE=1` switches all bars off.

    Args:
        total: the number of units of the whole.
        description: what is done, shown in front of the bar.
        unit: what is counted.
        initial: the units that were done before.
        settings: further settings of tqdm.

    Returns:
        The bar, a context manager with `update(n)`.
    """
    return tqdm(total=total, initial=initial, desc=description, unit=unit, disable=not _is_shown(), **settings)


def _is_shown() -> bool:
    """Tells whether bars are shown."""
    if os.environ.get("TQDM_DISABLE", "0") not in ("", "0"):
        return False
    in_notebook = type(sys.stderr).__module__.startswith("ipykernel.")  # which is no terminal, but is read
    return in_notebook or (sys.stderr is not None and sys.stderr.isatty())

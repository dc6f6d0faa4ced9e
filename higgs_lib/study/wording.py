"""Words results, so that composed sentences read as written ones."""

from collections.abc import Iterable, Sequence

import numpy as np

from higgs_lib.metrics import Interval


def listed(parts: Iterable[object], conjunction: str = "and") -> str:
    """Returns the parts as a list within a sentence.

    >>> listed(["sgd", "adam", "adagrad"]), listed([1, 2], "or"), listed(["adam"])
    ('sgd, adam and adagrad', '1 or 2', 'adam')
    """
    *first, last = map(str, parts)
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def counted(n: int, noun: str) -> str:
    """Returns a number with its noun.

    >>> counted(1, "worker"), counted(1024, "worker")
    ('1 worker', '1,024 workers')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def rounded(value: float, digits: int = 3) -> str:
    """Returns a positive number with this many significant digits.

    >>> rounded(43_533_655), rounded(279.6, 2)
    ('43,500,000', '280')
    """
    return f"{round(value, digits - 1 - int(np.floor(np.log10(value)))):,.0f}"


def ranged(values: Sequence[float], spec: str = ",.0f") -> str:
    """Returns the smallest and the largest value, or a single number where both read the same.

    >>> ranged([1.62, 1.17, 1.85], ".1f"), ranged([0.771, 0.774], ".2f")
    ('1.2 to 1.9', '0.77')
    """
    low, high = f"{min(values):{spec}}", f"{max(values):{spec}}"
    return low if low == high else f"{low} to {high}"


def measured(interval: Sequence[float], spec: str = ".2f", scale: float = 1.0) -> str:
    """Returns a value (value, low, high) with its interval, or by itself where it has none.

    >>> measured((1.75, 1.68, 1.83)), measured((1.75, np.nan, np.nan)), measured((5e-4, 1e-4, np.inf), ".1f", 1e3)
    ('1.75 [1.68, 1.83]', '1.75', '0.5 [0.1, ∞]')
    """
    scaled = Interval(*(scale * number for number in interval))
    if not np.isfinite(interval[1]):
        return f"{scaled.value:{spec}}"
    return f"{scaled:{spec}}".replace("inf", "∞")

"""Comparison of large arrays. `pytest.approx` compares number by number, which takes seconds for a million of them."""

import numpy as np


def assert_close(actual, expected, *, rel: float = 0.0, abs: float = 0.0) -> None:
    """Checks what `actual == pytest.approx(expected, rel=rel, abs=abs)` does: nan, and another shape, are not close."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    with np.errstate(invalid="ignore"):
        near = np.abs(actual - expected) <= np.maximum(abs, rel * np.abs(expected))
    far = ~((actual == expected) | near & np.isfinite(expected))
    first = np.flatnonzero(far)[:1]
    assert not far.any(), (
        f"{far.sum():,} of {far.size:,} numbers are not close; the first is {actual.flat[first]} instead of "
        f"{expected.flat[first]}"
    )

"""Damages bytes, as full disks, broken transfers and strangers do."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, original: bytes) -> bytes:
    """Draws bytes that differ from the original: cut, with bytes changed, or with a part in another place."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(("change", "change", "cut", "insert", "move", "zeros"))):
            case "change":
                content[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del content[place:]
            case "insert":
                content[place:place] = draw(st.binary(max_size=20))
            case "move":
                source = draw(st.integers(0, max(len(content) - 1, 0)))
                content[place : place + 30] = content[source : source + 30]
            case "zeros":
                content[place : place + 512] = bytes(min(512, len(content) - place))
    return bytes(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
"""Any small JSON value."""


@st.composite
def altered(draw, value):
    """Draws a JSON value in which one part of `value`, however deep, is another value or missing."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        copy = value.copy()
        if isinstance(value, dict) and not draw(st.integers(0, 9)):
            del copy[key]
        else:
            copy[key] = draw(altered(value[key]))
        return copy
    return draw(JSON)

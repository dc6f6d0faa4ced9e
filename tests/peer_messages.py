"""Messages that are nearly right, for the fuzz tests of what processes send to each other."""

import json
import socket
import struct

import numpy as np
from hypothesis import strategies as st

LENGTHS = st.sampled_from([-1, 0, 1, 2, 3, 2**31, 2**63, 10**18, 10**30, 1.5, True, None, "3"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | LENGTHS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
"""Anything that JSON can hold, and NaN and infinities, which Python writes too."""

TYPES = st.sampled_from(["<f4", "<f8", "<i8", "|b1", "|O", "|V8", "<U9", "(2,)<f4", "f4,f4", "<M8[s]", "", None, {}])
DECLARED = st.lists(st.tuples(TYPES, st.lists(LENGTHS, max_size=4) | JSON), max_size=3) | JSON


def packed(content: object, declared: object, data: bytes = b"") -> bytes:
    """The bytes of a message."""
    text = json.dumps([content, declared]).encode()
    return struct.pack("!I", len(text)) + text + data


def messages(contents: st.SearchStrategy, arrays: list[np.ndarray] = ()) -> st.SearchStrategy:
    """Bytes that a peer sends: right and wrong contents and declarations, changed and cut messages, any bytes."""
    right = [[array.dtype.str, array.shape] for array in arrays]
    data = b"".join(array.tobytes() for array in arrays)
    whole = st.builds(packed, contents | JSON, st.just(right) | DECLARED, st.just(data))

    def change(message: bytes, place: int, by: int, end: int) -> bytes:
        place %= len(message)
        return (message[:place] + bytes([message[place] ^ by]) + message[place + 1 :])[: max(end, 1)]

    ends = st.just(10**6) | st.integers(1, 100)
    changed = st.builds(change, whole, st.integers(0, 200), st.integers(1, 255), ends)
    return whole | changed | st.binary(max_size=100)


def send_and_wait(line: socket.socket, sent: bytes) -> None:
    """Sends bytes and waits until the other end closes, which it has to do within ten seconds."""
    try:
        line.settimeout(10)
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        while line.recv(10_000):
            pass
    except OSError as error:  # closed while bytes were under way
        if isinstance(error, TimeoutError):
            raise

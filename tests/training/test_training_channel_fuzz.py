"""What a peer sends is a message or one of the documented errors, before and after its proof."""

import socket
import ssl
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import AuthenticationError

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from peer_messages import JSON, messages, packed, send_and_wait

from higgs_lib.training import collectives
from higgs_lib.training.channel import Address, Channel, ChannelError, Credentials, Listener, connect

ARRAYS = [np.arange(3, dtype=np.float32), np.ones((2, 2))]
PLAIN, ENCRYPTED = Credentials.create(encrypted=False), Credentials.create(encrypted=True)


def receive(sent: bytes):
    """What a channel receives from a peer that sends these bytes and closes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        return Channel(ours).receive()


@examples
@given(messages(JSON, ARRAYS))
def test_bytes_after_the_proof_are_a_message_or_one_error(sent):
    with suppress(EOFError, ChannelError):
        _, arrays = receive(sent)
        assert all(array.dtype.kind in "biuf" for array in arrays)


@pytest.mark.parametrize(
    "shape",
    [
        [10**18],
        [10**9, 10**9],
        [0, 10**18],
        [0, 2**32, 2**32],
        [1] * 65,
        [True],
        [2.0],
        ["3"],
        "3",
        3,
        [-1, -1],
        [1e300],
    ],
)
def test_no_memory_is_taken_for_what_is_only_declared(shape):
    message = packed(1, [["<f4", shape]])
    tracemalloc.start()
    with pytest.raises(ChannelError, match="no numbers or too many"):
        receive(message)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize("text", [b"[" * 10**5, b"[1, [[" + b"1" * 5000 + b", [1]]]]", b"[NaN, Infinity]", b"{}", b"1"])
def test_texts_that_break_parsers_are_one_error(text):
    with pytest.raises(ChannelError):
        receive(struct.pack("!I", len(text)) + text)


@pytest.fixture(scope="module")
def listeners():
    """A plain and an encrypted listener, and the connections that they served."""
    served = []

    def serve(line):
        served.append(line.getpeername())
        line.close()

    with (
        Listener("127.0.0.1", PLAIN, serve) as plain,
        Listener("127.0.0.1", ENCRYPTED, serve) as encrypted,
    ):
        yield (plain, encrypted), served


def client_hello() -> bytes:
    """The first bytes of TLS."""
    context, incoming, outgoing = ssl.create_default_context(), ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="host").do_handshake()
    return outgoing.read()


HELLO = client_hello()
PROOFS = st.binary(max_size=200) | messages(JSON, ARRAYS) | st.binary(min_size=64, max_size=64)
HELLOS = st.builds(
    lambda place, by: HELLO[:place] + bytes([by]) + HELLO[place + 1 :],
    st.integers(0, len(HELLO) - 1),
    st.integers(0, 255),
)


@examples
@given(st.integers(0, 1), PROOFS | HELLOS)
def test_no_bytes_of_a_stranger_are_a_connection(listeners, which, sent):
    with socket.create_connection(listeners[0][which].address[:2]) as line:
        send_and_wait(line, sent)
    assert not listeners[1]


def test_the_listeners_serve_peers_after_the_strangers(listeners):
    for listener in listeners[0]:
        with connect(listener.address) as line:
            assert not line.recv(1)
    assert len(listeners[1]) == 2


@examples
@given(st.binary(min_size=64, max_size=200))
def test_no_bytes_of_a_false_listener_are_a_proof(sent):
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:

        def answer():
            line, _ = server.accept()
            with line:
                send_and_wait(line, sent)

        answered = thread.submit(answer)
        with pytest.raises((AuthenticationError, OSError)):
            connect(Address("127.0.0.1", server.getsockname()[1], PLAIN))
        answered.result()


@examples
@given(st.integers(-(2**63), 2**63 - 1).filter(bool))
def test_a_declared_number_of_values_is_not_taken_before_it_is_checked(length):
    """The neighbour in the ring declares how many values it will send."""
    ours, theirs = socket.socketpair()
    ring = object.__new__(collectives.Ring)
    ring.shard = collectives.Shard(0, 2)
    ring._sockets = ours, ours
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(struct.pack("=q", length))
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError, match="the process group"):
            ring.all_gather(np.ones(3, np.float32))

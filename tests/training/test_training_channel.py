"""Connections that prove a secret first, plain and encrypted, and what strangers can send to them."""

import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import AuthenticationError

import numpy as np
import pytest

from higgs_lib.training import channel
from higgs_lib.training.channel import Address, Channel, ChannelError, Credentials, Listener, connect

PLAIN, ENCRYPTED = (Credentials.create(encrypted=encrypted) for encrypted in (False, True))
both = pytest.mark.parametrize("credentials", [PLAIN, ENCRYPTED], ids=["plain", "encrypted"])


def echo(line):
    """Returns every message to its sender."""
    peer = Channel(line)
    try:
        while True:
            peer.send(*peer.receive())
    except (EOFError, OSError):
        peer.close()


@pytest.fixture
def echoing(credentials):
    with Listener("127.0.0.1", credentials, echo) as listener:
        yield listener.address


@both
def test_a_message_comes_back_with_its_numbers_and_types(echoing):
    arrays = [np.arange(6, dtype=np.int16).reshape(2, 3), np.float64(2.5), np.zeros((0, 3), np.float32)]
    arrays += [np.random.default_rng(1).normal(size=200_000).astype(np.float32), np.array([True, False])]
    peer = Channel(connect(echoing))
    peer.send({"epoch": 3, "loss": [0.5, None]}, arrays)
    content, returned = peer.receive()
    peer.close()
    assert content == {"epoch": 3, "loss": [0.5, None]}
    for ours, theirs in zip(arrays, returned, strict=True):
        assert theirs.dtype == np.asarray(ours).dtype
        assert np.array_equal(theirs, ours)
    n_bytes = sum(np.asarray(array).nbytes for array in arrays)
    assert 0 < peer.n_bytes - 2 * n_bytes < 1000


@contextmanager
def eavesdropper(address):
    """The address of a relay to another one, and all bytes of both directions that it has passed on."""
    heard = bytearray(), bytearray()
    with socket.create_server(("127.0.0.1", 0)) as relay, ThreadPoolExecutor(2) as threads:

        def forward(source, destination, bytes_heard):
            with suppress(OSError):  # one end has closed while the other still sends
                while data := source.recv(65_536):
                    bytes_heard.extend(data)
                    destination.sendall(data)
                destination.shutdown(socket.SHUT_WR)

        def pass_on():
            line, _ = relay.accept()
            with line, socket.create_connection(address[:2]) as inner:
                back = threads.submit(forward, inner, line, heard[1])
                forward(line, inner, heard[0])
                back.result()

        passing = threads.submit(pass_on)
        yield Address("127.0.0.1", relay.getsockname()[1], address.credentials), heard
        passing.result()


@both
def test_what_travels_is_hidden_only_where_it_is_encrypted(echoing, credentials):
    with eavesdropper(echoing) as (address, heard):
        peer = Channel(connect(address))
        peer.send("of the weights", [np.full(10, 1234.5, np.float32)])
        peer.receive()
        peer.close()
    for direction in heard:
        assert credentials.secret not in direction
        for part in (b"of the weights", struct.pack("<f", 1234.5)):
            assert (part in direction) == (credentials is PLAIN)


@both
def test_another_secret_is_refused_on_both_sides(echoing, credentials):
    other = Credentials.create(encrypted=credentials is ENCRYPTED)
    with pytest.raises(AuthenticationError):
        connect(echoing._replace(credentials=other))
    Channel(connect(echoing)).close()


def test_a_server_that_does_not_know_the_secret_is_refused():
    """Also if it accepts everybody."""
    for known, guessed in ((PLAIN, Credentials(b"guessed")), (ENCRYPTED, Credentials.create(encrypted=True))):
        with Listener("127.0.0.1", guessed, echo) as impostor, pytest.raises(AuthenticationError):
            connect(impostor.address._replace(credentials=known))


@both
def test_nothing_of_a_stranger_is_read_as_a_message(echoing, monkeypatch):
    """Random bytes, a proof that is cut, and one that a worker has sent before; a worker in between is served."""
    with eavesdropper(echoing) as (address, heard):
        connect(address).close()
    proof = bytes(heard[0])
    served = Channel(connect(echoing))
    read = []
    monkeypatch.setattr(json, "loads", lambda text, loads=json.loads: read.append(bytes(text)) or loads(text))
    rng = np.random.default_rng(1)
    message = struct.pack("!I", 30) + json.dumps([["x"], [["<f4", [1]]]]).encode().ljust(30) + bytes(4)
    attacks = [rng.bytes(2000), proof[: len(proof) // 2], proof, proof + message, message, b""]
    silent = []
    for number in range(300):
        line = socket.create_connection(echoing[:2])
        with suppress(OSError):  # it has been refused already
            line.sendall(attacks[number % len(attacks)])
        silent.append(line)  # none of them goes away by itself
    served.send("still here", [np.ones(3, np.float32)])
    assert served.receive()[0] == "still here"
    late = Channel(connect(echoing))
    late.send("a late one")
    assert late.receive()[0] == "a late one"
    assert [json.dumps(json.JSONDecoder().decode(text.decode())) for text in read] == [
        '["still here", [["<f4", [3]]]]',
        '["still here", [["<f4", [3]]]]',
        '["a late one", []]',
        '["a late one", []]',
    ]
    for line in (*silent, served, late):
        line.close()


def test_a_message_of_a_wrong_form_is_an_error():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = Channel(ours)
        for text, problem in (
            (b"no JSON", "cannot be read"),
            (json.dumps([1, [["|O", [1]]]]).encode(), "are no numbers"),
            (json.dumps([1, [["<f4", [2**40]]]]).encode(), "too many"),
            (json.dumps([1, [["<f4", [-1]]]]).encode(), "are no numbers"),
        ):
            theirs.sendall(struct.pack("!I", len(text)) + text)
            with pytest.raises(ChannelError, match=problem):
                reader.receive()
        theirs.sendall(struct.pack("!I", channel.MAX_TEXT + 1))
        with pytest.raises(ChannelError, match="bytes; 67108864 are allowed"):
            reader.receive()


def test_few_connections_may_prove_the_secret_at_a_time(monkeypatch):
    """The oldest are ended when more come, encrypted or not."""
    monkeypatch.setattr(channel, "MAX_PENDING", 5)
    for credentials in (PLAIN, ENCRYPTED):
        with Listener("127.0.0.1", credentials, echo) as listener, ExitStack() as lines:
            silent = [lines.enter_context(socket.create_connection(listener.address[:2])) for _ in range(20)]
            for line in silent[:14]:
                line.settimeout(10)
                with suppress(ConnectionError):
                    while line.recv(1000):  # until the listener has ended it
                        pass
            assert len(listener._pending) <= 5
            Channel(connect(listener.address)).close()


def test_a_certificate_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Listener("127.0.0.1", ENCRYPTED, echo) as listener:
        connect(listener.address).close()
    assert not list(tmp_path.iterdir())

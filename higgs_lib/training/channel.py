"""Connections between processes that prove to each other that they know a secret, and the messages that they exchange.

Where a connection crosses a network it is TLS: both ends hold the private key of one certificate, which is made for one
training and travels with its tasks. Elsewhere each end proves that it knows a random key by a keyed hash of two random
numbers, one from each end (HMAC-SHA256). Nothing that a peer sends is interpreted before its proof. Messages are JSON
and raw arrays of declared type and shape: no message can run code.
"""

import datetime
import hmac
import json
import logging
import os
import reprlib
import secrets
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from math import prod
from multiprocessing import AuthenticationError
from typing import NamedTuple

import numpy as np

log = logging.getLogger(__name__)

CONNECT_LIMIT = 30  # seconds in which a listener has to answer
MAX_PENDING = 64  # connections that may be proving the secret at a time; the oldest is ended when there are more
NONCE = 32  # bytes
MAX_TEXT = 2**26  # bytes of a message's JSON
MAX_ARRAYS = 2**32  # bytes of a message's arrays
LENGTH = struct.Struct("!I")
DTYPES = {np.dtype(code).str: np.dtype(code) for code in "?bBhHiIqQefd"}
"""The types of the arrays that may be received, by their names in a message."""


class ChannelError(ConnectionError):
    """Raised when what a peer sends is not a message, or not the expected one."""


class Credentials(NamedTuple):
    """What both ends of a connection know."""

    secret: bytes
    """A random key."""
    certificate: bytes = b""
    """A certificate and its private key (PEM), with which connections are encrypted; empty: they are not."""

    @classmethod
    def create(cls, encrypted: bool) -> "Credentials":
        """Returns new credentials."""
        return cls(secrets.token_bytes(32), _make_certificate() if encrypted else b"")


class Address(NamedTuple):
    """Where a process listens, and what its peers must know."""

    host: str
    port: int
    credentials: Credentials


def _make_certificate() -> bytes:
    """Returns a new self-signed certificate and its private key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "higgs_lib")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # the clocks of the nodes differ
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    no_encryption = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_encryption)
    return private + certificate.public_bytes(pem)


def _tls_context(credentials: Credentials, protocol: int) -> ssl.SSLContext | None:
    """Returns a context that shows the certificate and accepts no other; None where nothing is encrypted."""
    if not credentials.certificate:
        return None
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_REQUIRED
    pem = credentials.certificate.decode()
    context.load_verify_locations(cadata=pem[pem.index("-----BEGIN CERTIFICATE") :])
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # no connection resumes another
    descriptor, path = tempfile.mkstemp()  # readable by this user alone; `ssl` reads a private key from files only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(pem)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context


def _prove(line: socket.socket, credentials: Credentials, *, is_server: bool) -> None:
    """Returns once both ends have proved what they know; raises AuthenticationError, OSError or EOFError otherwise."""
    if isinstance(line, ssl.SSLSocket):
        line.do_handshake()
        # in TLS 1.3 the server checks the client's certificate after the client has finished: it confirms by a byte
        if is_server:
            line.sendall(b"\0")
        else:
            _fill(line, bytearray(1))
        return
    own, roles = secrets.token_bytes(NONCE), (b"server", b"client") if is_server else (b"client", b"server")
    line.sendall(own)
    other = _fill(line, bytearray(NONCE))
    # the role is part of the proof, so that nobody can send it back
    proof, expected = (
        hmac.digest(credentials.secret, role + first + second, "sha256")
        for role, first, second in ((roles[0], own, other), (roles[1], other, own))
    )
    line.sendall(proof)
    if not hmac.compare_digest(_fill(line, bytearray(len(expected))), expected):
        raise AuthenticationError("the peer does not know the secret")


def _fill(line: socket.socket, buffer: bytearray | memoryview) -> bytearray | memoryview:
    """Fills a buffer from a connection and returns it; raises EOFError if the peer has closed it."""
    view = memoryview(buffer)
    while view:
        n_bytes = line.recv_into(view)
        if not n_bytes:
            raise EOFError
        view = view[n_bytes:]
    return buffer


class Listener:
    """Accepts connections on a port of one host name. Used in a `with` statement."""

    def __init__(self, host: str, credentials: Credentials, serve: Callable[[socket.socket], None], port: int = 0):
        """Begins to listen.

        Args:
            host: the host name, whose interface alone is bound.
            credentials: what peers must know.
            serve: is called with every connection that has proved it, in a thread of its own, and closes it.
            port: the port; 0: a free one.
        """
        self._credentials, self._serve = credentials, serve
        self._context = _tls_context(credentials, ssl.PROTOCOL_TLS_SERVER)
        self._socket = socket.create_server((host, port), backlog=1024)
        self.address = Address(host, self._socket.getsockname()[1], credentials)
        self._lock, self._open = threading.Lock(), True
        self._pending: dict[socket.socket, None] = {}
        self._connections: set[socket.socket] = set()

    def __enter__(self) -> "Listener":
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_) -> None:
        self._open = False
        with socket.socket() as knock:  # ends the accept that waits
            knock.settimeout(1)
            knock.connect_ex(self._socket.getsockname())
        self._acceptor.join()
        self._socket.close()
        with self._lock:
            lines = [*self._pending, *self._connections]
        for line in lines:  # a peer that is left over ends at its next message
            end(line)

    def _accept(self) -> None:
        """Accepts connections; a thread for each of them, so that a stranger keeps no peer waiting."""
        while self._open:
            line = None
            try:
                line, _ = self._socket.accept()
                line.settimeout(None)
                if self._context:
                    line = self._context.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._pending[line] = None
                    oldest = next(iter(self._pending)) if len(self._pending) > MAX_PENDING else None
                    self._pending.pop(oldest, None)
                if oldest:
                    end(oldest)  # its thread closes it
                threading.Thread(target=self._admit, args=(line,), daemon=True).start()
            except (OSError, RuntimeError) as error:  # the stranger has gone, or no descriptor or thread is left now
                log.debug("a connection to port %d: %s", self.address.port, error)
                with self._lock:
                    self._pending.pop(line, None)
                if line:
                    line.close()
                time.sleep(0.001)

    def _admit(self, line: socket.socket) -> None:
        """Serves a connection that proves the secret, and closes any other."""
        try:
            _prove(line, self._credentials, is_server=True)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(line)
        except (AuthenticationError, EOFError, OSError) as error:
            if self._open:
                log.info("something that is no worker connected to port %d: %s", self.address.port, error)
            line.close()
            return
        finally:
            with self._lock:
                self._pending.pop(line, None)
        try:
            self._serve(line)
        finally:
            with self._lock:
                self._connections.discard(line)


def end(line: socket.socket) -> None:
    """Ends a connection that another thread may be using, whose next call fails."""
    try:
        socket.socket.shutdown(line, socket.SHUT_RDWR)
    except OSError as error:  # it has ended already
        log.debug("a connection: %s", error)


def connect(address: Address) -> socket.socket:
    """Returns a connection whose two ends have proved what they know.

    Raises:
        AuthenticationError: the other end knows something else.
        OSError: it does not answer.
    """
    limit = time.monotonic() + CONNECT_LIMIT
    context = _tls_context(address.credentials, ssl.PROTOCOL_TLS_CLIENT)
    while True:
        line = socket.create_connection(address[:2], CONNECT_LIMIT)  # the limit holds for each step of the proof too
        try:
            line = context.wrap_socket(line, do_handshake_on_connect=False) if context else line
            _prove(line, address.credentials, is_server=False)
            line.settimeout(None)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return line
        except (EOFError, ConnectionError, ssl.SSLEOFError) as error:  # too many others are connecting, or it has gone
            line.close()
            if time.monotonic() > limit:
                raise TimeoutError(f"port {address.port} of {address.host} ends every connection") from error
            time.sleep(0.05)
        except ssl.SSLError as error:
            line.close()
            raise AuthenticationError(str(error)) from error
        except BaseException:
            line.close()
            raise


def _allocate(declared: object) -> list[np.ndarray]:
    """Returns arrays of the declared types and shapes; ChannelError if they are not allowed."""
    try:
        types = [(DTYPES[name], tuple(shape)) for name, shape in declared]
        are_lengths = all(type(n) is int and n >= 0 for _, shape in types for n in shape)
        if are_lengths and sum(dtype.itemsize * prod(n or 1 for n in shape) for dtype, shape in types) <= MAX_ARRAYS:
            return [np.empty(shape, dtype) for dtype, shape in types]
    except (ValueError, TypeError, KeyError) as error:
        log.debug("a message with arrays that cannot be made: %s", error)
    raise ChannelError(f"a message with arrays {reprlib.repr(declared)}, which are no numbers or too many")


class Channel:
    """A connection for messages of JSON and arrays."""

    def __init__(self, line: socket.socket):
        """Takes a connection, which `close` closes."""
        self._line = line
        self.n_bytes = 0
        """The bytes of all messages so far, sent and received."""
        self.arrived = 0.0
        """When the last message began to arrive, by the monotonic clock."""

    def send(self, content: object, arrays: Sequence[np.ndarray] = ()) -> None:
        """Sends what JSON can hold, and arrays of numbers."""
        arrays = [np.asarray(array, order="C") for array in arrays]
        declared = [[array.dtype.str, array.shape] for array in arrays]
        text = json.dumps([content, declared]).encode()
        self._line.sendall(LENGTH.pack(len(text)) + text)
        for array in arrays:
            if array.size:
                self._line.sendall(memoryview(array).cast("B"))
        self.n_bytes += LENGTH.size + len(text) + sum(array.nbytes for array in arrays)

    def receive(self) -> tuple[object, list[np.ndarray]]:
        """Returns the content and the arrays of the next message.

        Raises:
            EOFError: the peer has closed the connection.
            ChannelError: what it sent is no message.
        """
        (length,) = LENGTH.unpack(_fill(self._line, bytearray(LENGTH.size)))
        self.arrived = time.monotonic()
        if length > MAX_TEXT:
            raise ChannelError(f"a message with a text of {length} bytes; {MAX_TEXT} are allowed")
        text = _fill(self._line, bytearray(length))
        try:
            content, declared = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:  # the last if lists are nested deeply
            raise ChannelError(f"a message that cannot be read: {error}") from error
        arrays = _allocate(declared)
        for array in arrays:
            if array.size:
                _fill(self._line, memoryview(array).cast("B"))
        self.n_bytes += LENGTH.size + length + sum(array.nbytes for array in arrays)
        return content, arrays

    def end(self) -> None:
        """Ends the connection, which another thread may be using."""
        end(self._line)

    def close(self) -> None:
        """Closes the connection."""
        self._line.close()

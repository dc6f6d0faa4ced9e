"""The processes that train one model together, and their collective operations.

The processes stand in a ring, each connected to the next by a socket. An all-reduce passes parts of the vectors around
it twice: once to sum them, once to share the sums (P. Patarasuk, X. Yuan, J. Parallel Distrib. Comput. 69 (2009) 117).
"""

import queue
import select
import socket
import ssl
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import AuthenticationError

import numpy as np

from higgs_lib.training import channel
from higgs_lib.training.batching import Shard
from higgs_lib.training.channel import Address, ChannelError, Credentials, Listener

JOIN_LIMIT = 60  # seconds in which the previous process has to connect


class LostPeerError(ConnectionError):
    """Raised when another process of the group has ended; the message names its rank."""


class ProcessGroup:
    """A group of one process, whose collective operations return their input."""

    shard = Shard()

    on_steps_end: Callable[[], None] = staticmethod(lambda: None)
    """A function that is called after every few steps."""

    def all_reduce_sum(self, vector: np.ndarray, precision: str = "float32") -> np.ndarray:
        """Returns the sum (n,) of the vectors (n,) of all ranks, in float32; `precision` is the type that is sent."""
        return vector

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """Returns the values (n,) of all ranks, concatenated; n may differ between ranks."""
        return values

    def all_reduce_min(self, values: np.ndarray) -> np.ndarray:
        """Returns the minimum (n,) over the ranks of each of the values (n,)."""
        return self.all_gather(values).reshape(self.shard.world_size, -1).min(0)


SINGLE_PROCESS = ProcessGroup()


class Ring(ProcessGroup):
    """Processes in a ring of sockets; this object belongs to one of them. Used in a `with` statement.

    Neighbours prove to each other that they know the secret before they exchange numbers, which are never unpickled.
    """

    def __init__(self, peers: "queue.Queue[socket.socket]", addresses: list[Address], rank: int):
        """Connects to the next process and waits for the connection of the previous one.

        Args:
            peers: the connections that this process' listener accepts, from `listen`.
            addresses: the addresses of the listeners of all processes, by rank.
            rank: the number of this process.

        Raises:
            LostPeerError: a neighbour does not answer, does not know the secret or does not come.
        """
        self.shard = Shard(rank, len(addresses))
        try:
            self._next = channel.connect(addresses[self._rank_of(1)])
        except (OSError, AuthenticationError) as error:
            raise LostPeerError(f"rank {self._rank_of(1)} of the process group does not answer: {error}") from error
        try:
            self._previous = peers.get(timeout=JOIN_LIMIT)
        except queue.Empty:
            self._next.close()
            raise LostPeerError(f"rank {self._rank_of(-1)} of the process group did not come") from None
        self._sockets = self._next, self._previous
        for line in self._sockets:
            line.setblocking(False)

    def __enter__(self) -> "Ring":
        return self

    def __exit__(self, *_) -> None:
        for line in self._sockets:
            line.close()  # the neighbours' next exchange fails

    def _exchange(self, sent: np.ndarray, received: np.ndarray) -> None:
        """Sends one array to the next process while it fills the other from the previous one."""
        out, into = memoryview(sent).cast("B"), memoryview(received).cast("B")
        to_next, from_previous = self._sockets
        while out or into:
            progress = 0
            if out:
                progress += (n_sent := _try(to_next.send, out, self._rank_of(1)))
                out = out[n_sent:]
            if into:
                progress += (n_received := _try(from_previous.recv_into, into, self._rank_of(-1)))
                into = into[n_received:]
            if not progress:
                select.select([from_previous] if into else [], [to_next] if out else [], [])

    def _rank_of(self, distance: int) -> int:
        """Returns the rank of the process at this distance along the ring."""
        return (self.shard.rank + distance) % self.shard.world_size

    def all_reduce_sum(self, vector: np.ndarray, precision: str = "float32") -> np.ndarray:
        """Returns the sum (n,) of the vectors (n,) of all ranks, in float32; `precision` is the type that is sent.

        All ranks return the same numbers, to the bit.
        """
        rank, world_size = self.shard.rank, self.shard.world_size
        edges = np.arange(world_size + 1) * len(vector) // world_size
        parts = [slice(a, b) for a, b in pairwise(edges)]
        total = np.empty(len(vector), precision)
        partial = vector[parts[rank]].astype(precision, copy=False)
        for step in range(1, world_size):  # sums of 2, 3, ... and all ranks
            part = parts[(rank - step) % world_size]
            self._exchange(partial, total[part])
            partial = np.add(total[part], vector[part], dtype=np.float32).astype(precision, copy=False)
        total[parts[self._rank_of(1)]] = partial
        for step in range(1, world_size):
            self._exchange(total[parts[(rank + 2 - step) % world_size]], total[parts[(rank + 1 - step) % world_size]])
        return total.astype(np.float32, copy=False)

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """Returns the values (n,) of all ranks, concatenated; n may differ between ranks.

        Raises:
            LostPeerError: a connection has ended.
            ChannelError: a rank declares an impossible number of values.
        """
        sizes = self._gather([1] * self.shard.world_size, np.array([len(values)])).tolist()
        if min(sizes) < 0 or sum(sizes) * values.itemsize > channel.MAX_ARRAYS:
            raise ChannelError(f"the ranks of the process group declare {sizes} values")
        return self._gather(sizes, values)

    def _gather(self, sizes: list[int], values: np.ndarray) -> np.ndarray:
        """Returns the values of all ranks, of which rank i has `sizes[i]`."""
        rank, world_size = self.shard.rank, self.shard.world_size
        gathered = np.split(np.empty((sum(sizes), *values.shape[1:]), values.dtype), np.cumsum(sizes)[:-1])
        gathered[rank][:] = values
        for step in range(world_size - 1):
            self._exchange(gathered[(rank - step) % world_size], gathered[(rank - step - 1) % world_size])
        return np.concatenate(gathered)


def listen(host: str, credentials: Credentials, port: int = 0) -> "tuple[Listener, queue.Queue[socket.socket]]":
    """Returns a listener on a port of this host (0: a free one), and the queue of the connections that it accepts."""
    peers = queue.Queue()
    return Listener(host, credentials, peers.put, port), peers


def _try(transfer: Callable[[memoryview], int], data: memoryview, peer: int) -> int:
    """Returns the bytes of `data` that a socket transfers at once; raises LostPeerError if the connection has ended."""
    try:
        n_bytes = transfer(data)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return 0
    except OSError as error:
        raise LostPeerError(f"the connection to rank {peer} of the process group ended: {error}") from error
    if n_bytes == 0:
        raise LostPeerError(f"the connection to rank {peer} of the process group ended")
    return n_bytes

"""What the workers of a training tell the program that asked for it, and how it sees that one is lost or hangs."""

import logging
import os
import queue
import secrets
import socket
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener, answer_challenge, deliver_challenge
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

BEAT = 1.0  # seconds from one sign of life to the next

SILENCE = 3 * BEAT  # after so long without any, a worker has fallen silent

TRAINING = "training"


class Message(NamedTuple):
    """From a worker; also made by the supervisor itself where a worker falls silent."""

    worker: int
    message_type: str
    """"hello", "alive", "epoch", "failed", "done"; "lost" where the connection ended before any "done"."""
    content: Any


class Address(NamedTuple):
    """Where the supervisor listens, and what it takes to be heard."""

    host: str
    port: int
    secret: bytes


class WorkerStatus(NamedTuple):
    """The last that was heard of a worker."""

    host: str
    pid: int
    doing: str
    heard: float
    """Seconds, by the supervisor's monotonic clock."""
    standing: float
    """Seconds, by the worker's clock, since it last made a step or began something else."""

    def __str__(self) -> str:
        return f"{self.host}, process {self.pid}, {self.doing}"


class HeartbeatMonitor:
    """Listens to workers; messages come out of `next`. To be used in a `with` statement."""

    def __init__(self, host: str):
        self.messages: queue.Queue[Message] = queue.Queue()
        self.workers: dict[int, WorkerStatus] = {}
        secret = secrets.token_bytes(32)
        self._listener = Listener((host, 0), backlog=128)
        self.address = Address(host, self._listener.address[1], secret)
        self._open = True
        self._connections = []

    def __enter__(self) -> "HeartbeatMonitor":
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_) -> None:
        self._open = False
        with socket.socket() as knock:  # ends the accept that waits
            knock.connect_ex(self._listener.address)
        self._acceptor.join()
        self._listener.close()
        for connection in self._connections:
            with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line:
                try:
                    line.shutdown(socket.SHUT_RDWR)  # a worker that is left over ends when it speaks again
                except OSError as error:  # the worker is gone already
                    log.debug("the line to a worker: %s", error)

    def _accept(self) -> None:
        while self._open:
            connection = self._listener.accept()
            self._connections.append(connection)
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection) -> None:
        """Hears one worker out. It has to know the secret, and to prove it here: a stranger keeps nobody waiting."""
        worker = None
        try:
            deliver_challenge(connection, self.address.secret)
            answer_challenge(connection, self.address.secret)
            while True:
                message = connection.recv()
                worker = message.worker
                self.messages.put(message)
                if message.message_type in ("done", "failed"):
                    return
        except (AuthenticationError, EOFError, OSError) as error:
            if worker is not None:
                self.messages.put(Message(worker, "lost", repr(error)))
            elif self._open:
                log.warning("someone who is no worker of ours spoke to port %d: %s", self.address.port, error)

    def next(self, timeout: float) -> Message | None:
        """The next message, signs of life included; None if none came in `timeout` seconds."""
        try:
            message = self.messages.get(timeout=timeout)
        except queue.Empty:
            return None
        if message.message_type in ("hello", "alive"):
            self.workers[message.worker] = WorkerStatus(*message.content[:3], time.monotonic(), message.content[3])
        elif message.message_type == "done":
            self.workers.pop(message.worker, None)
        return message

    def are_training(self, n_workers: int) -> bool:
        """Whether so many have made their first steps."""
        return sum(worker.doing == TRAINING for worker in self.workers.values()) == n_workers

    def silent(self) -> dict[int, float]:
        """Seconds since each worker that has fallen silent was last heard of, of those that failed too."""
        now = time.monotonic()
        return {number: now - worker.heard for number, worker in self.workers.items() if now - worker.heard > SILENCE}

    def hanging(self, timeout: float) -> int | None:
        """A worker not heard of for `timeout` seconds, or that stands still that long; None: there is none.

        When one hangs, others soon wait for it in the sum of gradients: one that is silent, or not in a sum, is named.
        """
        now = time.monotonic()
        silent = {number: now - worker.heard for number, worker in self.workers.items()}
        still = {number: worker.standing + silent[number] for number, worker in self.workers.items()}
        late = [number for number, seconds in still.items() if seconds > timeout]
        if not late:
            return None
        return max(late, key=lambda number: (silent[number] > SILENCE, self.workers[number].doing != TRAINING))


class Heartbeat:
    """A worker's line to the supervisor, with a sign of life every second."""

    def __init__(self, address: Address, worker: int):
        self.worker, self.doing, self.moved = worker, "starting", time.monotonic()
        self._lock, self._ended = threading.Lock(), False
        self._connection = Client((address.host, address.port), authkey=address.secret)
        self._send("hello", self._state())
        threading.Thread(target=self._beat, daemon=True).start()

    def _state(self) -> tuple:
        return socket.gethostname(), os.getpid(), self.doing, time.monotonic() - self.moved

    def _send(self, kind: str, content, *, last: bool = False) -> None:
        with self._lock:
            self._connection.send(Message(self.worker, kind, content))
            if last:
                self._ended = True
                self._connection.close()

    def _beat(self) -> None:
        while True:
            with self._lock:
                if self._ended:
                    return
                try:
                    self._connection.send(Message(self.worker, "alive", self._state()))
                except OSError:
                    os._exit(1)  # nobody waits for this worker any more
            time.sleep(BEAT)

    def begins(self, doing: str) -> None:
        """Something else than before."""
        self.doing, self.moved = doing, time.monotonic()
        self._send("alive", self._state())

    def steps(self) -> None:
        """It has made some steps."""
        self.moved = time.monotonic()
        if self.doing != TRAINING:
            self.begins(TRAINING)

    def epoch(self, content) -> None:
        """An epoch is over."""
        self._send("epoch", content)

    def failed(self, content) -> None:
        """It gives up."""
        self._send("failed", content, last=True)

    def done(self) -> None:
        """It has ended as it should."""
        self._send("done", None, last=True)

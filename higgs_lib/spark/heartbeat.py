"""Heartbeats: what workers report to the program that trains, and how it notices that one is lost or hangs."""

import logging
import os
import queue
import secrets
import socket
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between heartbeats
SILENCE = 3 * INTERVAL  # seconds without a heartbeat after which a worker is silent
LIMIT = 10 * INTERVAL  # seconds without a heartbeat after which a worker counts as hanging, whatever its last step
TRAINING = "training"


class Message(NamedTuple):
    """A worker's message; the monitor itself makes those of lost workers."""

    worker: int
    message_type: str
    """"hello", "alive", "epoch", "failed" or "done"; "lost" if the connection ended before any "done"."""
    content: Any


class Address(NamedTuple):
    """Where the monitor listens, and the secret that workers must know."""

    host: str
    port: int
    secret: bytes


class WorkerStatus(NamedTuple):
    """What a worker reported last."""

    host: str
    pid: int
    activity: str
    heard: float
    """Time of the report in seconds, by the monitor's monotonic clock."""
    idle: float
    """Seconds since the worker's last step or change of activity, by its own clock."""

    def __str__(self) -> str:
        return f"{self.host}, process {self.pid}, {self.activity}"


class HeartbeatMonitor:
    """Listens to workers; `next_message` returns their messages. Used in a `with` statement."""

    def __init__(self, host: str):
        self.messages: queue.Queue[Message] = queue.Queue()
        self.workers: dict[int, WorkerStatus] = {}
        self._listener = Listener((host, 0), backlog=128)
        self.address = Address(host, self._listener.address[1], secrets.token_bytes(32))
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
                    line.shutdown(socket.SHUT_RDWR)  # a worker that is left over ends at its next heartbeat
                except OSError as error:  # the worker is gone already
                    log.debug("the connection to a worker: %s", error)

    def _accept(self) -> None:
        """Accepts connections; a thread for each of them, so that a stranger keeps no worker waiting."""
        while self._open:
            connection = self._listener.accept()
            self._connections.append(connection)
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: Connection) -> None:
        """Puts one worker's messages into the queue, once it has proved that it knows the secret."""
        worker = None
        try:
            deliver_challenge(connection, self.address.secret)
            answer_challenge(connection, self.address.secret)
            while True:
                message = connection.recv()
                worker = message.worker
                if message.message_type in ("hello", "alive"):
                    host, pid, activity, idle = message.content
                    self.workers[worker] = WorkerStatus(host, pid, activity, time.monotonic(), idle)
                self.messages.put(message)
                if message.message_type in ("done", "failed"):
                    return
        except (AuthenticationError, EOFError, OSError) as error:
            if worker is not None:
                self.messages.put(Message(worker, "lost", repr(error)))
            elif self._open:
                log.warning("something that is no worker connected to port %d: %s", self.address.port, error)

    def next_message(self, timeout: float) -> Message | None:
        """Returns the next message, heartbeats included; None if none came in `timeout` seconds."""
        try:
            message = self.messages.get(timeout=timeout)
        except queue.Empty:
            return None
        if message.message_type == "done":
            self.workers.pop(message.worker, None)
        return message

    def are_training(self, n_workers: int) -> bool:
        """Returns whether so many workers have made their first steps."""
        return sum(worker.activity == TRAINING for worker in self.workers.values()) == n_workers

    def silent_workers(self) -> dict[int, float]:
        """Returns the seconds since the last heartbeat of every silent worker, failed ones included."""
        now = time.monotonic()
        return {number: now - worker.heard for number, worker in self.workers.items() if now - worker.heard > SILENCE}

    def hanging_worker(self, timeout: float) -> tuple[int, float] | None:
        """Returns a worker that makes no step for `timeout` seconds or is silent for ten, and for how many seconds.

        None if there is none.

        When one hangs, others soon wait for it in the all-reduce: one that is silent, or not training, is preferred.
        """
        now = time.monotonic()
        silent = {number: now - worker.heard for number, worker in self.workers.items()}
        hanging = [n for n, worker in self.workers.items() if worker.idle + silent[n] > timeout or silent[n] > LIMIT]
        if not hanging:
            return None
        worker = max(hanging, key=lambda number: (silent[number] > SILENCE, self.workers[number].activity != TRAINING))
        return worker, self.workers[worker].idle + silent[worker]


class Heartbeat:
    """A worker's connection to the monitor, with a heartbeat every second."""

    def __init__(self, address: Address, worker: int):
        self.worker, self.activity, self.last_progress = worker, "starting", time.monotonic()
        self._lock, self._closed = threading.Lock(), False
        self._connection = Client((address.host, address.port), authkey=address.secret)
        self._send("hello", self._status())
        threading.Thread(target=self._beat, daemon=True).start()

    def _status(self) -> tuple[str, int, str, float]:
        """Returns host, process, activity, and the seconds since the last progress."""
        return socket.gethostname(), os.getpid(), self.activity, time.monotonic() - self.last_progress

    def _send(self, message_type: str, content: Any, *, last: bool = False) -> None:
        """Sends a message; the last one closes the connection."""
        with self._lock:
            self._connection.send(Message(self.worker, message_type, content))
            if last:
                self._closed = True
                self._connection.close()

    def _beat(self) -> None:
        """Sends heartbeats until the connection is closed; ends the process when nobody listens any more."""
        while True:
            with self._lock:
                if self._closed:
                    return
                try:
                    self._connection.send(Message(self.worker, "alive", self._status()))
                except OSError:
                    os._exit(1)
            time.sleep(INTERVAL)

    def begin(self, activity: str) -> None:
        """Reports that the worker begins another activity."""
        self.activity, self.last_progress = activity, time.monotonic()
        self._send("alive", self._status())

    def step(self) -> None:
        """Notes that the worker has made some steps."""
        self.last_progress = time.monotonic()
        if self.activity != TRAINING:
            self.begin(TRAINING)

    def report_epoch(self, epoch: Any) -> None:
        """Reports a finished epoch."""
        self._send("epoch", epoch)

    def report_failure(self, failure: Any) -> None:
        """Reports why the worker gives up."""
        self._send("failed", failure, last=True)

    def report_done(self) -> None:
        """Reports that the worker has finished its training."""
        self._send("done", None, last=True)

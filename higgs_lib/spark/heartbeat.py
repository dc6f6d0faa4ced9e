"""Heartbeats: what workers report to the program that trains, and how it notices that one is lost or hangs."""

import math
import os
import queue
import reprlib
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from higgs_lib.training import channel
from higgs_lib.training.channel import Address, Channel, ChannelError, Credentials, Listener

INTERVAL = 1.0  # seconds between heartbeats
SILENCE = 3 * INTERVAL  # seconds without a heartbeat after which a worker is silent
LIMIT = 10 * INTERVAL  # seconds without a heartbeat after which a worker counts as hanging, whatever its last step
TRAINING = "training"
WAITING = "waiting for the other workers"  # an activity that may last, as long as heartbeats come


class Message(NamedTuple):
    """A worker's message; the monitor itself makes those of lost workers."""

    worker: int
    message_type: str
    """"hello", "alive", "epoch", "failed" or "done" of a worker; "lost" if its connection ended before any "done"; and
    "job", "centre" or "server" of this program's own threads."""
    content: Any
    arrays: Sequence[np.ndarray] = ()


def _check_message(content: Any, n_workers: int) -> None:
    """Raises ChannelError if what a peer sends is no message of one of so many workers."""
    match content:
        case (
            [int(worker), "hello", [str(), int(), str(), int() | float(), int()]]
            | [int(worker), "alive", [str(), int(), str(), int() | float()]]
            | [int(worker), "epoch", dict()]
            | [int(worker), "failed", [str(), str(), str()]]
            | [int(worker), "done", None]
        ) if 0 <= worker < n_workers:
            return
    raise ChannelError(f"{reprlib.repr(content)} is no message of one of {n_workers} workers")


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

    def __init__(self, host: str, n_workers: int, *, encrypted: bool = False):
        self.n_workers = n_workers
        self.messages: queue.Queue[Message] = queue.Queue()
        self.workers: dict[int, WorkerStatus] = {}
        self._listener = Listener(host, Credentials.create(encrypted), self._listen)
        self.tasks: dict[int, int] = {}
        """Spark's number of each worker's task."""
        self._channels: dict[int, Channel] = {}
        self.address = self._listener.address

    def __enter__(self) -> "HeartbeatMonitor":
        self._listener.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._listener.__exit__(*error)

    def _listen(self, line: socket.socket) -> None:
        """Puts one worker's messages into the queue, until another process takes its place."""
        peer, worker, message_type = Channel(line), None, ""
        try:
            while message_type not in ("done", "failed"):
                message, arrays = peer.receive()
                _check_message(message, self.n_workers)
                worker, message_type, content = message
                if message_type == "hello":
                    self.disconnect(worker)
                    self._channels[worker] = peer
                    *content, self.tasks[worker] = content
                if self._channels.get(worker) is not peer:
                    return
                if message_type in ("hello", "alive"):
                    host, pid, activity, idle = content
                    self.workers[worker] = WorkerStatus(host, pid, activity, time.monotonic(), idle)
                self.messages.put(Message(worker, message_type, content, arrays))
        except (EOFError, OSError) as error:
            if worker is not None and self._channels.get(worker) is peer:
                self.messages.put(Message(worker, "lost", repr(error)))
        finally:
            peer.close()

    def disconnect(self, worker: int) -> None:
        """Ends a worker's connection, by which its process ends at its next heartbeat; no message tells of it."""
        self.workers.pop(worker, None)
        if peer := self._channels.pop(worker, None):
            peer.end()

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
        return sum(worker.activity == TRAINING for worker in dict(self.workers).values()) == n_workers

    def silent_workers(self) -> dict[int, float]:
        """Returns the seconds since the last heartbeat of every silent worker, failed ones included."""
        now, workers = time.monotonic(), dict(self.workers)
        return {number: now - worker.heard for number, worker in workers.items() if now - worker.heard > SILENCE}

    def hanging_worker(self, timeout: float) -> tuple[int, float] | None:
        """Returns a worker that makes no step for `timeout` seconds or is silent for ten, and for how many seconds.

        None if there is none.

        When one hangs, others soon wait for it in the all-reduce: one that is silent, or not training, is preferred.
        """
        now, workers = time.monotonic(), dict(self.workers)
        silent = {number: now - worker.heard for number, worker in workers.items()}
        limits = {number: math.inf if worker.activity == WAITING else timeout for number, worker in workers.items()}
        hanging = [n for n, worker in workers.items() if worker.idle + silent[n] > limits[n] or silent[n] > LIMIT]
        if not hanging:
            return None
        worker = max(hanging, key=lambda number: (silent[number] > SILENCE, workers[number].activity != TRAINING))
        return worker, workers[worker].idle + silent[worker]


class Heartbeat:
    """A worker's connection to the monitor, with a heartbeat every second."""

    def __init__(self, address: Address, worker: int, task: int = 0):
        self.worker, self.activity, self.last_progress = worker, "starting", time.monotonic()
        self._lock, self._closed = threading.Lock(), False
        self._channel = Channel(channel.connect(address))
        self._send("hello", (*self._status(), task))
        threading.Thread(target=self._beat, daemon=True).start()

    def _status(self) -> tuple[str, int, str, float]:
        """Returns host, process, activity, and the seconds since the last progress."""
        return socket.gethostname(), os.getpid(), self.activity, time.monotonic() - self.last_progress

    def _send(self, message_type: str, content: Any, arrays: Sequence[np.ndarray] = (), *, last: bool = False) -> None:
        """Sends a message; the last one closes the connection."""
        with self._lock:
            self._channel.send((self.worker, message_type, content), arrays)
            if last:
                self._closed = True
                self._channel.close()

    def _beat(self) -> None:
        """Sends heartbeats until the connection is closed; ends the process when nobody listens any more."""
        while True:
            with self._lock:
                if self._closed:
                    return
                try:
                    self._channel.send((self.worker, "alive", self._status()))
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

    def report_epoch(self, epoch: dict, arrays: Sequence[np.ndarray] = ()) -> None:
        """Reports a finished epoch: what JSON can hold, and arrays of numbers."""
        self._send("epoch", epoch, arrays)

    def report_failure(self, failure: Any) -> None:
        """Reports why the worker gives up."""
        self._send("failed", failure, last=True)

    def report_done(self) -> None:
        """Reports that the worker has finished its training."""
        self._send("done", None, last=True)

"""The parameter server of an asynchronous training: the centre, and the workers' connections to it.

Each worker has a thread here, which answers one request after the other. All workers begin together, at most a minute
after the first is ready. From then on none waits for another, except for the moment in which another commit changes the
centre, and at the end of an epoch under a rule that averages.
"""

import math
import reprlib
import socket
import threading
import time
from queue import Queue
from typing import NamedTuple

import numpy as np

from higgs_lib.spark.heartbeat import Message
from higgs_lib.training import channel
from higgs_lib.training.channel import Address, Channel, ChannelError, Credentials, Listener
from higgs_lib.training.update_rules import AsynchronousRule, Averaging, UpdateRule

START_LIMIT = 60  # seconds for which a worker that is ready waits for the others before its first step

REQUESTS = {
    "begin": {"in_flight": int},
    "pull": {},
    "commit": {"n_events": int, "n_batches": int, "in_flight": int, "pull": bool},
    "average": {"epoch": int},
    "epoch": {"number": int, "seen": int, "report": dict},
}
"""What workers may ask for, and the types of its content."""


def _check_request(message: object) -> None:
    """Raises ChannelError if a message is no request of a worker."""
    match message:
        case [str(request), dict(content)] if request in REQUESTS:
            types = {name: type(value) for name, value in content.items()}
            if types == REQUESTS[request] and all(v >= 0 for v in content.values() if type(v) is int):
                return
    raise ChannelError(f"{reprlib.repr(message)} is no request of a worker")


def _check_arrays(arrays: list[np.ndarray], expected: list[np.ndarray]) -> None:
    """Raises ChannelError if a worker's arrays have other types or shapes than these."""
    sent, wanted = ([(array.dtype.str, array.shape) for array in part] for part in (arrays, expected))
    if sent != wanted:
        raise ChannelError(f"a worker sent {reprlib.repr(sent)} instead of its weights")


class Exchange(NamedTuple):
    """A pull or a commit, in the order in which the centre saw them."""

    worker: int
    commit: np.ndarray | None
    """What the worker sent (k,); None: it pulled the centre."""


class Centre:
    """The weights that all workers share (k,), which are replaced and never changed in place."""

    def __init__(self, weights: np.ndarray, rule: UpdateRule, n_workers: int, exchanges: list[Exchange] | None = None):
        """Begins with these weights.

        Args:
            weights: the initial weights (k,).
            rule: how a commit changes them.
            n_workers: the number of workers.
            exchanges: a list to which every pull and commit is added; None: none is kept.
        """
        self.weights, self.version = weights, 0
        self.rule, self._n_workers, self._exchanges = rule, n_workers, exchanges
        self._pulled: dict[int, tuple[np.ndarray, int]] = {}
        self._to_average: dict[int, np.ndarray] = {}
        self._averaged, self._closed = 0, False
        self._changed = threading.Condition()

    def pull(self, worker: int) -> tuple[np.ndarray, int]:
        """Returns the centre (k,) and how often it was changed, once the worker's own weights have been averaged."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or worker not in self._to_average)
            return self._pull(worker)

    def _pull(self, worker: int) -> tuple[np.ndarray, int]:
        """Returns the same, for a thread that holds the lock."""
        if self._exchanges is not None:
            self._exchanges.append(Exchange(worker, None))
        self._pulled[worker] = self.weights, self.version
        return self._pulled[worker]

    def commit(self, worker: int, commit: np.ndarray, *, pull: bool) -> tuple[int, int, tuple[np.ndarray, int]]:
        """Changes the centre.

        Args:
            worker: the worker's number.
            commit: what it sends (k,).
            pull: whether it pulls the centre at once.

        Returns:
            The staleness of the commit, how often the centre has been changed with it, and what the worker pulled last.
        """
        with self._changed:
            if worker not in self._pulled:
                raise ChannelError(f"worker {worker} commits before its first pull")
            if self._exchanges is not None:
                self._exchanges.append(Exchange(worker, commit))
            pulled, version = self._pulled[worker]
            staleness = self.version - version
            self.weights = np.asarray(self.rule.update(self.weights, commit, pulled, staleness), np.float32)
            self.version += 1
            number = self.version
            return staleness, number, self._pull(worker) if pull else self._pulled[worker]

    def average(self, worker: int, weights: np.ndarray, epoch: int) -> None:
        """Takes a worker's weights (k,) after an epoch; those of the last worker make the centre the mean of all."""
        with self._changed:
            if epoch <= self._averaged:  # a replacement has repeated an epoch that was complete
                return
            self._to_average[worker] = weights
            if len(self._to_average) == self._n_workers:
                self.weights = self.rule.mean([self._to_average[number] for number in range(self._n_workers)])
                self.version, self._averaged = self.version + 1, epoch
                self._to_average.clear()
                self._changed.notify_all()

    def close(self) -> None:
        """Lets nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def replay(rule: AsynchronousRule, weights: np.ndarray, exchanges: list[Exchange]) -> np.ndarray:
    """Returns the centre (k,) after recorded exchanges, which is that of the training to the bit.

    Args:
        rule: the rule of the training.
        weights: its initial weights (k,).
        exchanges: its pulls and commits, in their order.
    """
    centre = Centre(weights, rule, n_workers=0)
    for worker, commit in exchanges:
        if commit is None:
            centre.pull(worker)
        else:
            centre.commit(worker, commit, pull=False)
    return centre.weights


class Progress(NamedTuple):
    """How far a worker is: what its replacement needs to continue."""

    epoch: int
    """The epoch in which it trains, from 1."""
    batches: int
    """Its batches of this epoch that are part of a commit."""
    seen: int
    """Its events of all epochs that are part of a commit."""
    variables: list[np.ndarray]
    """All variables of its model and of its optimizer at the end of its last epoch."""


class Commit(NamedTuple):
    """What is known of a commit."""

    worker: int
    n_events: int
    """Events of the worker's steps since its last commit."""
    seen: int
    """Events of all its steps so far."""
    staleness: int
    """How often the centre was changed between the worker's last pull and this commit."""
    seconds: float
    """When the centre was changed, since the first worker began."""
    number: int
    """How often the centre has been changed with it."""


class EpochEnd(NamedTuple):
    """The state of a training when all workers have finished an epoch."""

    number: int
    weights: np.ndarray
    """The centre (k,)."""
    seconds: float
    """Time since the first worker began."""
    n_bytes: int
    """Bytes that workers and server have exchanged so far."""
    reports: list[dict]
    """What each worker reports of its epoch."""
    progress: list[Progress]
    """How far each worker was at the end of its own epoch."""


class ParameterServer:
    """Serves the centre to the workers. Used in a `with` statement."""

    def __init__(
        self, host: str, credentials: Credentials, centre: Centre, progress: list[Progress], messages: Queue[Message]
    ):
        """Begins to listen.

        Args:
            host: the host name, whose interface alone is bound.
            credentials: what workers must know.
            centre: the centre.
            progress: how far each worker is.
            messages: the queue that gets a message "centre" with an `EpochEnd` when all workers have finished an epoch,
                and a message "server" with an error of a rule.
        """
        self.centre, self.progress, self.messages = centre, progress, messages
        self.commits: list[Commit] = []
        self.service_seconds: list[float] = []
        """Seconds from the first byte of each commit until its answer was sent."""
        self.in_flight: dict[int, int] = {}
        """The events of each worker's steps since its last commit, or until its next one."""
        self._current: dict[int, Channel] = {}
        self._channels: list[Channel] = []
        self._reports: dict[int, dict[int, tuple[dict, Progress]]] = {}
        self.began = math.nan
        """When the first worker began, by the monotonic clock."""
        self._ready: set[int] = set()
        self._start = threading.Event()
        self._lock = threading.Lock()
        self._listener = Listener(host, credentials, self._serve)
        self.address = self._listener.address

    def __enter__(self) -> "ParameterServer":
        self._listener.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.centre.close()
        self._listener.__exit__(*error)

    def _serve(self, line: socket.socket) -> None:
        """Answers one worker's requests until it ends."""
        peer, worker = Channel(line), None
        answers = {"begin": self._begin, "pull": self._pull, "commit": self._commit}
        answers |= {"average": self._average, "epoch": self._end_epoch}
        try:
            number, _ = peer.receive()
            if type(number) is not int or not 0 <= number < len(self.progress):
                raise ChannelError(f"{reprlib.repr(number)} is not the number of a worker")
            worker = number
            peer.send(*self._join(worker, peer))
            while True:
                message, arrays = peer.receive()
                _check_request(message)
                request, content = message
                peer.send(*answers[request](worker, arrays, peer, **content))
                if request == "commit":
                    self.service_seconds.append(time.monotonic() - peer.arrived)
        except (EOFError, OSError) as error:
            if isinstance(error, ChannelError):
                self.messages.put(Message(worker, "server", error))
            # else the worker has ended; its heartbeat tells how
        except Exception as error:
            place = (
                f"the centre cannot be changed by worker {worker}, after {self.progress[worker].batches} batches of "
            )
            place += f"epoch {self.progress[worker].epoch}, under {self.centre.rule.name}"
            error.add_note(place)
            self.messages.put(Message(worker, "server", error))
        finally:
            peer.close()

    def _join(self, worker: int, peer: Channel) -> tuple[dict, list[np.ndarray]]:
        """Ends the connection of the worker that this one replaces; returns where it begins."""
        with self._lock:
            previous, self._current[worker] = self._current.get(worker), peer
            self._channels.append(peer)
            progress = self.progress[worker]
        if previous:
            previous.end()
        return progress._asdict() | {"variables": []}, progress.variables

    def _begin(self, worker: int, _: list[np.ndarray], peer: Channel, in_flight: int) -> tuple[dict, list]:
        """Notes that a worker begins an epoch. The first epoch begins when all workers are ready."""
        with self._lock:
            self._ready.add(worker)
            if len(self._ready) == len(self.progress):
                self._start.set()
        if not self._start.wait(START_LIMIT):
            self._start.set()
        with self._lock:
            self.began = time.monotonic() if math.isnan(self.began) else self.began
            self.in_flight[worker] = in_flight
        return {}, []

    def _pull(self, worker: int, _: list[np.ndarray], peer: Channel) -> tuple[dict, list[np.ndarray]]:
        """Returns the centre."""
        weights, version = self.centre.pull(worker)
        return {"version": version, "waited": time.monotonic() - peer.arrived}, [weights]

    def _commit(
        self,
        worker: int,
        arrays: list[np.ndarray],
        peer: Channel,
        *,
        n_events: int,
        n_batches: int,
        in_flight: int,
        pull: bool,
    ) -> tuple[dict, list[np.ndarray]]:
        """Changes the centre; returns it if the worker asks for it.

        Args:
            worker: the worker's number.
            arrays: its commit (k,).
            peer: its connection.
            n_events: events of its steps since its last commit.
            n_batches: the number of these steps.
            in_flight: events until its next commit.
            pull: whether it pulls the centre.

        Returns:
            The answer and its arrays.
        """
        _check_arrays(arrays, [self.centre.weights])
        if not self.centre.rule.window:
            raise ChannelError(f"worker {worker} commits under {self.centre.rule.name}, which has no commits")
        with self._lock:  # a replacement that joins sees the centre and the progress before or after the commit
            if self._current[worker] is not peer:
                raise EOFError
            staleness, number, (weights, version) = self.centre.commit(worker, arrays[0], pull=pull)
            now, progress = time.monotonic(), self.progress[worker]
            progress = progress._replace(batches=progress.batches + n_batches, seen=progress.seen + n_events)
            self.progress[worker], self.in_flight[worker] = progress, in_flight
            self.commits.append(Commit(worker, n_events, progress.seen, staleness, now - self.began, number))
        return {"number": number, "version": version, "waited": now - peer.arrived}, [weights] * pull

    def _average(self, worker: int, arrays: list[np.ndarray], peer: Channel, epoch: int) -> tuple[dict, list]:
        """Takes the weights of a worker that has finished an epoch."""
        _check_arrays(arrays, [self.centre.weights])
        if not isinstance(self.centre.rule, Averaging):
            raise ChannelError(f"worker {worker} asks for an average, which {self.centre.rule.name} does not make")
        self.centre.average(worker, arrays[0], epoch)
        return {"waited": time.monotonic() - peer.arrived}, []

    def _end_epoch(
        self, worker: int, arrays: list[np.ndarray], peer: Channel, *, number: int, seen: int, report: dict
    ) -> tuple[dict, list[np.ndarray]]:
        """Notes that a worker has finished an epoch; the last one completes the epoch of the training.

        Args:
            worker: the worker's number.
            arrays: all its variables.
            peer: its connection.
            number: the number of the epoch.
            seen: the worker's events of all epochs.
            report: what else it tells.

        Returns:
            An empty answer.
        """
        _check_arrays(arrays, self.progress[worker].variables)
        with self._lock:
            if self._current[worker] is not peer:
                raise EOFError
            if number != self.progress[worker].epoch:
                raise ChannelError(f"worker {worker} ends epoch {number} in epoch {self.progress[worker].epoch}")
            self.progress[worker] = progress = Progress(number + 1, 0, seen, arrays)
            self.in_flight[worker] = 0
            reports = self._reports.setdefault(number, {})
            reports[worker] = report, progress
            if len(reports) == len(self.progress):
                told, states = zip(*(reports[n] for n in range(len(reports))), strict=True)
                seconds = time.monotonic() - self.began
                n_bytes = sum(peer.n_bytes for peer in self._channels)
                end = EpochEnd(number, self.centre.weights, seconds, n_bytes, list(told), list(states))
                self.messages.put(Message(worker, "centre", end))
                del self._reports[number]
        return {}, []


class CentreClient:
    """A worker's connection to the parameter server. Used in a `with` statement."""

    def __init__(self, address: Address, worker: int):
        """Connects, and learns in `progress` where to begin."""
        self._channel = Channel(channel.connect(address))
        self._channel.send(worker)
        content, variables = self._channel.receive()
        self.progress = Progress(**content | {"variables": variables})
        self.seconds = self.waited = 0.0
        """Seconds of all requests, and of them those until the server had changed the centre."""
        self.version = 0
        self.staleness: list[int] = []
        """Of each commit, as this worker counts it."""

    def __enter__(self) -> "CentreClient":
        return self

    def __exit__(self, *_) -> None:
        self._channel.close()

    @property
    def n_bytes(self) -> int:
        """The bytes that were sent and received."""
        return self._channel.n_bytes

    def _request(self, request: str, arrays: list[np.ndarray] = (), **content) -> tuple[dict, list[np.ndarray]]:
        """Returns the answer to a request."""
        start = time.perf_counter()
        self._channel.send((request, content), arrays)
        answer, arrays = self._channel.receive()
        self.seconds += time.perf_counter() - start
        self.waited += answer.get("waited", 0.0)
        return answer, arrays

    def begin(self, in_flight: int) -> None:
        """Tells that an epoch begins, and after how many events the next commit follows, or the end of the epoch."""
        self._request("begin", in_flight=in_flight)

    def pull(self) -> np.ndarray:
        """Returns the centre (k,)."""
        answer, (weights,) = self._request("pull")
        self.version = answer["version"]
        return weights

    def commit(
        self, commit: np.ndarray, *, n_events: int, n_batches: int, in_flight: int, pull: bool
    ) -> np.ndarray | None:
        """Sends a commit.

        Args:
            commit: what the rule commits (k,).
            n_events: events of the steps since the last commit.
            n_batches: the number of these steps.
            in_flight: events until the next commit.
            pull: whether to pull the centre as well.

        Returns:
            The centre (k,), if it is pulled.
        """
        counts = {"n_events": n_events, "n_batches": n_batches, "in_flight": in_flight}
        answer, arrays = self._request("commit", [commit], pull=pull, **counts)
        self.staleness.append(answer["number"] - 1 - self.version)
        if not pull:
            return None
        self.version = answer["version"]
        return arrays[0]

    def average(self, weights: np.ndarray, epoch: int) -> np.ndarray:
        """Gives this worker's weights (k,) after an epoch; returns the mean over all workers, once all gave theirs."""
        self._request("average", [weights], epoch=epoch)
        return self.pull()

    def end_epoch(self, number: int, seen: int, report: dict, variables: list[np.ndarray]) -> None:
        """Reports a finished epoch.

        Args:
            number: its number.
            seen: this worker's events of all epochs.
            report: its measures and times.
            variables: all variables of model and optimizer.
        """
        self._request("epoch", variables, number=number, seen=seen, report=report)

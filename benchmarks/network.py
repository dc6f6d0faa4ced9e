"""Checks the model of a ring all-reduce by latency and bandwidth on links of known rate and delay.

    sudo env "PATH=$PATH" "PYTHONPATH=$PWD" python benchmarks/network.py     # on Linux

Each worker is in a network namespace of its own, with a cable to a bridge in another one; all are removed at the end.
Latency and bandwidth are fitted to two workers, and predict three and more. The program ends with a message if root's
rights, `ip`, `tc` or the kernel's support are missing; without `netem` in the kernel it sets only rates.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import harness
import netns
import numpy as np
from netns import Link

from higgs_lib import device
from higgs_lib.performance.interconnect import InterconnectFit, all_reduce_seconds, fit_interconnect
from higgs_lib.training.channel import Address, Credentials
from higgs_lib.training.collectives import Ring, listen

PORT = 5000
TIMEOUT = 240  # s, for an answer of a worker
CREDENTIALS = Credentials(b"of this benchmark")
WARM_UP = 2  # turns that do not count


class Vector(NamedTuple):
    """A vector to all-reduce."""

    values: int
    type: str
    chained: int
    """All-reduces per turn"""

    @property
    def n_bytes(self) -> int:
        """Size of the vector."""
        return self.values * np.dtype(self.type).itemsize


VECTORS = (
    Vector(9_001, "float32", 40),  # the gradients of a small network
    Vector(189_602, "float16", 10),  # those of the deep network
    Vector(189_602, "float32", 10),
    Vector(1_500_000, "float32", 2),
)
RATES, DELAYS = (np.inf, 1.0, 0.1), (0.0, 1.0)  # Gb/s and ms


def work(number: int, addresses: list[str]) -> None:
    """Runs one worker: answers lines of values, type and number of all-reduces with seconds and bytes sent of each."""
    hosts = [address.rsplit(":", 1) for address in addresses]
    places = [Address(host, int(port), CREDENTIALS) for host, port in hosts]
    listener, peers = listen(places[number].host, CREDENTIALS, places[number].port)
    with listener:
        print("listening", flush=True)
        sys.stdin.readline()  # until all are
        group = Ring(peers, places, number)
    for line in sys.stdin:
        values, dtype, chained = json.loads(line)
        vector = np.zeros(values, np.float32)
        sent = int(netns.SENT.read_text())
        group.all_reduce_sum(vector, dtype)  # so that all start together
        start = time.perf_counter()
        for _ in range(chained):
            group.all_reduce_sum(vector, dtype)
        taken = time.perf_counter() - start
        sent = int(netns.SENT.read_text()) - sent
        print(json.dumps([taken / chained, sent / (chained + 1)]), flush=True)


class Workers(NamedTuple):
    """The processes of one group."""

    processes: list[subprocess.Popen]
    log: object
    """File of their error messages"""

    def ask(self, question: list) -> np.ndarray:
        """Returns seconds and bytes (n, 2) of each worker."""
        for process in self.processes:
            with suppress(BrokenPipeError):  # of a worker that failed, for which reading has the better error
                print(json.dumps(question), file=process.stdin, flush=True)
        answers = {}
        while waiting := [p.stdout for p in self.processes if p.stdout not in answers]:
            ready = select.select(waiting, [], [], TIMEOUT)[0]
            if not ready:
                raise RuntimeError(f"{len(self.processes)} workers: no answer for {TIMEOUT} s")
            answers |= {process.stdout: self._read(process) for process in self.processes if process.stdout in ready}
        return np.array([answers[p.stdout] for p in self.processes])

    def _read(self, process: subprocess.Popen) -> list[float]:
        """Returns a worker's answer; raises RuntimeError with its last message if it has ended."""
        if line := process.stdout.readline():
            return json.loads(line)
        status = process.wait()
        self.log.seek(0)
        messages = [line.strip() for line in self.log if line.strip()] or ["no message"]
        raise RuntimeError(f"a worker of {len(self.processes)} ended with status {status}: {messages[-1]}")


@contextmanager
def start(names: list[str]) -> Iterator[Workers]:
    """Starts a worker in each of these namespaces, and kills them at the end."""
    addresses = [f"{netns.address(number)}:{PORT}" for number in range(len(names))]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with tempfile.TemporaryFile("w+") as log:
        workers = Workers([], log)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
        try:
            for number, name in enumerate(names):
                words = ["ip", "netns", "exec", name, sys.executable, __file__, "worker", str(number), *addresses]
                workers.processes.append(subprocess.Popen(words, env=environment, **pipes))
            for process in workers.processes:
                process.stdout.readline()
            for process in workers.processes:
                print(file=process.stdin, flush=True)
            yield workers
        finally:
            with netns.uninterrupted():
                for process in workers.processes:
                    process.kill()
                    process.wait()


def measure(n: int, links: list[Link], repeats: int) -> list[dict]:
    """Measures all vectors on all links between n workers."""
    with netns.namespaces(n) as names, start(names[1:]) as workers:
        points = []
        for link in links:
            netns.shape(names, link)
            for vector in VECTORS:
                turns = np.array([workers.ask(list(vector)) for _ in range(WARM_UP + repeats)])[WARM_UP:].mean(1)
                seconds, sent = turns.T
                points.append(
                    {
                        "link": link_as_dict(link),
                        "workers": n,
                        "more_workers_than_cores": n > device.cores(),
                        "values": vector.values,
                        "type": vector.type,
                        "bytes": vector.n_bytes,
                        "seconds": harness.spread(seconds),
                        "bytes_sent": float(np.median(sent)),
                        "ring_bytes": 2 * (n - 1) / n * vector.n_bytes,
                    }
                )
                print(describe_point(points[-1]), flush=True)
        return points


def link_as_dict(link: Link) -> dict[str, float | None]:
    """Returns a link as stored, with None for an unlimited rate."""
    return {"gbit_per_s": link.rate if np.isfinite(link.rate) else None, "delay_ms": link.delay}


def fit_link(points: list[dict], link: Link) -> tuple[InterconnectFit, dict]:
    """Fits latency and bandwidth to the medians of two workers on one kind of link; also returns them as stored."""
    two = [p for p in points if p["link"] == link_as_dict(link) and p["workers"] == 2]
    columns = ([p["workers"] for p in two], [p["bytes"] for p in two], [p["seconds"]["median"] for p in two])
    fit = fit_interconnect(*map(np.array, columns))

    def rounded(interval: np.ndarray) -> dict[str, float | None]:
        ends = zip(("value", "low", "high"), interval, strict=True)
        return {name: float(f"{end:.4g}") if np.isfinite(end) else None for name, end in ends}

    gbit, ms = rounded(8e-9 * np.array(fit.bandwidth)), rounded(1e3 * np.array(fit.latency))
    return fit, {"link": link_as_dict(link), "fitted_gbit_per_s": gbit, "fitted_latency_ms": ms}


def compare(points: list[dict], link: Link, fit: InterconnectFit) -> Iterator[dict]:
    """Yields, for each number of workers, measured over predicted seconds.

    For a limited rate also the seconds that it adds over those of the wire: a difference, which is noise where it is
    small compared with the software's time.
    """
    for n in sorted({p["workers"] for p in points}):
        limited, unlimited = (
            [p for p in points if p["link"] == link_as_dict(other) and p["workers"] == n]
            for other in (link, link._replace(rate=np.inf))
        )
        n_bytes, sent = (np.array([p[name] for p in limited]) for name in ("bytes", "bytes_sent"))
        seconds, without = (np.array([p["seconds"]["median"] for p in part]) for part in (limited, unlimited))
        ratio = seconds / all_reduce_seconds(n, n_bytes, fit.interconnect())
        row = {"workers": n, "median": float(np.median(ratio)), "worst": float(ratio[np.abs(np.log(ratio)).argmax()])}
        if np.isfinite(link.rate):
            row["added_to_wire"] = harness.spread((seconds - without) / (8e-9 * sent / link.rate))
        yield row


def describe_link(link: dict) -> str:
    """Returns a stored link as text."""
    rate, delay = link.values()
    return (f"{rate:g} Gb/s" if rate else "unshaped") + (f", {delay:g} ms" if delay else "")


def describe_point(point: dict) -> str:
    """Returns a measurement as a line of text."""
    median, low, high = (1e3 * seconds for seconds in point["seconds"].values())
    what = f"{point['workers']} workers  {describe_link(point['link']):16s}{point['values']:>9,} {point['type']}"
    crowded = "  more workers than cores" if point["more_workers_than_cores"] else ""
    return f"{what}{median:10.2f} ms [{low:.2f}, {high:.2f}]  {point['bytes_sent'] / point['ring_bytes']:.3f}{crowded}"


def describe_fit(fit: dict) -> str:
    """Returns a stored fit and its comparison as a line of text."""
    gbit, ms = (fit[name]["value"] for name in ("fitted_gbit_per_s", "fitted_latency_ms"))
    ratios = [f"{r['workers']} {r['median']:.2f} (worst {r['worst']:.2f})" for r in fit["measured_to_predicted"]]
    speeds = f"{gbit or np.inf:.3g} Gb/s, {ms:.3g} ms"
    return f"{describe_link(fit['link']):16s}{speeds}; measured/predicted: {', '.join(ratios)}"


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "network.json", repeats=5)
    parser.add_argument("--most", type=int, default=5, help="largest number of workers; all from 2 on are measured")
    options = parser.parse_args()
    if options.most < 2 or options.repeats < 1:
        parser.error("--most must be at least 2, --repeats at least 1")
    if lack := netns.missing():
        print(f"nothing measured: this needs {lack}")
        return
    without_netem = netns.obstacle(Link(np.inf, 1.0))
    links = [Link(rate, delay) for delay in (DELAYS[:1] if without_netem else DELAYS) for rate in RATES]
    delays = "not set, as the kernel has no netem" if without_netem else "set"
    print(f"an all-reduce, median [range]; bytes sent over those of the ring; delays {delays}", flush=True)
    try:
        points = [p for n in range(2, options.most + 1) for p in measure(n, links, options.repeats)]
    except RuntimeError as error:
        sys.exit(f"network: {error}")
    except KeyboardInterrupt:
        sys.exit("network: interrupted")
    fits = []
    for link in links:
        fit, stored = fit_link(points, link)
        fits.append(stored | {"measured_to_predicted": list(compare(points, link, fit))})
        print(describe_fit(fits[-1]))
    harness.save(options.result, {"delays": delays, "fits_to_two_workers": fits, "points": points})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("network: ended by SIGTERM"))
    if sys.argv[1:2] == ["worker"]:
        work(int(sys.argv[2]), sys.argv[3:])
    else:
        main()

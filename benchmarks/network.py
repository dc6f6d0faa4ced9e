"""Checks the model of an all-reduce, a ring of latency and bandwidth, on links whose rate and delay are set.

    sudo env "PATH=$PATH" "PYTHONPATH=$PWD" python benchmarks/network.py     # on Linux

Each worker is in a network namespace of its own, with a cable to a bridge in another one; all are removed at the end.
Latency and bandwidth are fitted to two workers, and predict three and more. Where root's rights, `ip`, `tc` or the
kernel's part in it are missing it says so and does nothing; without `netem` in the kernel only rates are set.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import cables
import contest
import numpy as np
from cables import Link

from higgs_lib import device
from higgs_lib.performance.interconnect import InterconnectFit, all_reduce_seconds, fit_interconnect

PORT = 5000
PATIENCE = 240  # s, for an answer of a worker
WARM_UP = 2  # turns that are not counted


class Vector(NamedTuple):
    """What is summed."""

    values: int
    type: str
    chained: int
    """Sums a turn."""

    @property
    def n_bytes(self) -> int:
        return self.values * np.dtype(self.type).itemsize


VECTORS = (
    Vector(9_001, "float32", 40),  # a small net's gradients
    Vector(189_602, "float16", 10),  # the deep net's
    Vector(189_602, "float32", 10),
    Vector(1_500_000, "float32", 2),
)
RATES, DELAYS = (np.inf, 1.0, 0.1), (0.0, 1.0)  # Gb/s and ms


def work(number: int, addresses: list[str]) -> None:
    """One worker: for each line of values, type and number of sums, seconds and bytes sent of each sum."""
    import tensorflow as tf  # here, as importing it takes seconds that the program itself need not wait

    from higgs_lib.training.collectives import join_process_group

    team = join_process_group(addresses, number, cores=1)

    @tf.function
    def seconds(vector, chained):
        vector = team.all_reduce_sum(vector)  # so that all start together
        with tf.control_dependencies([vector]):
            start = tf.timestamp()
        with tf.control_dependencies([start]):
            vector = tf.identity(vector)
        for _ in tf.range(chained):
            vector = team.all_reduce_sum(vector)
        with tf.control_dependencies([vector]):
            return tf.timestamp() - start

    for line in sys.stdin:
        values, kind, chained = json.loads(line)
        sent = int(cables.SENT.read_text())
        taken = float(seconds(tf.zeros(values, kind), tf.constant(chained)))
        sent = int(cables.SENT.read_text()) - sent
        print(json.dumps([taken / chained, sent / (chained + 1)]), flush=True)


class Workers(NamedTuple):
    """The processes of one team."""

    processes: list[subprocess.Popen]
    log: object
    """File of what they say of errors."""

    def ask(self, question: list) -> np.ndarray:
        """(n, 2): seconds and bytes of each worker."""
        for process in self.processes:
            with suppress(BrokenPipeError):  # of one that failed, which reading tells better
                print(json.dumps(question), file=process.stdin, flush=True)
        answers = {}
        while waiting := [p.stdout for p in self.processes if p.stdout not in answers]:
            ready = select.select(waiting, [], [], PATIENCE)[0]
            if not ready:
                raise RuntimeError(f"{len(self.processes)} workers: no answer for {PATIENCE} s")
            answers |= {process.stdout: self._read(process) for process in self.processes if process.stdout in ready}
        return np.array([answers[p.stdout] for p in self.processes])

    def _read(self, process: subprocess.Popen) -> list[float]:
        if line := process.stdout.readline():
            return json.loads(line)
        status = process.wait()
        self.log.seek(0)
        said = [line.strip() for line in self.log if line.strip()] or ["nothing"]
        raise RuntimeError(f"a worker of {len(self.processes)} ended with status {status}; last was said: {said[-1]}")


@contextmanager
def started(names: list[str]) -> Iterator[Workers]:
    """A worker in each of these namespaces."""
    addresses = [f"{cables.address(number)}:{PORT}" for number in range(len(names))]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryFile("w+") as log:
        workers = Workers([], log)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
        try:
            for number, name in enumerate(names):
                words = ["ip", "netns", "exec", name, sys.executable, __file__, "worker", str(number), *addresses]
                workers.processes.append(subprocess.Popen(words, env=environment, **pipes))
            yield workers
        finally:
            with cables.uninterrupted():
                for process in workers.processes:
                    process.kill()
                    process.wait()


def measured(n: int, links: list[Link], repeats: int) -> list[dict]:
    """All vectors on all links between n workers."""
    with cables.cabled(n) as names, started(names[1:]) as workers:
        points = []
        for link in links:
            cables.shape(names, link)
            for vector in VECTORS:
                turns = np.array([workers.ask(list(vector)) for _ in range(WARM_UP + repeats)])[WARM_UP:].mean(1)
                points.append(_point(n, link, vector, *turns.T))
                print(_line(points[-1]), flush=True)
        return points


def _point(n: int, link: Link, vector: Vector, seconds: np.ndarray, sent: np.ndarray) -> dict:
    ring = 2 * (n - 1) / n * vector.n_bytes
    return {
        "link": _named(link),
        "workers": n,
        "more_workers_than_cores": n > device.cores(),
        "values": vector.values,
        "type": vector.type,
        "bytes": vector.n_bytes,
        "seconds": contest.spread(seconds),
        "bytes_sent": float(np.median(sent)),
        "ring_bytes": ring,
    }


def _named(link: Link) -> dict[str, float | None]:
    return {"gbit_per_s": link.rate if np.isfinite(link.rate) else None, "delay_ms": link.delay}


def fitted(points: list[dict], link: Link) -> tuple[InterconnectFit, dict]:
    """Latency and bandwidth by the medians of two workers on one kind of link."""
    two = [p for p in points if p["link"] == _named(link) and p["workers"] == 2]
    columns = ([p["workers"] for p in two], [p["bytes"] for p in two], [p["seconds"]["median"] for p in two])
    fit = fit_interconnect(*map(np.array, columns))
    gbit, ms = (_interval(scale * np.array(found)) for scale, found in ((8e-9, fit.bandwidth), (1e3, fit.latency)))
    return fit, {"link": _named(link), "fitted_gbit_per_s": gbit, "fitted_latency_ms": ms}


def _interval(values: np.ndarray) -> dict[str, float | None]:
    names = ("value", "low", "high")
    return {name: float(f"{v:.4g}") if np.isfinite(v) else None for name, v in zip(names, values, strict=True)}


def compared(points: list[dict], link: Link, fit: InterconnectFit) -> Iterator[dict]:
    """By number of workers: seconds over those predicted from two, and what the rate adds over the wire's seconds
    (a difference, so noise where these are few beside the software's).
    """
    for n in sorted({p["workers"] for p in points}):
        these, free = (
            [p for p in points if p["link"] == _named(one) and p["workers"] == n]
            for one in (link, link._replace(rate=np.inf))
        )
        n_bytes, sent = (np.array([p[name] for p in these]) for name in ("bytes", "bytes_sent"))
        seconds, without = (np.array([p["seconds"]["median"] for p in some]) for some in (these, free))
        ratio = seconds / all_reduce_seconds(n, n_bytes, fit.network())
        found = {"workers": n, "median": float(np.median(ratio)), "worst": float(ratio[np.abs(np.log(ratio)).argmax()])}
        if np.isfinite(link.rate):
            found["added_to_wire"] = contest.spread((seconds - without) / (8e-9 * sent / link.rate))
        yield found


def _text(link: dict) -> str:
    rate, delay = link.values()
    return (f"{rate:g} Gb/s" if rate else "unshaped") + (f", {delay:g} ms" if delay else "")


def _line(point: dict) -> str:
    median, low, high = (1e3 * seconds for seconds in point["seconds"].values())
    what = f"{point['workers']} workers  {_text(point['link']):16s}{point['values']:>9,} {point['type']}"
    crowded = "  more workers than cores" if point["more_workers_than_cores"] else ""
    return f"{what}{median:10.2f} ms [{low:.2f}, {high:.2f}]  {point['bytes_sent'] / point['ring_bytes']:.3f}{crowded}"


def _verdict(fit: dict) -> str:
    gbit, ms = (fit[name]["value"] for name in ("fitted_gbit_per_s", "fitted_latency_ms"))
    ratios = [f"{r['workers']} {r['median']:.2f} (worst {r['worst']:.2f})" for r in fit["measured_to_predicted"]]
    return f"{_text(fit['link']):16s}{gbit or np.inf:.3g} Gb/s, {ms:.3g} ms; measured/predicted: {', '.join(ratios)}"


def main() -> None:
    parser = contest.arguments(__doc__, "network.json")
    parser.set_defaults(repeats=5)
    parser.add_argument("--most", type=int, default=5, help="workers; all numbers from 2 on are measured")
    arguments = parser.parse_args()
    if arguments.most < 2 or arguments.repeats < 1:
        parser.error("--most must be at least 2, --repeats at least 1")
    if lack := cables.missing():
        print(f"nothing measured: this needs {lack}")
        return
    without_netem = cables.not_done(Link(np.inf, 1.0))
    links = [Link(rate, delay) for delay in (DELAYS[:1] if without_netem else DELAYS) for rate in RATES]
    delays = "not set, as the kernel has no netem" if without_netem else "set"
    print(f"an all-reduce, median [range]; bytes sent over those of the ring; delays {delays}", flush=True)
    try:
        points = [p for n in range(2, arguments.most + 1) for p in measured(n, links, arguments.repeats)]
    except RuntimeError as error:
        sys.exit(f"network: {error}")
    except KeyboardInterrupt:
        sys.exit("network: interrupted")
    fits = []
    for link in links:
        fit, found = fitted(points, link)
        fits.append(found | {"measured_to_predicted": list(compared(points, link, fit))})
        print(_verdict(fits[-1]))
    contest.save(arguments.result, {"delays": delays, "fits_to_two_workers": fits, "points": points})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("network: ended by SIGTERM"))
    if sys.argv[1:2] == ["worker"]:
        work(int(sys.argv[2]), sys.argv[3:])
    else:
        main()

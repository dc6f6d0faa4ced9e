"""Runs contenders in turn, each in a process of its own: none has the quieter minutes, or another's threads beside."""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib import files, provenance


class Contender(NamedTuple):
    """Something to be timed."""

    name: str
    make: Callable[..., Callable[[], object]]
    """Called in the contender's own process with `arguments`; what it returns is called once to warm up, then timed."""
    arguments: dict


def _serve(pipe, contender: Contender) -> None:
    run = contender.make(**contender.arguments)
    run()
    pipe.send("ready")
    while pipe.recv():
        start = time.perf_counter()
        found = run()
        pipe.send((time.perf_counter() - start, found))


def peak_gib() -> float:
    """The most memory that this process had so far; what its parent had before does not count, as in getrusage."""
    if not Path("/proc/self/status").exists():
        return float("nan")  # only Linux tells
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


def run(contenders: list[Contender], repeats: int) -> dict[str, dict]:
    """By name: seconds of each of the `repeats` turns, and what the last one gave."""
    context = multiprocessing.get_context("spawn")
    processes, pipes = [], {}
    for contender in contenders:  # one after the other: none warms up while another compiles
        pipe, end = context.Pipe()
        processes.append(context.Process(target=_serve, args=(end, contender), daemon=True))
        processes[-1].start()
        end.close()  # so that a contender that fails is an EOFError here
        pipes[contender.name] = pipe
        pipe.recv()
    turns = {name: [] for name in pipes}
    for _ in range(repeats):
        for name, pipe in pipes.items():
            pipe.send(True)
            turns[name].append(pipe.recv())
    results = {}
    for name, pipe in pipes.items():
        pipe.send(False)
        seconds = [taken for taken, _ in turns[name]]
        results[name] = {"seconds": seconds, "found": turns[name][-1][1]}
    for process in processes:
        process.join()
    return results


def spread(values: np.ndarray) -> dict[str, float]:
    """Median and range."""
    return {"median": float(np.median(values)), "low": float(values.min()), "high": float(values.max())}


def rate(amount: float, seconds: list[float]) -> dict[str, float]:
    """Amount a second: median and range over the turns."""
    return spread(amount / np.array(seconds))


def ratio(results: dict[str, dict], of: str, to: str) -> dict[str, float]:
    """How many times faster `of` is than `to`: median and range over the turns, each against the one beside it."""
    return spread(np.array(results[to]["seconds"]) / np.array(results[of]["seconds"]))


def compared(of: str, to: str, found: dict[str, float]) -> str:
    """A ratio as a line of text."""
    return f"  {of} against {to}: {found['median']:.2f} [{found['low']:.2f}, {found['high']:.2f}] times as fast"


def table(title: str, results: dict[str, dict], amount: float, unit: str) -> str:
    """Rates in `unit` a second, with their range, a line a contender."""
    lines = ["", title, f"  {'':40s}{unit + '/s, median':>20s}{'lowest':>14s}{'highest':>14s}"]
    for name, result in results.items():
        found = rate(amount, result["seconds"])
        lines.append(f"  {name:40s}{found['median']:20,.0f}{found['low']:14,.0f}{found['high']:14,.0f}")
    return "\n".join(lines)


def save(path: Path, result: dict, stamp: dict | None = None) -> None:
    """Stores a result with the machine and the versions that made it: this process's, unless another's is given."""
    made = {
        "device": stamp or provenance.stamp(),
        "commit": provenance.commit(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S%z"),
    }
    with files.write_atomically(path) as beside:
        beside.write_text(json.dumps(result | {"made_with": made}, indent=1) + "\n")


def arguments(description: str, result: str) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--result", type=Path, default=Path(__file__).parent / "results" / result)
    parser.add_argument("--repeats", type=int, default=7, help="turns of every contender")
    return parser

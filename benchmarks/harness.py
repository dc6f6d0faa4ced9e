"""Times contenders in turn, each in a process of its own, so that all meet the same load of the machine."""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib import files, metrics, provenance
from higgs_lib.performance import timing


class Contender(NamedTuple):
    """A function to time."""

    name: str
    make: Callable[..., Callable[[], object]]
    """Function that is called with `arguments` in the contender's process and returns the function to time"""
    arguments: dict


def peak_gib() -> float:
    """Returns the peak memory of this process, GiB (unlike getrusage's, without its parent's); nan outside Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


def _call(function: Callable[[], object]) -> tuple[float, object]:
    """Returns the seconds of a call and its result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def _serve(pipe, contender: Contender) -> None:
    """Answers every request with a timed call, after a warm-up."""
    function = contender.make(**contender.arguments)
    function()
    pipe.send("ready")
    while pipe.recv():
        pipe.send(_call(function))


def run(contenders: list[Contender], repeats: int) -> dict[str, dict]:
    """Times contenders in turn, after a warm-up.

    Returns:
        By name: "seconds" of each of the `repeats` turns, and the "result" of the last one.
    """
    context = multiprocessing.get_context("spawn")
    processes, pipes = [], {}
    for contender in contenders:  # one after the other: none warms up while another compiles
        pipe, end = context.Pipe()
        processes.append(context.Process(target=_serve, args=(end, contender), daemon=True))
        processes[-1].start()
        end.close()  # so that a contender that fails is an EOFError here
        pipes[contender.name] = pipe
        pipe.recv()

    def request(pipe) -> tuple[float, object]:
        pipe.send(True)
        return pipe.recv()

    turns = timing.in_turn({name: partial(request, pipe) for name, pipe in pipes.items()}, repeats, warm_up=False)
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join()
    return {name: {"seconds": [t for t, _ in calls], "result": calls[-1][1]} for name, calls in turns.items()}


def _call_once(pipe, contender: Contender) -> None:
    """Sends the seconds of the first call in a process, and its peak memory."""
    seconds, _ = _call(contender.make(**contender.arguments))
    pipe.send((seconds, peak_gib()))


def run_fresh(contenders: list[Contender], repeats: int) -> dict[str, dict]:
    """Times contenders in turn, each call in a new process without warm-up, as a user's first call is.

    Returns:
        By name: "seconds" of each turn, and "peak_gib", the highest memory of any.
    """
    context = multiprocessing.get_context("spawn")

    def call(contender: Contender) -> tuple[float, float]:
        pipe, end = context.Pipe()
        process = context.Process(target=_call_once, args=(end, contender))
        process.start()
        end.close()
        measured = pipe.recv()
        process.join()
        return measured

    calls = {contender.name: partial(call, contender) for contender in contenders}
    turns = timing.in_turn(calls, repeats, warm_up=False)
    return {
        name: {"seconds": [seconds for seconds, _ in measured], "peak_gib": max(peak for _, peak in measured)}
        for name, measured in turns.items()
    }


def spread(values: np.ndarray) -> dict[str, float]:
    """Returns median and range."""
    return {"median": float(np.median(values)), "low": float(values.min()), "high": float(values.max())}


def rate(amount: float, seconds: list[float]) -> dict[str, float]:
    """Returns an amount per second: median and range over the turns."""
    return timing.rate(amount, seconds)._asdict()


def ratio(results: dict[str, dict], name: str, other: str) -> dict[str, float]:
    """Returns how many times faster `name` is than `other`: median and range over the turns, compared in pairs."""
    return spread(np.array(results[other]["seconds"]) / np.array(results[name]["seconds"]))


def describe_ratio(name: str, other: str, ratio: dict[str, float]) -> str:
    """Returns a ratio as a line of text."""
    return f"  {name} against {other}: {ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}] times as fast"


def table(title: str, results: dict[str, dict], amount: float, unit: str) -> str:
    """Formats rates with their range, a line per contender.

    Args:
        title: of the table.
        results: of `run`.
        amount: what a turn processes.
        unit: its unit.

    Returns:
        The lines.
    """
    lines = ["", title, f"  {'':40s}{unit + '/s, median':>20s}{'lowest':>14s}{'highest':>14s}"]
    for name, result in results.items():
        median, low, high = timing.rate(amount, result["seconds"])
        lines.append(f"  {name:40s}{median:20,.0f}{low:14,.0f}{high:14,.0f}")
    return "\n".join(lines)


def made_with(stamp: dict | None = None) -> dict:
    """Returns what a result was made with: commit, time, machine and versions, `stamp` or those of this process."""
    about = {
        "device": stamp or provenance.stamp(),
        "commit": provenance.commit(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S%z"),
    }
    return {"made_with": about}


def write(path: Path, result: dict) -> None:
    """Writes a result as JSON."""
    with files.write_atomically(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n")


def save(path: Path, result: dict) -> None:
    """Stores a result with what it was made with."""
    write(path, result | made_with())


def merge(path: Path, keys: tuple[str, ...], measured: dict) -> None:
    """Stores what was measured and what it was made with under nested keys, beside what the file has of others."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    place = stored
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = measured | made_with()
    write(path, stored)


def summary(labels: np.ndarray, scores: list[np.ndarray]) -> dict:
    """Returns the AUC of each seed's scores (n,), their mean, and AUC and accuracy of the mean score."""
    intervals, mean_score = [metrics.auc_interval(labels, score) for score in scores], np.mean(scores, 0)
    return {
        "auc": [interval.value for interval in intervals],
        "mean": metrics.mean_interval(intervals),
        "ensemble": metrics.auc_interval(labels, mean_score),
        "accuracy": metrics.accuracy_interval(labels, mean_score),
    }


def describe_summary(name: str, measured: dict) -> str:
    """Returns a summary as a line of text."""
    intervals = (f"{key} {measured[key]:.4f}" for key in ("mean", "ensemble", "accuracy"))
    return f"{name}: {', '.join(intervals)}"


def arguments(description: str, result: str, repeats: int | None = 7) -> argparse.ArgumentParser:
    """Returns a parser of the options that all benchmarks share; `repeats` None: without that option."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--result", type=Path, default=Path(__file__).parent / "results" / result, help="file to write")
    if repeats:
        parser.add_argument("--repeats", type=int, default=repeats, help="turns of every contender")
    return parser

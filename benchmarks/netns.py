"""Networks of workers on one machine: Linux namespaces on a bridge, with rate and delay set by `tc`."""

import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

FRAME = 1514  # bytes
BUCKET = 256e-6  # s at full rate that a link sends at once after a pause: timers are not finer, and lose rate below
MAX_SEGMENT = 15_000  # bytes that the kernel may hand to a link at once; more than BUCKET at 1 Gb/s would be cut up

SENT = Path("/sys/class/net/cable/statistics/tx_bytes")
"""Counter of the bytes that a worker sent, in its namespace."""
PLAIN = "pfifo limit 1000"  # frames, the usual queue of a cable


class Link(NamedTuple):
    """Rate and delay of the cable of each worker."""

    rate: float
    """Gb/s of sending; inf: not limited"""
    delay: float
    """ms by which everything received is delayed"""


def run(command: str) -> None:
    """Runs a command; raises RuntimeError with its error message if it fails."""
    process = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"{command}: {' '.join(process.stderr.split())}")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignores Ctrl-C, so that the clean-up in this context is complete."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def namespaces(n: int) -> Iterator[list[str]]:
    """Yields the names of the bridge's namespace and of those of n workers, which it removes at the end."""
    names = [f"ring-{os.getpid()}-{end}" for end in ("bridge", *range(n))]
    bridge, *workers = names
    try:
        for name in names:
            run(f"ip netns add {name}")
        run(f"ip -n {bridge} link add bridge0 type bridge")
        run(f"ip -n {bridge} link set bridge0 up")
        for number, worker in enumerate(workers):
            run(f"ip -n {bridge} link add port{number} type veth peer name cable netns {worker}")
            run(f"ip -n {bridge} link set port{number} master bridge0 up")
            run(f"ip -n {worker} link set cable gso_max_size {MAX_SEGMENT}")
            run(f"ip -n {worker} addr add {address(number)}/24 dev cable")
            for interface in ("lo", "cable"):
                run(f"ip -n {worker} link set {interface} up")
        yield names
    finally:
        with uninterrupted():
            for name in names:
                subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def address(number: int) -> str:
    """Returns the address of a worker, in its own namespace."""
    return f"10.0.0.{number + 1}"


def shape(names: list[str], link: Link) -> None:
    """Sets rate and delay of all cables."""
    bucket = max(2 * FRAME, int(BUCKET * link.rate * 1e9 / 8)) if np.isfinite(link.rate) else 0
    for number, worker in enumerate(names[1:]):
        limited = f"tbf rate {link.rate:g}gbit burst {bucket} limit 10mb" if bucket else PLAIN
        delayed = f"netem delay {link.delay:g}ms limit 100000" if link.delay else PLAIN
        run(f"tc -n {worker} qdisc replace dev cable root {limited}")
        run(f"tc -n {names[0]} qdisc replace dev port{number} root {delayed}")


def missing() -> str:
    """Returns what this machine lacks; "" for nothing."""
    if platform.system() != "Linux":
        return "Linux"
    if os.geteuid():
        return "root's rights"
    programs = [name for name in ("ip", "tc") if not shutil.which(name)]
    return f"{' and '.join(programs)} (iproute2)" if programs else obstacle(Link(1.0, 0.0))


def obstacle(link: Link) -> str:
    """Returns why such links cannot be set, "" if they can."""
    try:
        with namespaces(1) as names:
            shape(names, link)
            run(f"ip netns exec {names[1]} cat {SENT}")
    except RuntimeError as error:
        return f"something in the kernel or the rights to use it ({error})"
    return ""

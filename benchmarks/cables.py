"""Workers' network on one machine: namespaces of Linux, cabled to a bridge, with rate and delay set by `tc`."""

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
UNCUT = 15_000  # bytes that the kernel may hand to a link at once; more than BUCKET at 1 Gb/s would be cut into frames

SENT = Path("/sys/class/net/cable/statistics/tx_bytes")
"""What a worker sent, for those in its namespace."""
PLAIN = "pfifo limit 1000"  # frames, a cable's usual queue


class Link(NamedTuple):
    """What is set on the cable of each worker."""

    rate: float
    """Gb/s that it sends at most; inf sets none"""
    delay: float
    """ms that whatever it receives comes later"""


def run(command: str) -> None:
    """RuntimeError with what it said if it fails."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {' '.join(done.stderr.split())}")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets what tidies up end, however often Ctrl-C is pressed."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def cabled(n: int) -> Iterator[list[str]]:
    """Namespaces: the bridge's, then those of n workers."""
    names = [f"ring-{os.getpid()}-{end}" for end in ("bridge", *range(n))]
    try:
        for name in names:
            run(f"ip netns add {name}")
        run(f"ip -n {names[0]} link add bridge0 type bridge")
        run(f"ip -n {names[0]} link set bridge0 up")
        for number, name in enumerate(names[1:]):
            _lay(names[0], name, number)
        yield names
    finally:
        with uninterrupted():
            for name in names:
                subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _lay(bridge: str, worker: str, number: int) -> None:
    run(f"ip -n {bridge} link add port{number} type veth peer name cable netns {worker}")
    run(f"ip -n {bridge} link set port{number} master bridge0 up")
    run(f"ip -n {worker} link set cable gso_max_size {UNCUT}")
    run(f"ip -n {worker} addr add {address(number)}/24 dev cable")
    for interface in ("lo", "cable"):
        run(f"ip -n {worker} link set {interface} up")


def address(number: int) -> str:
    """Of a worker, in its own namespace."""
    return f"10.0.0.{number + 1}"


def shape(names: list[str], link: Link) -> None:
    """Sets all cables to this."""
    bucket = max(2 * FRAME, int(BUCKET * link.rate * 1e9 / 8)) if np.isfinite(link.rate) else 0
    for number, worker in enumerate(names[1:]):
        limited = f"tbf rate {link.rate:g}gbit burst {bucket} limit 10mb" if bucket else PLAIN
        delayed = f"netem delay {link.delay:g}ms limit 100000" if link.delay else PLAIN
        run(f"tc -n {worker} qdisc replace dev cable root {limited}")
        run(f"tc -n {names[0]} qdisc replace dev port{number} root {delayed}")


def missing() -> str:
    """What this machine has not that is needed; "" if nothing."""
    if platform.system() != "Linux":
        return "Linux"
    if os.geteuid():
        return "root's rights"
    programs = [name for name in ("ip", "tc") if not shutil.which(name)]
    return f"{' and '.join(programs)} (iproute2)" if programs else not_done(Link(1.0, 0.0))


def not_done(link: Link) -> str:
    """Why such links cannot be set, "" if they can."""
    try:
        with cabled(1) as names:
            shape(names, link)
            run(f"ip netns exec {names[1]} cat {SENT}")
    except RuntimeError as error:
        return f"something in the kernel or the rights to use it ({error})"
    return ""

"""Writes files atomically: a file is there whole or not at all."""

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import psutil


@contextlib.contextmanager
def write_atomically(destination: Path) -> Iterator[Path]:
    """A path beside `destination` to write to; it takes the destination's name if all went well, else it is removed."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(destination)
    beside = destination.with_name(f".partial-{platform.node()}-{os.getpid()}-{destination.name}")
    try:
        yield beside
        beside.replace(destination)
    finally:
        beside.unlink(missing_ok=True)


def _remove_leftovers(destination: Path) -> None:
    """What processes of this machine that were killed, and so could not tidy up, wrote beside `destination`."""
    name = re.compile(rf"\.partial-{re.escape(platform.node())}-(\d+)-{re.escape(destination.name)}")
    for path in destination.parent.iterdir():
        found = name.fullmatch(path.name)
        if found and not psutil.pid_exists(int(found[1])):
            path.unlink(missing_ok=True)

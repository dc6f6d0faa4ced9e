"""Writes files atomically: a file is there whole or not at all."""

import contextlib
import errno
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def write_atomically(destination: Path) -> Iterator[Path]:
    """Yields a temporary path beside `destination`, which replaces it on success and is removed on any exception.

    Raises OSError, which names `destination`, if that is a folder or if there is no space for it.
    """
    if destination.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(destination))
    destination.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(destination)
    temporary = destination.with_name(f".partial-{platform.node()}-{os.getpid()}-{destination.name}")
    try:
        yield temporary
        temporary.replace(destination)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise OSError(error.errno, os.strerror(error.errno), str(destination)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(destination: Path) -> None:
    """Removes the temporary files of `destination` whose processes, on this machine, were killed."""
    name = re.compile(rf"\.partial-{re.escape(platform.node())}-(\d+)-{re.escape(destination.name)}")
    for path in destination.parent.iterdir():
        match = name.fullmatch(path.name)
        if match and not psutil.pid_exists(int(match[1])):
            path.unlink(missing_ok=True)

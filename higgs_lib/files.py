"""Writes files atomically, so that a file is there whole or not at all, and reads stored JSON."""

import contextlib
import errno
import json
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


FROM_REPOSITORY = "get it from the repository again, with `git checkout`"
"""The advice for stored measurements and references, which no run makes."""


class StoredFileError(ValueError):
    """A stored file is empty or damaged; the message names it and says what to do."""


def read_json(path: Path, advice: str = "delete it, and `make reproduce` makes it again", *, of: type = dict) -> Any:
    """Returns what a file of JSON holds, which must be of a type.

    Raises StoredFileError, which names the file and gives the advice, if it is empty or damaged.
    """
    content, cause = path.read_bytes(), None
    try:
        if isinstance(value := json.loads(content), of):
            return value
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        cause = error
    raise StoredFileError(f"{path}: the file is {'damaged' if content else 'empty'}; {advice}") from cause

"""Writes files atomically, so that a file is there whole or not at all, locks folders, and reads stored JSON."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import platform
import re
from collections.abc import Iterator
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

import psutil

log = logging.getLogger(__name__)


@contextlib.contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Lets errors of the operating system say which file they concern, as that of a failed write does not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from error
        raise


class LockedError(RuntimeError):
    """Another process works in a folder; the message says which, and since when."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes that call this out of a folder, which is made, until the block or this process ends.

    The lock belongs to the process and is gone with it, however it ends; the file `.lock` in the folder stays.

    Raises:
        LockedError: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with errors_name(path):
        file = path.open("a+b", buffering=0)  # so that closing it has nothing left to write
    with file:
        with errors_name(path):
            _lock(file, folder)
        yield


def _lock(file: FileIO, folder: Path) -> None:
    """Locks the file of a folder and writes into it who has the lock; raises LockedError where another process has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().decode() or "which starts right now"
        raise LockedError(f"{folder}: another process works there, {holder}; wait until it ends, or stop it") from None
    except OSError as error:  # some network file systems have no locks
        log.info("%s cannot be locked (%s): start nothing else there until this ends", folder, error.strerror)
    file.truncate(0)
    file.write(f"PID {os.getpid()} on {platform.node()} since {datetime.now():%H:%M:%S}".encode())


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
        with errors_name(destination):
            yield temporary
            temporary.replace(destination)
    except OSError as error:
        if error.filename == os.fspath(temporary):
            raise OSError(error.errno, error.strerror, os.fspath(destination)) from error
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


def canonical_json(value: Any) -> bytes:
    """Returns a value of JSON's types as bytes that do not depend on how it was written."""
    return json.dumps(value, sort_keys=True).encode()

"""Opens files that are compressed, also twice as UCI's zip, as one stream, and hashes what could be UCI's own file."""

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from isal import igzip, isal_zlib

from higgs_lib import progress
from higgs_lib.data import datasets
from higgs_lib.data.text import FormError

ZIP = rb"PK[\x03\x05]"
ENCRYPTED = 1  # the bit of a member's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
PACKINGS = {
    "gzip": (rb"\x1f\x8b", lambda file: igzip.IGzipFile(fileobj=file, mode="rb")),
    "bzip2": (rb"BZh[1-9]", bz2.BZ2File),
    "xz": (rb"\xfd7zXZ\0", lzma.LZMAFile),
}
"""How a file may be compressed: its first bytes, and what opens it."""

N_LAYERS = 2  # as UCI's zip, which holds a file of gzip
N_BEGINNING = 8  # bytes, which tell how a file is compressed
MOST_SHOWN = 5  # names in an error

ERRORS = (EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.error, lzma.LZMAError, zipfile.BadZipFile)


class DamagedStreamError(Exception):
    """A compressed file is damaged or cut."""


class _HashedFile(io.RawIOBase):
    """A file that hashes the bytes that are read from it, and shows the progress."""

    def __init__(self, file: IO[bytes], n_bytes: int, name: str):
        self.file, self.hash = file, hashlib.sha256()
        self.progress = progress.bar(n_bytes, f"reading {name}", "B", unit_scale=True)

    def readable(self) -> bool:
        """Returns True, as `io.RawIOBase` asks."""
        return True

    def readinto(self, buffer: memoryview) -> int:
        """Reads bytes into `buffer`, and returns their number."""
        n_bytes = self.file.readinto(buffer)
        self.hash.update(memoryview(buffer)[:n_bytes])
        self.progress.update(n_bytes)
        return n_bytes

    def close(self) -> None:
        """Closes the file and the progress bar."""
        self.file.close()
        self.progress.close()
        super().close()


class Unpacked:
    """The content of a file, which may be compressed."""

    def __init__(self, path: Path, stack: contextlib.ExitStack):
        self.packing: list[str] = []
        """How the file is compressed, from the outside."""
        self._packed, beginning = self._open(path, stack)
        self._stream: IO[bytes] = self._packed
        while len(self.packing) < N_LAYERS and (name := _packing(beginning)):
            self.packing.append(name)
            self._stream = stack.enter_context(PACKINGS[name][1](self._stream))
            beginning = self._stream.peek(N_BEGINNING)

    def _open(self, path: Path, stack: contextlib.ExitStack) -> tuple[_HashedFile, bytes]:
        """Returns the file itself, or the one member of a zip archive, and its first bytes."""
        with path.open("rb") as file:
            beginning = file.read(N_BEGINNING)
        if not re.match(ZIP, beginning):
            file = _HashedFile(path.open("rb", buffering=0), path.stat().st_size, path.name)
            return stack.enter_context(file), beginning
        self.packing.append("zip")
        archive = stack.enter_context(zipfile.ZipFile(path))
        member = _only_member(path, archive)
        with archive.open(member) as file:
            beginning = file.read(N_BEGINNING)
        file = _HashedFile(archive.open(member), member.file_size, f"{path.name}, {member.filename}")
        return stack.enter_context(file), beginning

    def read(self, n_bytes: int, /) -> bytes:
        """Returns the next `n_bytes` bytes or fewer, and none at the end; raises DamagedStreamError."""
        with _naming_damage():
            return self._stream.read(n_bytes)

    def is_uci(self) -> bool:
        """Returns whether the bytes that were read are those of UCI's own file, which a zip archive may hold."""
        return self._packed.hash.hexdigest() == datasets.UCI.sha256


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """Opens a file and what it is compressed by.

    Raises DamagedStreamError, and FormError for a zip archive that does not hold one file.
    """
    with contextlib.ExitStack() as stack:
        with _naming_damage():
            stream = Unpacked(path, stack)
        yield stream


@contextlib.contextmanager
def _naming_damage() -> Iterator[None]:
    """Turns what libraries say of damaged files into DamagedStreamError, and leaves errors of the operating system."""
    try:
        yield
    except (*ERRORS, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedStreamError(f"{error}") from error


def _packing(beginning: bytes) -> str | None:
    """Returns how content with these first bytes is compressed; None if it is not."""
    return next((name for name, (pattern, _) in PACKINGS.items() if re.match(pattern, beginning)), None)


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Returns the only file in a zip archive; raises FormError if there is another one, or if it cannot be read."""
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    names = ", ".join(member.filename for member in members[:MOST_SHOWN])
    if any(member.filename.endswith(".npy") for member in members):
        raise FormError("a file of NumPy arrays (.npz); save each array as .npy")
    if len(members) != 1:
        what = f"{len(members)} files ({names})" if members else "no file"
        raise FormError(f"the zip archive holds {what}, where one is expected; unpack it (unzip)")
    if members[0].flag_bits & ENCRYPTED or members[0].compress_type not in METHODS:
        raise FormError(f"{names} is encrypted, or packed by a method that Python has not; unpack it (unzip)")
    return members[0]

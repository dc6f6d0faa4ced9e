"""Checks the files in which models come from others, before a library reads them."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

RECORD = "higgs_lib.json"  # what made a model, in its .keras file
LARGEST_RATIO = 100  # of what a file unpacks to; weights do not shrink, and the text beside them is small
HDF5 = b"\x89HDF\r\n\x1a\n"  # with which Keras' older format begins


class ModelFileError(ValueError):
    """The file of a model cannot be used; the message says which file, why, and what to do."""


@contextmanager
def refusing(path: Path, advice: str = "get it anew") -> Iterator[None]:
    """Turns all that a library raises because of a file's content into a ModelFileError of one line, with an advice."""
    try:
        yield
    except (ModelFileError, MemoryError):
        raise
    except Exception as error:  # a wrong file makes Keras, HDF5 and XGBoost stumble in any way
        cause = " ".join(f"{error}".split()).rpartition("Exception encountered: ")[2]  # at the end of Keras' messages
        reason = cause.partition(". ")[0][:200]
        raise ModelFileError(
            f"{path}: cannot be used as a model ({type(error).__name__}: {reason}); {advice}"
        ) from error


def check_name(path: Path, suffix: str) -> None:
    """Raises ModelFileError unless there is a file whose name ends with `suffix`."""
    if path.is_dir():
        raise ModelFileError(f"{path}: a folder, and not a model ({suffix})")
    if not path.exists():
        raise ModelFileError(f"{path}: no such model; `higgs-lib train` makes one")
    with path.open("rb") as file:
        if file.read(len(HDF5)) == HDF5:
            raise ModelFileError(f"{path}: HDF5, an older format of Keras; save the model under a name with .keras")
    if path.suffix != suffix:
        raise ModelFileError(f"{path}: not a model, whose name ends with {suffix}; rename it if it is one")


def check(path: Path, suffix: str) -> None:
    """Raises ModelFileError unless a file is an undamaged archive, none of whose members leaves its folder."""
    check_name(path, suffix)
    if not zipfile.is_zipfile(path):
        raise ModelFileError(f"{path}: not a model that was saved as {suffix}, or cut short")
    with refusing(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if any(not _stays(name) for name in names) or len(set(names)) < len(names):
            raise ModelFileError(f"{path}: holds files for other folders, or two of one name: do not use it")
        if sum(member.file_size for member in members) > LARGEST_RATIO * path.stat().st_size:
            raise ModelFileError(f"{path}: would unpack to more than {LARGEST_RATIO} times its size: do not use it")
        if damaged := archive.testzip():
            raise ModelFileError(f"{path}: damaged in {damaged}; get it anew")


def _stays(name: str) -> bool:
    """Tells whether a member of an archive stays in the folder into which it is unpacked."""
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name)


def read_keras(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Checks a `.keras` file; returns Keras' metadata, and the record of what made the model, None where there is none.

    Raises ModelFileError if it is not a `.keras` file.
    """
    check(path, ".keras")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        texts = {name: archive.read(name) for name in ("config.json", "metadata.json", RECORD) if name in names}
    if "config.json" not in texts or "metadata.json" not in texts:
        raise ModelFileError(f"{path}: not a model that Keras saved (.keras)")
    parts = {name: _parse(path, name, text) for name, text in texts.items()}
    return parts["metadata.json"], parts.get(RECORD)


def _parse(path: Path, name: str, text: bytes) -> dict[str, Any]:
    """Returns the object of a JSON file of an archive."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: {name} in it is not JSON ({error}); get it anew") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path}: {name} in it is not a JSON object; get it anew")
    return value

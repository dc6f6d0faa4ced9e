"""Tells by content which form a file of events has, and reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib.data import parquet
from higgs_lib.data.download import DataError
from higgs_lib.data.readers import arrays, lines, tables, trees
from higgs_lib.data.readers.mapping import Findings, Mapping

NUMPY, ROOT = b"\x93NUMPY", b"root\0"


class Source(NamedTuple):
    """Where events are: a file or a folder, and for ROOT's files which tree."""

    path: Path
    tree: str | None = None

    @classmethod
    def of(cls, source: str | Path) -> "Source":
        """Returns a source from its path, or from `FILE:TREE`; raises DataError if it is not there."""
        path, (file, _, tree) = Path(source), f"{source}".rpartition(":")
        if not path.exists() and file and Path(file).is_file() and _beginning(Path(file)).startswith(ROOT):
            return cls(Path(file), tree)
        if path.exists() and not path.is_dir() and not path.is_file():
            raise DataError(f"{path}: no regular file, such as a pipe; write the events to a file and give that")
        if not path.exists():
            raise DataError(f"{path}: no such file; give a file of UCI HIGGS' events, e.g. DATA=HIGGS.csv.gz")
        return cls(path)

    def files(self, mapping: Mapping) -> list[Path]:
        """Returns the files that hold the events; raises DataError for a folder without them."""
        if self.path.is_dir():
            return [path for pair in arrays.folder_files(self.path).values() for path in pair]
        labels = mapping.file_of_labels() if _beginning(self.path).startswith(NUMPY) else None
        return [self.path, labels] if labels and labels.is_file() else [self.path]

    def is_own(self) -> bool:
        """Returns whether this is a Parquet file that this library made, with a record of its origin."""
        if not self.path.is_file() or not _beginning(self.path).startswith(parquet.MAGIC):
            return False
        return parquet.has_origin(self.path)


def read(source: Source, mapping: Mapping, findings: Findings) -> Iterator[np.ndarray]:
    """Yields the events of a file in blocks (n, 29), float32, with NaN where a missing value is to be dropped."""
    path = source.path
    if path.is_dir():
        return arrays.read_folder(path, mapping, findings)
    beginning = _beginning(path)
    if beginning.startswith(parquet.MAGIC):
        return tables.read(path, mapping, findings)
    if beginning.startswith(NUMPY):
        return arrays.read(path, mapping, findings)
    if beginning.startswith(ROOT):
        return trees.read(path, source.tree, mapping, findings)
    return lines.read(path, mapping, findings)


def _beginning(path: Path) -> bytes:
    """Returns the first bytes of a file, which tell its form unless it is text."""
    with path.open("rb") as file:
        return file.read(len(NUMPY))

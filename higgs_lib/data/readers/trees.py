"""ROOT trees, read by uproot, which is installed with the extra `root`."""

import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from higgs_lib.data.parquet import ROW_GROUP
from higgs_lib.data.readers import columns, numeric
from higgs_lib.data.readers.mapping import Findings, Mapping
from higgs_lib.data.text import FormError

TREES = ("TTree", "ROOT::RNTuple")
"""Classes of ROOT's objects that are tables."""


def read(source: Path, tree: str | None, mapping: Mapping, findings: Findings) -> Iterator[np.ndarray]:
    """Yields the events of a tree, whose branches are the columns; without its name, of the only tree in the file.

    Raises FormError where uproot is not installed, and where there is no such tree or there are several.
    """
    try:
        import cramjam  # by which uproot decompresses LZ4 and ZSTD
        import uproot
    except ModuleNotFoundError as error:
        raise FormError(
            "a ROOT file, which the package uproot reads; install it: `pip install uproot`, or higgs_lib[root]"
        ) from error
    unread = uproot.deserialization.DeserializationError
    damages = (unread, ValueError, OSError, AssertionError, zlib.error, lzma.LZMAError, cramjam.DecompressionError)
    try:
        with uproot.open(source) as file:
            table = file[_name(file, tree)]
            names = list(table.keys())
            findings.form, findings.columns = "ROOT tree", columns.recognise(names, mapping)
            places = numeric.ordered(findings.columns)
            branches, positions = [names[place] for place in places], [place + 1 for place in places]
            for first in range(0, table.num_entries, ROW_GROUP):
                arrays = table.arrays(branches, entry_start=first, entry_stop=first + ROW_GROUP, library="np", how=dict)
                values = [_numbers(name, arrays[name]) for name in branches]
                yield numeric.checked(values, positions, keeps_missing=mapping.drops_missing)
    except damages as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(f"{error}".split())
        raise FormError(f"a ROOT file that is damaged or cut ({reason}); fetch it again") from error


def _name(file: Any, tree: str | None) -> str:
    """Returns the name of the tree to read; raises FormError unless it is there, or only one is."""
    names = sorted({key for of in TREES for key in file.keys(cycle=False, filter_classname=of)})
    if tree is not None and tree not in names:
        raise FormError(f"no tree {tree!r} in this ROOT file, which has {', '.join(names) or 'none'}")
    if tree is None and len(names) != 1:
        what = ", ".join(names) or "none"
        raise FormError(
            f"one tree is expected in a ROOT file, and this has {what}; name one of several as FILE.root:TREE"
        )
    return tree or names[0]


def _numbers(name: str, branch: np.ndarray) -> np.ndarray:
    """Returns a branch (n,) of numbers; raises FormError for another one."""
    if branch.ndim != 1 or branch.dtype.kind not in "biuf":
        raise FormError(f"the branch {name!r} does not hold one number for each event")
    return branch

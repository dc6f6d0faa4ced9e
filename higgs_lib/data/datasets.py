"""Public files of HIGGS events: where they are, and how they are recognised."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path("data")  # of downloads, below the folder that make is called in


class Dataset(NamedTuple):
    """A public file of events."""

    name: str
    """The `source` of a profile that asks for it."""
    title: str
    """What it is, for readers."""
    url: str
    """Where it is fetched from, unless a mirror is named."""
    path: Path
    """Where it is kept."""
    n_rows: int
    """Rows without a missing value."""
    n_incomplete: int = 0
    """Rows with missing values, which are dropped."""
    sha256: str = ""
    """Hash of the file; "" where it is not known: the contents are then checked by `check_contents`."""
    n_signal: int = 0
    """Signal events among the rows without a missing value; 0: not checked."""


DOI = "10.24432/C5V312"

UCI = Dataset(
    name="uci",
    title=f"UCI HIGGS (doi:{DOI})",
    url="https://archive.ics.uci.edu/ml/machine-learning-databases/00280/HIGGS.csv.gz",
    path=FOLDER / "HIGGS.csv.gz",
    n_rows=11_000_000,
    sha256="ea302c18164d4e3d916a1e2e83a9a8d07069fa6ebc7771e4c0540d54e593b698",  # as public data registries give it
)
"""The whole of UCI HIGGS, by D. Whiteson."""

# Rows: 98,050 in all, as PyTorch Frame documents them (`Yandex`, higgs_small); one of them lacks nine values, as the
# preparation script of yandex-research/tabular-dl-tabr says. Signal events: the sum over the three parts in the result
# files of yandex-research/tabm, exp/tabm/higgs-small: 33,169 of 62,751, 8,292 of 15,688 and 10,365 of 19,610. OpenML's
# checksum was not found in public sources.
OPENML = Dataset(
    name="openml",
    title=f"OpenML's data set 23512, an excerpt of UCI HIGGS (doi:{DOI})",
    url="https://www.openml.org/data/download/2063675/phpZLgL9q",
    path=FOLDER / "higgs_openml_23512.arff",
    n_rows=98_049,
    n_incomplete=1,
    n_signal=51_826,
)
"""The excerpt of UCI HIGGS that papers on machine learning with tables use."""

DATASETS = {dataset.name: dataset for dataset in (UCI, OPENML)}
"""The data sets by the `source` of a profile."""

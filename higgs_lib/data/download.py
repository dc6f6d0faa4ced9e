"""Downloads UCI's file of 11,000,000 events."""

from functools import partial
from pathlib import Path

import pooch
import requests

from higgs_lib import progress
from higgs_lib.files import locked

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/00280/HIGGS.csv.gz"
SHA256 = "ea302c18164d4e3d916a1e2e83a9a8d07069fa6ebc7771e4c0540d54e593b698"  # as public data registries give it
DOI = "10.24432/C5V312"
FILE = Path("data", "HIGGS.csv.gz")  # below the folder that make is called in

BLOCK = 1 << 20  # bytes


class DataError(ValueError):
    """A file of events is not what it should be; the message says which file, where and what to do."""


def fetch(destination: str | Path = FILE, url: str = URL, sha256: str = SHA256) -> Path:
    """Downloads UCI's file (2.6 GiB) unless it is there already with its sha256; resumes an interrupted download.

    Raises DataError if the server cannot be reached or sends a file with another sha256.
    """
    destination = Path(destination)
    try:
        pooch.retrieve(
            url, f"sha256:{sha256}", destination.name, destination.parent, downloader=partial(_resume, destination)
        )
    except requests.RequestException as error:
        raise DataError(f"{url} could not be fetched ({error}); run `make data` again to resume") from error
    except ValueError as error:
        raise DataError(f"{url}: {error}") from error
    return destination


def _resume(destination: Path, url: str, output_file: str, _pooch: object) -> None:
    """Downloads for pooch, and keeps the part that has arrived beside the destination.

    Args:
        destination: The file's final path; the part is there with the suffix ".part".
        url: Address of the file.
        output_file: Path that pooch expects the whole file at.
        _pooch: Pooch's object, unused.
    """
    with locked(destination.parent):
        part = destination.with_name(destination.name + ".part")
        _append(part, url)
        part.replace(output_file)


def _append(part: Path, url: str) -> None:
    """Downloads what is missing of a part of a file."""
    n_bytes = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={n_bytes}-"} if n_bytes else {})
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        if response.status_code != requests.codes.requested_range_not_satisfiable:  # 416: the part is the whole
            response.raise_for_status()
            n_bytes = n_bytes if response.status_code == requests.codes.partial_content else 0
            total = n_bytes + int(response.headers.get("Content-Length", 0))
            bar = progress.bar(total, part.stem, "B", initial=n_bytes, unit_scale=True)
            with part.open("ab" if n_bytes else "wb") as file, bar:
                for block in response.iter_content(BLOCK):
                    file.write(block)
                    bar.update(len(block))

"""Measures reading text into Parquet, and Parquet into arrays, against pandas, polars and pyarrow.

    make bench            # this and others, with their competitors installed

The text is one block of 100,000 built-in events in UCI's format (18 digits, packed), repeated.
"""

import gzip
import tempfile
from pathlib import Path

import harness
import numpy as np
from harness import Contender

from higgs_lib import data, simulation
from higgs_lib.data import COMPLETE
from higgs_lib.data.parquet import EventWriter

ROWS = (300_000, 3_000_000)  # of text
ROWS_LOADED = 11_000_000
DISTINCT = 100_000  # built-in events that the files repeat; the Parquet file, each time changed a little


def events(folder: Path) -> np.ndarray:
    """Returns the columns (DISTINCT, 29) of built-in events."""
    path = folder / "distinct.parquet"
    simulation.simulate(path, DISTINCT, seed=1)
    return np.stack([column.to_numpy() for column in data.load_table(path, range(DISTINCT)).columns], 1)


def write_text(values: np.ndarray, path: Path, n_rows: int) -> None:
    """Writes packed text of `n_rows` rows, as consecutive gzip members."""
    lines = [",".join(f"{value:.18e}" for value in row) + "\n" for row in values.tolist()]
    block = gzip.compress("".join(lines).encode(), compresslevel=6)
    with path.open("wb") as file:
        file.writelines([block] * (n_rows // len(values)))


def write_parquet(values: np.ndarray, path: Path, n_rows: int) -> None:
    """Writes Parquet as the package does."""
    writer, rng = EventWriter(path), np.random.default_rng(1)
    for _ in range(n_rows // len(values)):
        changed = values.copy()
        changed[:, 1:] *= 1 + 1e-3 * rng.standard_normal((len(values), 1), np.float32)
        writer.write(changed)
    writer.close("file", {"source": "benchmark"})


def ingest(text: str, folder: str):
    """Reads text into a Parquet file, with values checked and hashed."""
    return lambda: data.ingest(text, f"{folder}/ingested.parquet").n_events


def pandas_read(text: str):
    """Reads text into a data frame only."""
    import pandas as pd

    return lambda: len(pd.read_csv(text, header=None))


def polars_read(text: str):
    """Reads text into a data frame only."""
    import polars as pl

    return lambda: pl.read_csv(text, has_header=False).height


def load(parquet: str):
    """Loads one contiguous array of 28 features, and the labels."""
    n_events = data.origin(parquet).n_events
    return lambda: data.load(parquet, COMPLETE, range(n_events)).n_events


def pyarrow_read(parquet: str):
    """Decodes the same columns into Arrow's memory."""
    import pyarrow.parquet as pq

    return lambda: pq.read_table(parquet).num_rows


def compare(title: str, contenders: list[Contender], n_rows: int, repeats: int) -> dict:
    """Times contenders and prints the comparison.

    Args:
        title: of the table.
        contenders: the library's function first.
        n_rows: rows of the file.
        repeats: turns of every contender.

    Returns:
        Rates, peaks of memory and ratios to the others.
    """
    results = harness.run_fresh(contenders, repeats)
    print(harness.table(title, results, n_rows, "rows"))
    ours, *others = results
    comparison = {"n_rows": n_rows, "peak_gib": {name: result["peak_gib"] for name, result in results.items()}}
    comparison["rates"] = {name: harness.rate(n_rows, result["seconds"]) for name, result in results.items()}
    comparison["ratios"] = {other: harness.ratio(results, ours, other) for other in others}
    for other, ratio in comparison["ratios"].items():
        print(harness.describe_ratio(ours, other, ratio))
    print("  peak GiB:", ", ".join(f"{name} {peak:.2f}" for name, peak in comparison["peak_gib"].items()), flush=True)
    return comparison


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "events.json")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="of text, multiples of 100,000")
    parser.add_argument("--rows-loaded", type=int, default=ROWS_LOADED, help="of Parquet, a multiple of 100,000")
    options = parser.parse_args()
    result = {"repeats": options.repeats, "ingest": {}}
    with tempfile.TemporaryDirectory() as folder:
        values = events(Path(folder))
        for n_rows in options.rows:
            text = f"{folder}/{n_rows}.csv.gz"
            write_text(values, Path(text), n_rows)
            readers = {"pandas.read_csv": pandas_read, "polars.read_csv": polars_read}
            contenders = [Contender("higgs_lib, to Parquet", ingest, {"text": text, "folder": folder})]
            contenders += [Contender(name, make, {"text": text}) for name, make in readers.items()]
            title = f"{n_rows:,} rows of packed text"
            result["ingest"][str(n_rows)] = compare(title, contenders, n_rows, options.repeats)
        parquet = f"{folder}/events.parquet"
        write_parquet(values, Path(parquet), options.rows_loaded)
        readers = {"higgs_lib, one array": load, "pyarrow.parquet.read_table": pyarrow_read}
        contenders = [Contender(name, make, {"parquet": parquet}) for name, make in readers.items()]
        title = f"{options.rows_loaded:,} rows of Parquet"
        result["load"] = compare(title, contenders, options.rows_loaded, options.repeats)
    harness.save(options.result, result)


if __name__ == "__main__":
    main()

"""Measures reading text into Parquet and Parquet into arrays beside what a user would pick instead.

    make bench            # this and the others, with the peers installed

The text is one block of 100,000 built-in events in UCI's format (18 digits, packed), repeated.
"""

import gzip
import multiprocessing
import tempfile
import time
from pathlib import Path

import contest
import numpy as np
from contest import Contender

from higgs_lib import data, simulation
from higgs_lib.data import parquet

ROWS = (300_000, 3_000_000)  # of text
ROWS_LOADED = 11_000_000
DISTINCT = 100_000  # built-in events that the files repeat; the Parquet file, each time changed a little


def events(folder: Path) -> np.ndarray:
    """(DISTINCT, 29), the file's columns."""
    from higgs_lib import data

    path = folder / "distinct.parquet"
    simulation.simulate(path, DISTINCT, seed=1)
    return np.stack([column.to_numpy() for column in data.load_table(path, range(DISTINCT)).columns], 1)


def write_text(values: np.ndarray, path: Path, n_rows: int) -> None:
    """Packed text of `n_rows`: members of gzip, one after the other."""
    lines = [",".join(f"{value:.18e}" for value in row) + "\n" for row in values.tolist()]
    block = gzip.compress("".join(lines).encode(), compresslevel=6)
    with path.open("wb") as file:
        file.writelines([block] * (n_rows // len(values)))


def write_parquet(values: np.ndarray, path: Path, n_rows: int) -> None:
    """As the package writes its files."""
    writer, rng = parquet._EventWriter(path), np.random.default_rng(1)
    for _ in range(n_rows // len(values)):
        changed = values.copy()
        changed[:, 1:] *= 1 + 1e-3 * rng.standard_normal((len(values), 1), np.float32)
        writer.write(changed)
    writer.close("file", {"source": "benchmark"})


def ingest(text: str, folder: str):
    """Text to a Parquet file, values checked and hashed."""
    return lambda: data.ingest(text, f"{folder}/ingested.parquet").n_events


def pandas_read(text: str):
    """Text to a data frame alone."""
    import pandas as pd

    return lambda: len(pd.read_csv(text, header=None))


def polars_read(text: str):
    """Text to a data frame alone."""
    import polars as pl

    return lambda: pl.read_csv(text, has_header=False).height


def load(parquet: str):
    """One contiguous array of 28 features, and the labels."""
    from higgs_lib import data
    from higgs_lib.data import COMPLETE

    n_events = data.origin(parquet).n_events
    return lambda: data.load(parquet, COMPLETE, range(n_events)).n_events


def pyarrow_read(parquet: str):
    """The same columns, decoded into Arrow's memory."""
    import pyarrow.parquet as pq

    return lambda: pq.read_table(parquet).num_rows


def _once(contender: Contender, pipe) -> None:
    """Times the first call in a process, without warming up, and its peak memory."""
    run = contender.make(**contender.arguments)
    start = time.perf_counter()
    run()
    pipe.send((time.perf_counter() - start, contest.peak_gib()))


def fresh(contenders: list[Contender], repeats: int) -> dict[str, dict]:
    """As `contest.run`, but each turn in a new process, as a user's call is: its memory holds nothing yet."""
    context = multiprocessing.get_context("spawn")
    turns = {contender.name: [] for contender in contenders}
    for _ in range(repeats):
        for contender in contenders:
            pipe, end = context.Pipe()
            process = context.Process(target=_once, args=(contender, end))
            process.start()
            end.close()
            turns[contender.name].append(pipe.recv())
            process.join()
    return {
        name: {"seconds": [seconds for seconds, _ in taken], "peak_gib": max(peak for _, peak in taken)}
        for name, taken in turns.items()
    }


def compare(title: str, contenders: list[Contender], n_rows: int, repeats: int) -> dict:
    """Prints and returns rates, peaks and our ratio to the others."""
    results = fresh(contenders, repeats)
    print(contest.table(title, results, n_rows, "rows"))
    ours, *others = results
    found = {"n_rows": n_rows, "peak_gib": {name: result["peak_gib"] for name, result in results.items()}}
    found["rates"] = {name: contest.rate(n_rows, result["seconds"]) for name, result in results.items()}
    found["ratios"] = {other: contest.ratio(results, ours, other) for other in others}
    for other, ratio in found["ratios"].items():
        print(contest.compared(ours, other, ratio))
    print("  peak GiB:", ", ".join(f"{name} {peak:.2f}" for name, peak in found["peak_gib"].items()), flush=True)
    return found


def main() -> None:
    parser = contest.arguments(__doc__, "events.json")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="of text, multiples of 100,000")
    parser.add_argument("--rows-loaded", type=int, default=ROWS_LOADED, help="of Parquet, a multiple of 100,000")
    options = parser.parse_args()
    found = {"repeats": options.repeats, "ingest": {}}
    with tempfile.TemporaryDirectory() as folder:
        values = events(Path(folder))
        for n_rows in options.rows:
            text = f"{folder}/{n_rows}.csv.gz"
            write_text(values, Path(text), n_rows)
            readers = {"pandas.read_csv": pandas_read, "polars.read_csv": polars_read}
            contenders = [Contender("higgs_lib, to Parquet", ingest, {"text": text, "folder": folder})]
            contenders += [Contender(name, make, {"text": text}) for name, make in readers.items()]
            title = f"{n_rows:,} rows of packed text"
            found["ingest"][str(n_rows)] = compare(title, contenders, n_rows, options.repeats)
        parquet = f"{folder}/events.parquet"
        write_parquet(values, Path(parquet), options.rows_loaded)
        readers = {"higgs_lib, one array": load, "pyarrow.parquet.read_table": pyarrow_read}
        contenders = [Contender(name, make, {"parquet": parquet}) for name, make in readers.items()]
        title = f"{options.rows_loaded:,} rows of Parquet"
        found["load"] = compare(title, contenders, options.rows_loaded, options.repeats)
    contest.save(options.result, found)


if __name__ == "__main__":
    main()

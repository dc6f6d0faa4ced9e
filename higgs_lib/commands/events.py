"""Commands that make files of events: ingest and simulate."""

import argparse
from collections import Counter

from higgs_lib.commands.parsing import SPLITS, CommandError, add_command, add_force, new_file


def ingest(arguments: argparse.Namespace) -> None:
    """Turns events in any form into Parquet."""
    destination = new_file(arguments.destination, ".parquet", force=arguments.force)
    from higgs_lib import data

    columns = None if arguments.columns is None else [name.strip() for name in arguments.columns.split(",")]
    mapping = {"label": arguments.label, "columns": columns, "missing": arguments.missing}
    if not arguments.split:
        if arguments.split_indices:
            raise CommandError("--split-indices: name the split whose rows these are, e.g. --split rtdl")
        made = data.ingest(arguments.source, destination, **mapping)
    elif mapping != {"label": None, "columns": None, "missing": "refuse"}:
        raise CommandError("--split: a public file needs no --label, --columns or --missing; leave them out")
    else:
        made = data.ingest_split(arguments.source, destination, arguments.split, indices=arguments.split_indices)
    print(made.description)


def simulate(arguments: argparse.Namespace) -> None:
    """Makes built-in events, on this machine or with Spark."""
    twice = [name for name, n in Counter(name for name, _ in arguments.physics).items() if n > 1]
    if twice:
        raise CommandError(f"--physics: {', '.join(twice)} is given more than once")
    if not arguments.master:
        new_file(arguments.destination, ".parquet", force=arguments.force)
    elif arguments.force:
        raise CommandError("--force replaces files; with --master give a new folder")
    from higgs_lib import simulation, spark

    what = (arguments.destination, arguments.n_events, arguments.seed)
    physics = simulation.changed_parameters(dict(arguments.physics))
    simulation.recipe(arguments.n_events, arguments.seed, physics)  # refuses what cannot be, before Spark starts
    if arguments.master:
        with spark.session(arguments.master) as session:
            spark.generate(session, *what, physics=physics)
    else:
        simulation.simulate(*what, physics=physics)
    print(f"{arguments.n_events:,} built-in events (seed {arguments.seed}): {arguments.destination}")


def add(commands) -> None:
    """Adds these commands."""
    _add_ingest(commands)
    _add_simulate(commands)


def _add_ingest(commands) -> None:
    """Adds the command `ingest`."""
    parser = add_command(
        commands,
        "ingest",
        ingest,
        summary="turn UCI HIGGS in any of its forms into Parquet",
        details="Turns events of UCI HIGGS into Parquet, which the other commands read: CSV with or without a header, "
        "ARFF, libsvm's text (each also in gzip, bzip2, xz or zip), Parquet of other programs, NumPy arrays, ROOT "
        "trees. The content tells which, and names tell the columns. Every value is checked; an error names the row.",
        examples=(
            "ingest HIGGS.csv.gz events.parquet",
            "ingest higgs.arff events.parquet --missing drop",
            "ingest higgs.arff events.parquet --split rtdl",
            "ingest features.npy events.parquet --label labels.npy",
            "ingest other.csv events.parquet --label last",
            "ingest delphes.root:Events events.parquet --label is_signal",
        ),
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a file, whatever its name; a ROOT tree as FILE:TREE; a folder"
    )
    parser.add_argument("destination", metavar="EVENTS", help="the Parquet file, new")
    text = "the column of the label: its name, first or last; for a NumPy array, the path of the file of labels"
    parser.add_argument("--label", metavar="NAME|first|last|FILE", help=text)
    text = "the 28 features in the order of the file, as this library names them: lepton_pt,lepton_eta,..."
    parser.add_argument("--columns", metavar="NAMES", help=text)
    text = "what to do with rows in which a value is missing (default: refuse)"
    parser.add_argument("--missing", choices=("refuse", "drop"), default="refuse", help=text)
    text = "the split of UCI's or OpenML's file in whose order the events are written, as docs/splits.md lists them"
    parser.add_argument("--split", default="", choices=SPLITS, help=text)
    text = "a folder with the rows of its parts (idx_train.npy, idx_val.npy, idx_test.npy), instead of the split's rule"
    parser.add_argument("--split-indices", default="", metavar="FOLDER", help=text)
    add_force(parser)


def _add_simulate(commands) -> None:
    """Adds the command `simulate`."""
    parser = add_command(
        commands,
        "simulate",
        simulate,
        summary="make built-in events: a Parquet file, or with Spark a folder of them",
        details="Makes events of the built-in simulation in the format of UCI HIGGS. The same number, seed and physics "
        "make the same events.",
        examples=(
            "simulate events.parquet --n-events 100_000 --seed 1",
            "simulate heavy.parquet --n-events 100_000 --seed 1 --physics m_heavy_higgs=600",
            "simulate hdfs:///events --n-events 11_000_000 --seed 1 --master yarn",
        ),
    )
    parser.add_argument("destination", metavar="EVENTS", help="the Parquet file, new, or with --master a new folder")
    parser.add_argument("--n-events", type=int, required=True, help="the number of events")
    parser.add_argument("--seed", type=int, required=True, help="of the random numbers")
    add_force(parser)
    parser.add_argument("--master", help="Spark's master, e.g. spark://host:7077, yarn or local[4]")
    text = "what differs from the defaults, e.g. m_heavy_higgs=600 m_charged_higgs=400"
    parser.add_argument("--physics", nargs="*", default=[], type=_assignment, metavar="NAME=VALUE", help=text)


def _assignment(text: str) -> tuple[str, float]:
    """Returns name and value of NAME=VALUE."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form m_heavy_higgs=600") from error

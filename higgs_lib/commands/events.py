"""Commands that make files of events: ingest and simulate."""

import argparse
from collections import Counter

from higgs_lib.commands.parsing import SPLITS, CommandError, add_command, add_force, new_file


def ingest(arguments: argparse.Namespace) -> None:
    """Turns text into Parquet."""
    destination = new_file(arguments.destination, ".parquet", force=arguments.force)
    from higgs_lib import data

    if arguments.split:
        made = data.ingest_split(arguments.source, destination, arguments.split, indices=arguments.split_indices)
    elif arguments.split_indices:
        raise CommandError("--split-indices: name the split whose rows these are, e.g. --split rtdl")
    else:
        made = data.ingest(arguments.source, destination)
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
    parser = add_command(
        commands,
        "ingest",
        ingest,
        summary="turn text in UCI's format, also compressed by gzip, into Parquet",
        details="Turns text in the format of UCI HIGGS (no header, a label and 28 features in each row) into Parquet, "
        "which the other commands read. Every value is checked; an error names the row.",
        examples=(
            "ingest HIGGS.csv.gz events.parquet",
            "ingest phpZLgL9q.arff events.parquet --split rtdl",
        ),
    )
    parser.add_argument("source", metavar="SOURCE", help="text, as it is or compressed by gzip, whatever its name")
    parser.add_argument("destination", metavar="EVENTS", help="the Parquet file, new")
    text = "the split of UCI's or OpenML's file in whose order the events are written, as docs/splits.md lists them"
    parser.add_argument("--split", default="", choices=SPLITS, help=text)
    text = "a folder with the rows of its parts (idx_train.npy, idx_val.npy, idx_test.npy), instead of the split's rule"
    parser.add_argument("--split-indices", default="", metavar="FOLDER", help=text)
    add_force(parser)
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

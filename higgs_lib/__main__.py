"""The command line that the Makefile uses: `python -m higgs_lib --help`."""

import argparse
import logging
import sys
from pathlib import Path

from higgs_lib import data, simulation, spark, study
from higgs_lib.data import DataError
from higgs_lib.report import check, notebook, reproduce
from higgs_lib.report.notebook import NotebookError
from higgs_lib.report.profile import ProfileError, read_profile
from higgs_lib.spark import ClusterError, JavaError, java, local_cluster
from higgs_lib.study.reference import CheckError


def _reproduce(arguments: argparse.Namespace) -> None:
    """Runs what is stale of a profile."""
    try:
        reproduce.reproduce(arguments.profile, arguments.run, arguments.data)
    except (*EXPECTED, KeyboardInterrupt) as error:
        log = Path(arguments.run, "log.txt")
        if log.exists():
            error.add_note(f"The log: {log}")
        raise


def _events(arguments: argparse.Namespace) -> None:
    """Makes the events of a run."""
    settings = read_profile(arguments.profile).events | ({"source": arguments.data} if arguments.data else {})
    print(f"Events: {study.prepare(Path(arguments.run, 'data', 'events.parquet'), **settings).description}")


def _notebook(arguments: argparse.Namespace) -> None:
    """Runs one notebook."""
    print(notebook.run(arguments.notebook, read_profile(arguments.profile), arguments.run))


def _report(arguments: argparse.Namespace) -> None:
    """Renders the report of a run."""
    from higgs_lib.report import pages  # Sphinx is slow to import

    run = Path(arguments.run)
    print(f"Report: {pages.build(run, Path(arguments.profile).stem, run / 'data' / 'events.parquet')}")


def _check(arguments: argparse.Namespace) -> None:
    """Compares a run with the reference of its profile, or stores that reference."""
    if arguments.store:
        print(f"Reference: {check.store(arguments.profile, arguments.store)}")
    else:
        check.check(arguments.profile, arguments.run)


def _ingest(arguments: argparse.Namespace) -> None:
    """Turns text into Parquet."""
    print(data.ingest(arguments.source, arguments.destination).description)


def _simulate(arguments: argparse.Namespace) -> None:
    """Makes built-in events, on this machine or with Spark."""
    what = (arguments.destination, arguments.n_events, arguments.seed)
    physics = simulation.changed_parameters(dict(arguments.physics))
    if arguments.master:
        with spark.session(arguments.master) as session:
            spark.generate(session, *what, physics=physics)
    else:
        simulation.simulate(*what, physics=physics)
    print(f"{arguments.n_events:,} built-in events (seed {arguments.seed}): {arguments.destination}")


def _assignment(text: str) -> tuple[str, float]:
    """Returns name and value of NAME=VALUE."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form m_heavy_higgs=600") from error


def _java(_: argparse.Namespace) -> None:
    """Finds or installs Java."""
    try:
        print(f"Java for Spark: {java.ensure_java()}")
    except JavaError as error:  # only Spark needs it: the rest of the environment is of use
        print(f"note: {error}", file=sys.stderr)


def _cluster_start(arguments: argparse.Namespace) -> None:
    """Starts a Spark cluster on this machine."""
    cluster = local_cluster.start(arguments.folder, arguments.workers, arguments.cores, arguments.memory)
    print(f"Spark cluster: {cluster.description}")
    print(f'In Python: spark.session("{cluster.url}"), which on this machine finds the secret by itself')


def _cluster_stop(arguments: argparse.Namespace) -> None:
    """Stops that cluster."""
    if local_cluster.stop(arguments.folder):
        print(f"Spark cluster of {arguments.folder}: stopped")


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    """Adds the commands that start and stop a cluster."""
    actions = parser.add_subparsers(required=True, metavar="start|stop")
    start = actions.add_parser("start", help="start it, unless it runs; it lives on until it is stopped")
    start.set_defaults(function=_cluster_start)
    start.add_argument("--workers", type=int, default=2)
    start.add_argument("--cores", type=int, default=1, help="of each worker (default: 1)")
    start.add_argument("--memory", default="2g", help="of each worker (default: 2g)")
    stop = actions.add_parser("stop", help="stop it, with its executors")
    stop.set_defaults(function=_cluster_stop)
    for action in (start, stop):
        action.add_argument("--folder", default="runs/cluster", help="its logs and secret (default: runs/cluster)")


def _parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(prog="higgs_lib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(function, name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text)
        added.set_defaults(function=function)
        return added

    for function, name, text in (
        (_reproduce, "reproduce", "make the events, run the stale notebooks of a profile and render the report"),
        (_events, "events", "make the events of a run, unless they are there"),
        (_notebook, "notebook", "run one notebook"),
        (_report, "report", "render the notebooks of a run"),
    ):
        added = command(function, name, text)
        added.add_argument("--profile", required=True, help="a YAML file of params/")
        added.add_argument("--run", required=True, help="the folder of results, e.g. runs/laptop")
        if function in (_reproduce, _events):
            added.add_argument("--data", default="", help="a file in UCI's format, instead of the profile's events")
        if function is _notebook:
            added.add_argument("notebook", help="e.g. notebooks/03_training.ipynb")
    added = command(_check, "check", "compare a finished run with the stored reference of its profile in results/")
    added.add_argument("--profile", required=True, help="a YAML file of params/")
    runs = added.add_mutually_exclusive_group(required=True)
    runs.add_argument("--run", help="the folder of results, e.g. runs/laptop")
    help_store = "store the reference from these runs instead; they differ in their seeds"
    runs.add_argument("--store", nargs="+", metavar="RUN", help=help_store)
    added = command(_ingest, "ingest", "turn a .csv or .csv.gz in UCI's format into Parquet")
    added.add_argument("source")
    added.add_argument("destination")
    added = command(_simulate, "simulate", "make built-in events: a Parquet file, or with Spark a folder of them")
    added.add_argument("destination")
    added.add_argument("--n-events", type=int, required=True)
    added.add_argument("--seed", type=int, required=True)
    added.add_argument("--master", help="Spark's master, e.g. spark://host:7077, yarn or local[4]")
    help_physics = "what differs from the defaults, e.g. m_heavy_higgs=600 m_charged_higgs=400"
    added.add_argument("--physics", nargs="*", default=[], type=_assignment, metavar="NAME=VALUE", help=help_physics)
    _add_cluster(command(None, "cluster", "start or stop a Spark cluster on this machine"))
    command(_java, "java", "find a Java for Spark, or bring one into this environment")
    return parser


EXPECTED = (CheckError, ClusterError, DataError, JavaError, ProfileError, NotebookError, OSError)
"""Errors whose message is all that a user needs."""


def main() -> int:
    """Runs one command and returns its exit status; an expected error is one message and status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.WARNING)
    arguments = _parser().parse_args()
    try:
        arguments.function(arguments)
    except EXPECTED as error:
        print("\n".join([f"error: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the next call resumes here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

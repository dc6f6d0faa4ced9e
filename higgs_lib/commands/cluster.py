"""Commands for Spark on this machine: cluster and java."""

import argparse
import sys

from higgs_lib.commands.parsing import add_command, memory, positive


def start(arguments: argparse.Namespace) -> None:
    """Starts a Spark cluster on this machine."""
    from higgs_lib.spark import local_cluster

    cluster = local_cluster.start(arguments.folder, arguments.workers, arguments.cores, arguments.memory)
    print(f"Spark cluster: {cluster.description}")
    print(f'In Python: spark.session("{cluster.url}"), which on this machine finds the secret by itself')


def stop(arguments: argparse.Namespace) -> None:
    """Stops that cluster."""
    from higgs_lib.spark import local_cluster

    if local_cluster.stop(arguments.folder):
        print(f"Spark cluster of {arguments.folder}: stopped")


def java(_: argparse.Namespace) -> None:
    """Finds or installs Java."""
    from higgs_lib.spark import JavaError, java

    try:
        print(f"Java for Spark: {java.ensure_java()}")
    except JavaError as error:  # only Spark needs it: the rest of the environment is of use
        print(f"note: {error}", file=sys.stderr)


def add(commands) -> None:
    """Adds these commands."""
    parser = add_command(
        commands,
        "cluster",
        None,
        summary="start or stop a Spark cluster on this machine",
        details="Starts or stops a Spark cluster on this machine: a master and some workers.",
        examples=("cluster start --workers 2", "cluster stop"),
    )
    actions = parser.add_subparsers(required=True, metavar="start|stop")
    starting = add_command(
        actions,
        "start",
        start,
        summary="start it, unless it runs; it lives on until it is stopped",
        details="Starts a Spark cluster on this machine, unless it runs. It lives on until it is stopped.",
        examples=("cluster start --workers 2 --cores 1 --memory 2g",),
    )
    starting.add_argument("--workers", type=positive, default=2, help="how many (default: 2)")
    starting.add_argument("--cores", type=positive, default=1, help="of each worker (default: 1)")
    starting.add_argument("--memory", type=memory, default="2g", help="of each worker (default: 2g)")
    stopping = add_command(
        actions,
        "stop",
        stop,
        summary="stop it, with its executors",
        details="Stops the cluster that `cluster start` started, with its executors.",
        examples=("cluster stop --folder runs/cluster",),
    )
    for action in (starting, stopping):
        action.add_argument("--folder", default="runs/cluster", help="its logs and secret (default: runs/cluster)")
    add_command(
        commands,
        "java",
        java,
        summary="find a Java for Spark, or bring one into this environment",
        details="Finds the Java that Spark uses. If there is none that is new enough, one is installed into this "
        "environment; a note says if that fails, as everything but Spark works without.",
        examples=("java",),
    )

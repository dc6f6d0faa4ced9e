"""The command line: `higgs-lib --help` or `python -m higgs_lib --help`.

Commands are in `higgs_lib.commands`. They import what they need when they run, so that the help appears at once.
"""

import argparse
import io
import logging
import sys
from collections.abc import Sequence

from higgs_lib.commands import cluster, errors, evaluate, events, info, parsing, runs, score, train

GROUPS = (runs, events, train, score, evaluate, info, cluster)
"""Modules of commands, in the order of the help; the function `add` of each adds its own."""


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    described = argparse.ArgumentParser(
        prog="higgs-lib",
        description="Deep learning on HIGGS events: the study (reproduce ...), and its steps one by one.",
        epilog=parsing.epilog(
            "simulate events.parquet --n-events 100_000 --seed 1",
            "train events.parquet model.keras --classifier modern --features low",
            "score model.keras events.parquet scores.parquet",
            "evaluate scores.parquet",
        )
        + "\n\n`higgs-lib COMMAND --help` explains a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = described.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for group in GROUPS:
        group.add(commands)
    return described


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status; an expected error is one message and status 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # standard error does so by itself
        sys.stdout.reconfigure(errors="backslashreplace")  # of names that the terminal's encoding lacks
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.WARNING)
    arguments = parser().parse_args(words)
    try:
        arguments.function(arguments)
    except KeyboardInterrupt:
        print(f"interrupted{': the same call resumes here' if arguments.resumes else ''}", file=sys.stderr)
        return 130
    except Exception as error:
        if not errors.is_expected(error):
            error.add_note(errors.REPORT)
            raise
        print(errors.message(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

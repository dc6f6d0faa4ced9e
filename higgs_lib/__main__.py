"""The command line: `higgs-lib --help` or `python -m higgs_lib --help`.

Commands are in `higgs_lib.commands`. They import what they need when they run, so that the help appears at once.
"""

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence

from higgs_lib.commands import (
    cluster,
    convert,
    errors,
    evaluate,
    events,
    info,
    interrupts,
    parsing,
    runs,
    score,
    train,
    verify,
)

GROUPS = (runs, events, convert, train, score, evaluate, verify, info, cluster)
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
        with interrupts.ends_in_order():
            arguments.function(arguments)
            sys.stdout.flush()
    except (KeyboardInterrupt, BrokenPipeError) as interrupt:
        return _interrupted(interrupt, resumes=arguments.resumes)
    except Exception as error:
        if not errors.is_expected(error):
            error.add_note(errors.REPORT)
            raise
        print(errors.message(error), file=sys.stderr)
        return 1
    return 0


def _interrupted(interrupt: KeyboardInterrupt | BrokenPipeError, *, resumes: bool) -> int:
    """Says that a command was interrupted, where that can be read, and returns the exit status, as shells count it."""
    if isinstance(interrupt, BrokenPipeError):  # the reader of standard output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would raise the error again
    with contextlib.suppress(OSError):  # the terminal has gone
        print(f"interrupted{': the same call resumes here' if resumes else ''}", file=sys.stderr, flush=True)
    number = signal.SIGPIPE if isinstance(interrupt, BrokenPipeError) else getattr(interrupt, "number", signal.SIGINT)
    return 128 + number


if __name__ == "__main__":
    sys.exit(main())

"""What all commands have in common: how they are described, what their arguments are, and their expected errors."""

import argparse
import json
import math
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

EXIT_STATUS = """\
EXIT STATUS
  0    done
  1    an expected error, which one line on standard error explains
  2    wrong usage
  130  interrupted"""

FEATURE_SETS = ("low", "high", "complete")  # those of `data`, whose import would slow down --help
PARTS = ("training", "validation", "test")  # those of `data.Splits`


class CommandError(Exception):
    """A command cannot do what was asked; the message says why, and what to do."""


@contextmanager
def refusing(*errors: type[Exception]) -> Iterator[None]:
    """Turns the errors by which the library refuses a user's values into a CommandError."""
    try:
        yield
    except errors as error:
        raise CommandError(" ".join(f"{error}".split())) from error


def epilog(*examples: str) -> str:
    """Returns the end of a command's help: examples, and the exit statuses that all commands share."""
    lines = "\n".join(f"  higgs-lib {example}" for example in examples)
    return f"EXAMPLES\n{lines}\n\n{EXIT_STATUS}"


def add_command(
    commands,
    name: str,
    function: Callable[[argparse.Namespace], None] | None,
    *,
    summary: str,
    details: str,
    examples: tuple[str, ...],
    resumes: bool = False,
) -> argparse.ArgumentParser:
    """Adds a command to the subparsers `commands`.

    Args:
        commands: what `add_subparsers` returned.
        name: of the command.
        function: runs it; None where it has commands of its own.
        summary: one line for the list of commands.
        details: what the command does, in sentences.
        examples: calls without the program's name.
        resumes: whether the same call continues after an interrupt.

    Returns:
        The parser, which takes the command's arguments.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(details, 90),
        epilog=epilog(*examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(function=function, resumes=resumes)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds the option that prints the result as JSON."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Adds the option that chooses the device, as `device.use` takes it."""
    parser.add_argument("--device", default="auto", metavar="auto|cpu|gpu|gpu:N", help="what computes (default: auto)")


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds the option that overwrites an existing output."""
    parser.add_argument("--force", action="store_true", help="replace an existing output")


def positive(text: str) -> int:
    """Returns a whole number of at least 1, as argparse's `type`."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def positive_number(text: str) -> float:
    """Returns a finite number above 0, as argparse's `type`."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


def new_file(path: str, suffix: str, *, force: bool) -> Path:
    """Returns the path of an output; raises CommandError for another suffix, or if it exists and `force` is not set."""
    destination = Path(path)
    if destination.suffix != suffix:
        raise CommandError(f"{destination}: the name must end with {suffix}")
    if destination.exists() and not (force and destination.is_file()):
        raise CommandError(f"{destination}: exists already; --force replaces it, if it is a file")
    return destination


def show(result: dict, text: str, *, as_json: bool) -> None:
    """Prints the result of a command: the text, or the dict as JSON."""
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else text)

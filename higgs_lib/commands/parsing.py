"""What all commands have in common: how they are described, what their arguments are, and their expected errors."""

import argparse
import json
import math
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

EXIT_STATUS = """\
EXIT STATUS
  0    done
  1    an error, which one line on standard error explains; a traceback is a fault of higgs-lib
  2    wrong usage
  130  interrupted"""

FEATURE_SETS = ("low", "high", "complete")  # those of `data`, whose import would slow down --help
SPLITS = ("last500k", "rtdl", "1m")  # those of `data.NAMED_SPLITS`, likewise
MOST = 2**63  # one more than whole numbers of 64 bits
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
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object; an error prints none")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Adds the option that chooses the device, as `device.use` takes it."""
    parser.add_argument("--device", default="auto", metavar="auto|cpu|gpu|gpu:N", help="what computes (default: auto)")


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds the option that overwrites an existing output."""
    parser.add_argument("--force", action="store_true", help="replace an existing output")


def _number(text: str, type_: type, is_valid: Callable[[float], bool], words: str) -> float:
    """Returns a number; raises ArgumentTypeError, with the words for what is valid, for any other text.

    Args:
        text: the argument.
        type_: int or float.
        is_valid: tells whether a number is valid.
        words: what a valid argument is.
    """
    try:
        number = type_(text)
    except ValueError:
        number = None
    if number is None or not is_valid(number):
        raise argparse.ArgumentTypeError(f"{text[:50]!r} is not {words}")
    return number


def positive(text: str) -> int:
    """Returns a whole number of at least 1, as argparse's `type`."""
    return _number(text, int, lambda n: 1 <= n < MOST, "a whole number of at least 1")


def not_negative(text: str) -> int:
    """Returns a whole number of at least 0, as argparse's `type`."""
    return _number(text, int, lambda n: 0 <= n < MOST, "a whole number of at least 0")


def seed(text: str) -> int:
    """Returns a seed, a whole number of 32 bits, as argparse's `type`."""
    return _number(text, int, lambda n: 0 <= n < 2**32, "a whole number from 0 to 4294967295")


def positive_number(text: str) -> float:
    """Returns a finite number above 0, as argparse's `type`."""
    return _number(text, float, lambda x: 0 < x < math.inf, "a number above 0")


def not_negative_number(text: str) -> float:
    """Returns a finite number of at least 0, as argparse's `type`."""
    return _number(text, float, lambda x: 0 <= x < math.inf, "a number of at least 0")


def fraction(text: str) -> float:
    """Returns a number in [0, 1), as argparse's `type`."""
    return _number(text, float, lambda x: 0 <= x < 1, "a number in [0, 1)")


def memory(text: str) -> str:
    """Returns an amount of memory such as 512m or 2g, as argparse's `type`."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}[mg]", text):
        raise argparse.ArgumentTypeError(f"{text[:50]!r} is not an amount of memory such as 512m or 2g")
    return text


def new_file(path: str | Path, *suffixes: str, force: bool) -> Path:
    """Returns the path of an output; raises CommandError for another suffix, or if it exists and `force` is not set."""
    destination = Path(path)
    if destination.suffix not in suffixes:
        raise CommandError(f"{destination}: the name must end with {' or '.join(suffixes)}")
    if destination.exists() and not (force and destination.is_file()):
        raise CommandError(f"{destination}: exists already; --force replaces it, if it is a file")
    return destination


def show(result: dict, text: str, *, as_json: bool) -> None:
    """Prints the result of a command: the text, or the dict as JSON, which has null for numbers that are not finite."""
    print(json.dumps(_finite(result), indent=1, ensure_ascii=False, allow_nan=False) if as_json else printable(text))


def printable(text: str) -> str:
    """Returns a text whose characters that would control the terminal, as those of others' records may, are escaped."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _finite(value: object) -> object:
    """Returns a value of JSON's types in which None stands for numbers that are not finite, as JSON has none."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

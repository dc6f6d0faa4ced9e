"""The table of errors that a command turns into one line on standard error; all others are faults of this library."""

from collections.abc import Callable

from higgs_lib.commands.parsing import printable

REPORT = "This is a fault of higgs_lib: please report it with the command and with all of these lines."


def _of_system(error: OSError) -> str:
    """Returns the message of an error of the operating system, which begins with the file."""
    return f"{error}" if error.filename is None else f"{error.filename}: {error.strerror}"


def _of_memory(error: MemoryError) -> str:
    """Returns the message where memory runs out."""
    details = f" ({error})" if f"{error}" else ""
    return f"there is not enough memory{details}; take fewer events or smaller batches, or end other programs"


def _of_import(error: ModuleNotFoundError) -> str | None:
    """Returns the message where another package is missing; None for a module of this library."""
    if f"{error.name}".partition(".")[0] == "higgs_lib":
        return None
    return f"the package {error.name} is not installed in this environment; install higgs_lib again, as the README says"


EXPECTED: dict[type[Exception], Callable[..., str | None]] = {
    OSError: _of_system,
    MemoryError: _of_memory,
    ModuleNotFoundError: _of_import,
}
"""What a user has to know of the errors of Python and of other libraries; readers turn all others into our own."""


def _text(error: Exception) -> str | None:
    """Returns what a user has to know of an error, and None for a fault of this library."""
    if type(error).__module__.partition(".")[0] == "higgs_lib":  # its own errors
        return f"{error}"
    return next((text(error) for of, text in EXPECTED.items() if isinstance(error, of)), None)


def is_expected(error: Exception) -> bool:
    """Tells whether the message of an error is all that a user needs: the library's own, and those of EXPECTED."""
    return _text(error) is not None


def message(error: Exception) -> str:
    """Returns the message of an expected error, and its notes on lines of their own.

    Characters that would control the terminal, such as those of a file's name, are escaped.
    """
    return printable("\n".join([f"error: {_text(error)}", *getattr(error, "__notes__", [])]))

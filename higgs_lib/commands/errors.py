"""Lists the errors that a command turns into one line on standard error; all others are faults of this library."""

EXPECTED = (OSError,)
"""Types of errors of other libraries whose message is all that a user needs."""


def is_expected(error: Exception) -> bool:
    """Tells whether the message of an error is all that a user needs: the library's own, and those of EXPECTED."""
    return isinstance(error, EXPECTED) or type(error).__module__.partition(".")[0] == "higgs_lib"


def message(error: Exception) -> str:
    """Returns the message of an expected error, and its notes on lines of their own."""
    text = f"{error}"
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    return "\n".join([f"error: {text}", *getattr(error, "__notes__", [])])

"""Turns the errors of Spark, Hadoop and py4j, whose texts are stack traces of a hundred lines, into one sentence."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from higgs_lib.spark.local_cluster import ClusterError

MORE_MEMORY = (
    "if memory ran out, give executors more (spark.executor.memoryOverhead for Python, spark.executor.memory for Java) "
    "or let fewer tasks run at once on a machine"
)
_MEMORY = "MemoryError|ResourceExhausted|RESOURCE_EXHAUSTED|code 137|Python worker exited unexpectedly"
_REMOVED = (
    r"\b(?:[a-z_]\w*\.)+(?=[A-Z]\w*(?:Exception|Error)\b)",  # packages of Java
    r".*most recent failure: (?:Lost task \S+ in stage \S+ \(TID \d+\) )?",
    r"(?:\b[A-Z]\w*(?:Exception|Error): )+(?=[A-Z]\w*(?:Exception|Error): )",  # all but the last of several
    r"\bSparkException: |\[[A-Z_.]+\] ",
    r"[.;]? *(?:For more details see|Consider setting|SQLSTATE|\(EOFException\)).*",
)
"""What says nothing in a text of Spark's."""


def sentence(error: Exception) -> str:
    """Returns what an error of Spark says, without Java's packages and stack traces, and what to do about memory."""
    java_exception = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    text = str(error) if java_exception is None else _with_cause(java_exception)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    raised = [line for line in lines[1:] if re.match(r"[\w.]+(Error|Exception): ", line)]  # Python's own, in a task
    line = raised[-1] if raised else lines[0]
    for pattern in _REMOVED:
        line = re.sub(pattern, "", line)
    return with_memory_hint(line)


def with_memory_hint(text: str) -> str:
    """Returns a text, and what to do if it may mean that memory ran out."""
    return f"{text}; {MORE_MEMORY}" if re.search(_MEMORY, text) else text


def _with_cause(java_exception) -> str:
    """Returns the text of a Java exception, whose first line also has that of its first cause."""
    texts = [java_exception.toString()]
    while (java_exception := java_exception.getCause()) is not None:
        texts.append(java_exception.toString())
    first, last = (text.partition("\n")[0] for text in (texts[0], texts[-1]))
    return texts[0] if last in first else f"{first} ({last})\n{texts[0].partition(chr(10))[2]}"


@contextmanager
def one_sentence(place: str) -> Iterator[None]:
    """Turns errors of Spark in a block into a ClusterError about a path or a master."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:  # not as the cause, as its text is Java's stack trace
        raise ClusterError(f"{place}: {sentence(error)}") from None

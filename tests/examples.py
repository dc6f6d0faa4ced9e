"""The Python examples of a page of text: what they are, and how they are run."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLE = re.compile(
    r"(?:^<!-- not run: ([^>]+) -->\n)?^```python\n(.*?)^```$(?:\n\n```text\n(.*?)```)?", re.DOTALL | re.MULTILINE
)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


class Example(NamedTuple):
    """A block of code, in the order of its page."""

    why_not: str
    """Why it cannot be run here, from the comment before it; "" if it is run."""
    code: str
    quoted: str
    """What the page says that it prints; "" if it does not say."""


def examples(page: Path) -> list[Example]:
    """Returns the examples of a page."""
    return [Example(*found) for found in EXAMPLE.findall(page.read_text())]


def run(page: Path, capsys) -> None:
    """Runs the examples of a page in order, in one namespace, and compares what they print with what is quoted."""
    names = {}
    for number, example in enumerate(examples(page), 1):
        if example.why_not:
            continue
        capsys.readouterr()
        exec(compile(example.code, f"{page.name}, example {number}", "exec"), names)
        printed = capsys.readouterr().out
        if example.quoted:
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", example.quoted)
            numbers = [[float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (printed, example.quoted)]
            assert numbers[0] == pytest.approx(numbers[1], rel=0.1, abs=0.01)  # training differs between processors

"""Reads YAML strictly: whatever a reader could take for something else than a parser does is refused.

Plain values are those of YAML 1.2, so that `2e-3` is a number, and `yes` and `010` are text; digits may be grouped by
underscores. A key stands once, and there are no tags, anchors or aliases.
"""

import re
from typing import ClassVar

import yaml

_VALUES = {  # the first that matches counts
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0|[1-9](_?[0-9]){0,30})",
    "float": r"[-+]?((0|[1-9](_?[0-9])*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the rules of this module."""

    yaml_implicit_resolvers: ClassVar[dict] = {}

    def compose_node(self, parent, index):
        """Returns the next node; raises ComposerError for one with an anchor, an alias or a tag."""
        event = self.peek_event()
        if event.anchor or getattr(event, "tag", None):
            problem = "anchors (&), aliases (*) and tags (!) are not taken: write the value itself"
            raise yaml.composer.ComposerError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        """Returns a mapping; raises ConstructorError for a key that stands twice or is no single value."""
        lines = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                problem = "a name is expected before the colon, not a list or a mapping"
            elif key.value in lines:
                problem = f"{key.value!r} stands twice, first in line {lines[key.value]}: join the two"
            else:
                lines[key.value] = line
                continue
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


for _name, _pattern in _VALUES.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), None)


def parse(content: bytes) -> object:
    """Returns what a file of YAML holds; raises ValueError, which begins with the line, for anything invalid."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: the text is not in UTF-8; save the file in this encoding") from error
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        words = " ".join(f"{error.problem}".split())
        raise ValueError(f"line {error.problem_mark.line + 1}: not YAML as profiles have it: {words}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line}: the character {chr(error.character)!r} is not allowed in YAML") from error
    except RecursionError as error:
        raise ValueError("line 1: lists or mappings lie too deep within each other") from error

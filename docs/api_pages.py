"""The Sphinx extension that writes one page of the reference for each package, from the names that the package offers.

Docstrings are plain text with names in backticks, so what reStructuredText would take for markup is escaped.
"""

import inspect
import re
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

import higgs_lib

PLAIN = re.compile(r"(`[^`]*`)|([*|\\]|(?<=\w)_(?!\w))")  # a name in backticks, or a character that is markup
FIELD = "Alias for field number"  # how Python documents a field of a NamedTuple
WITHOUT_SECTIONS = ("attribute", "data", "property")  # whose text is no list of sections, whatever colons it has


def setup(app: Sphinx) -> dict:
    """Registers what happens before the pages are read."""
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", read_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """Writes `api`/PACKAGE.rst for each package, and leaves pages as they are that do not change."""
    folder = Path(app.srcdir, "api")
    folder.mkdir(exist_ok=True)
    for name in higgs_lib.__all__:
        path, text = folder / f"{name}.rst", page(getattr(higgs_lib, name))
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def page(module: ModuleType) -> str:
    """Returns the page of a package, or of a module of the library, in reStructuredText."""
    name = module.__name__
    title = name.removeprefix("higgs_lib.")
    if not hasattr(module, "__path__"):
        return f"{heading(title, '=')}\n.. automodule:: {name}\n   :members:\n"
    parts = [heading(title, "="), f".. automodule:: {name}\n   :no-members:\n"]
    offered = {member: getattr(module, member) for member in module.__all__}
    parts += [entry(module, member, value) for member, value in offered.items() if not inspect.ismodule(value)]
    for member, value in offered.items():
        if inspect.ismodule(value):
            above = ", ".join(n for n, other in offered.items() if getattr(value, n, None) is other)
            options = ":members:" + (f"\n   :exclude-members: {above}" if above else "")
            parts += [heading(f"{title}.{member}", "-"), f".. automodule:: {value.__name__}\n   {options}\n"]
    return "\n".join(parts)


def heading(title: str, line: str) -> str:
    """Returns a title over a line of its length."""
    return f"{title}\n{line * len(title)}\n"


def entry(module: ModuleType, name: str, value: object) -> str:
    """Returns the directive of a name that a package offers; a constant's text is read where it is defined."""
    if inspect.isclass(value):
        options = ":members:" + ("\n   :show-inheritance:" if issubclass(value, Exception) else "")
        return f".. autoclass:: {module.__name__}.{name}\n   {options}\n"
    if inspect.isroutine(value):
        return f".. autofunction:: {module.__name__}.{name}\n"
    lines = [
        f".. py:data:: {name}",
        f"   :module: {module.__name__}",
        "",
        *(f"   {line}" for line in comment(module, name)),
        "",
    ]
    return "\n".join(lines)


def comment(module: ModuleType, name: str) -> list[str]:
    """Returns the text below the definition of a constant, in any module of the package."""
    for path in sorted(Path(module.__file__).parent.glob("[a-z]*.py")):
        documented = ModuleAnalyzer.for_module(f"{module.__name__}.{path.stem}").find_attr_docs()
        if ("", name) in documented:
            return escape(documented["", name])
    return []


def read_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turns a docstring into reStructuredText, in place; what Python says of a field without a text is dropped."""
    lines[:] = [] if lines and lines[0].startswith(FIELD) else escape(lines)
    if what not in WITHOUT_SECTIONS:
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, obj, options).lines()


def escape(lines: list[str]) -> list[str]:
    """Escapes the characters that are no markup, except in examples."""
    return [
        line if line.lstrip().startswith((">>>", "...")) else PLAIN.sub(lambda found: found[1] or f"\\{found[2]}", line)
        for line in lines
    ]

"""What a script that uses the library is checked with: the types of everything that the packages offer."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT

# The packages that users import; `commands` is behind the command line.
FACES = sorted(set((ROOT / "higgs_lib").rglob("__init__.pyi")) - {ROOT / "higgs_lib" / "commands" / "__init__.pyi"})


def _offered(face: Path) -> Iterator[tuple[Path, str]]:
    """Yields the file and the name of each function and class that a package offers, itself or by its modules."""
    for node in ast.parse(face.read_text()).body:
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.module:
            yield from ((face.parent / f"{node.module}.py", alias.name) for alias in node.names)
            continue
        for file in (face.parent / f"{alias.name}.py" for alias in node.names):
            if file.exists():
                yield from ((file, d.name) for d in ast.parse(file.read_text()).body if hasattr(d, "name"))


def _lacks_types(function: ast.FunctionDef, is_method: bool) -> bool:
    """Tells whether a parameter or the result of a function has no type."""
    args = function.args
    given = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, [args.vararg, args.kwarg])]
    static = any(getattr(decorator, "id", "") == "staticmethod" for decorator in function.decorator_list)
    return function.returns is None or any(a.annotation is None for a in given[is_method and not static :])


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.parent.name)
def test_every_public_function_states_the_types_of_its_parameters_and_of_its_result(face):
    untyped = []
    for file, name in sorted(set(_offered(face))):
        for definition in ast.parse(file.read_text()).body:
            if getattr(definition, "name", "_") != name or name.startswith("_"):
                continue
            is_class = isinstance(definition, ast.ClassDef)
            functions = [n for n in definition.body if isinstance(n, ast.FunctionDef)] if is_class else [definition]
            untyped += [
                f"{file.name}:{f.lineno} {name}{f'.{f.name}' if is_class else ''}"
                for f in functions
                if not (is_class and f.name.startswith("_") and f.name != "__init__") and _lacks_types(f, is_class)
            ]
    assert not untyped

"""Parameters of notebooks: what their cell tagged `parameters` declares, and which values are valid.

Each line of that cell declares one: `n_toys: int = 200  # experiments that are drawn; 0: none`. The type, with that of
the items of a list, and these words of the comment say what a profile may set:

- Numbers are finite and above 0. A comment with `0: ...`, or a default of 0, allows 0; `in [0, 1)` gives an interval.
- Lists have at least one item and none twice. A comment with `empty: ...`, or an empty default, allows empty lists; one
  with `3 values` asks for this number of items, which may be equal.
- Seeds, whose names end with `seed` or `seeds`, are whole numbers of 32 bits.
- Names of things that the library knows, such as optimizers, are listed in `NAMES`.
"""

import ast
import math
import re
import reprlib
from itertools import product
from pathlib import Path
from typing import NamedTuple

import nbformat

from higgs_lib.data import FEATURE_SETS
from higgs_lib.models.spec import INITIAL_WEIGHTS, OPTIMIZERS, SCHEDULES
from higgs_lib.study.published import KERAS_2_RATES
from higgs_lib.study.settings import CLASSIFIERS

# Those of `training.update_rules`, whose import would load Keras:
RULES = ("Single", "Averaging", "Ensemble", "DOWNPOUR", "AGN", "DynSGD", "AEASGD", "EAMSGD", "ADAG")
_CURVES = tuple(f"{name}, {features}" for name, features in product((*CLASSIFIERS, "trees"), FEATURE_SETS))
NAMES = {
    **dict.fromkeys(("initial_weights", "compared_weights"), INITIAL_WEIGHTS),
    **dict.fromkeys(("small_optimizer", "gpu_optimizers", "optimizers"), OPTIMIZERS),
    "compared_optimizers": tuple(KERAS_2_RATES),
    "schedule": SCHEDULES,
    "halved_features": tuple(FEATURE_SETS),
    **dict.fromkeys(("curve_classifiers", "equal_epochs"), _CURVES),
    **dict.fromkeys(("rules", "compared_rules"), RULES),
}
"""The values of parameters that name something which the library knows."""

TYPES = {"int": int, "float": float, "str": str, "bool": bool}
WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
MOST = 2**63 - 1  # of whole numbers
MOST_SEED = 2**32 - 1  # which scikit-learn takes


class Range(NamedTuple):
    """The interval in which a number must lie."""

    low: float
    high: float
    has_low: bool = True
    """Whether `low` belongs to it."""
    has_high: bool = True
    """Whether `high` belongs to it."""

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.has_low else value > self.low
        return math.isfinite(value) and above and (value <= self.high if self.has_high else value < self.high)

    def __str__(self) -> str:
        """Returns the words that follow "a number"."""
        if self.low == -math.inf:
            return "that is finite"
        if self.high in (MOST, math.inf):
            return f"{'of at least' if self.has_low else 'above'} {self.low:g}"
        return f"in {'(['[self.has_low]}{self.low:.15g}, {self.high:.15g}{')]'[self.has_high]}"


class Parameter(NamedTuple):
    """One parameter."""

    name: str
    type: type
    """The type of the value, or of the items of a list."""
    default: object = None
    is_list: bool = False
    comment: str = ""

    @property
    def range(self) -> Range:
        """The interval in which a number, or each of a list, must lie."""
        if self.name.endswith(("seed", "seeds")):
            return Range(0, MOST_SEED)
        if interval := re.search(r"\bin ([\[(])(\S+), (\S+)([\])])", self.comment):
            return Range(float(interval[2]), float(interval[3]), interval[1] == "[", interval[4] == "]")
        zero = bool(re.search(r"\b0: ", self.comment)) or 0 in (self.default if self.is_list else [self.default])
        return Range(int(not zero), MOST) if self.type is int else Range(0, math.inf, has_low=zero, has_high=False)

    def fault(self, value: object) -> str:
        """Returns what is wrong with a value, as words that follow the name; "" for a valid one."""
        if not self.is_list:
            return self._fault(value)
        if not isinstance(value, list):
            return f"is {reprlib.repr(value)}, but must be a list, such as {self.default}"
        if words := next(filter(None, map(self._fault, value)), ""):
            return f"has an item that {words}"
        if length := re.search(r"\b(\d+) values\b", self.comment):
            return "" if len(value) == int(length[1]) else f"has {len(value)} values, but must have {length[1]}"
        if not (value or not self.default or "empty: " in self.comment):
            return "is empty, but needs at least one value"
        twice = next((item for n, item in enumerate(value) if item in value[:n]), None)
        return "" if twice is None else f"has {twice!r} twice"

    def _fault(self, value: object) -> str:
        """Returns what is wrong with one value, as words; "" for a valid one."""
        words = WORDS[self.type]
        right = type(value) is self.type or (self.type is float and type(value) is int)
        if self.type in (int, float):
            words, right = f"{words} {self.range}", right and value in self.range
        elif right and self.name in NAMES:
            words, right = f"one of {'; '.join(NAMES[self.name])}", value in NAMES[self.name]
        return "" if right else f"is {reprlib.repr(value)}, but must be {words}"


def read_parameters(notebook: Path) -> dict[str, Parameter]:
    """Returns the parameters that a notebook declares; raises ValueError for a file that is no such notebook."""
    try:
        book = nbformat.read(notebook, 4)
        cells = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
        declared = [_declared(cell.source, node) for cell in cells for node in ast.parse(cell.source).body]
    except (nbformat.ValidationError, SyntaxError, ValueError, KeyError, AttributeError) as error:
        reason = " ".join(f"{error}".split())
        raise ValueError(f"{notebook}: not a notebook with a cell of parameters ({reason[:200]})") from error
    return {parameter.name: parameter for parameter in declared}


def _declared(source: str, node: ast.stmt) -> Parameter:
    """Returns the parameter that a line of a cell declares."""
    if not isinstance(node, ast.AnnAssign):
        raise ValueError(f"line {node.lineno} is not of the form `name: type = value  # comment`")
    annotation = ast.unparse(node.annotation)
    item = annotation.removeprefix("list[").removesuffix("]")
    comment = source.splitlines()[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
    is_list = annotation.startswith("list[")
    return Parameter(node.target.id, TYPES[item], ast.literal_eval(node.value), is_list, comment.strip(" #"))


def declared_parameters(notebook: Path) -> dict[str, object]:
    """Returns names and defaults of the parameters that a notebook declares in its cell tagged `parameters`."""
    return {name: parameter.default for name, parameter in read_parameters(notebook).items()}

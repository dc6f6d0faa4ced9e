"""Profiles that nobody would write: each is read with valid values only, or refused in one line."""

import math

import pytest
import yaml
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from repository import ROOT

from higgs_lib.report import profile
from higgs_lib.report.profile import ProfileError, read_profile

PROFILES = [path.read_text() for path in sorted((ROOT / "params").glob("*.yaml"))]
DECLARED = profile._declared(ROOT / "notebooks")
NAMES = sorted(
    {name for parameters in DECLARED.values() for name in parameters} | {"physics", "n_events", "source", "m_w"}
)
SECTIONS = [*DECLARED, "events", "common", "expect", "minutes", "auc", "02_training", "<<"]
ODD = (
    *("", "~", "-1", "0", "2e-3", "1e999", ".nan", "-.inf", "1_000", "010", "0x1F", "1:30", "yes", "2026-01-01", "''"),
    *("[]", "{}", "[1, 1]", "[[1]]", "{a: 1}", "&a 1", "*a", "!!int x", "!!python/name:os.system ''", "<<: *a", "? 1"),
    *("\t", "\x00", "\ufeff", "é", "\ud7ff", "'", '"', "|", ">", "%", "@", "---", "...", "#", "- ", ": ", "\n", "\n  "),
    *("9" * 40, "9" * 5000, "[" * 2000, "seed", "low", "deep, low", "adam", "true", "0.5", "4294967296"),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(ODD)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(
    st.sampled_from(SECTIONS), st.dictionaries(st.sampled_from(NAMES), values, max_size=4) | values
)


@st.composite
def mutated(draw):
    """A profile of the package in which some places are replaced, some lines stand twice and some are lost."""
    text = draw(st.sampled_from(PROFILES))
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(text)))
        last = min(len(text), first + draw(st.integers(0, 12)))
        text = text[:first] + draw(st.sampled_from(ODD) | st.text(max_size=4) | st.sampled_from(NAMES)) + text[last:]
        lines = text.splitlines(keepends=True) or [""]
        line = draw(st.integers(0, len(lines) - 1))
        text = "".join(
            lines[:line] + lines[line : line + 1] * draw(st.sampled_from([0, 1, 1, 1, 2])) + lines[line + 1 :]
        )
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "latin-1", "utf-16"])), "replace")


contents = mutated() | st.binary(max_size=60) | mappings.map(lambda value: yaml.safe_dump(value).encode())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "mine.yaml"


def numbers(value):
    """Yields the numbers in a value of JSON's types."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


@examples
@given(content=contents)
def test_a_profile_is_valid_or_refused_in_one_line(place, content):
    place.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profile, "_declared", lambda _: DECLARED)  # notebooks are read once
        try:
            read = read_profile(place, ROOT / "notebooks")
        except ProfileError as error:
            refused = f"{error}"
        else:
            refused = None
    if refused is not None:
        assert refused.startswith(f"{place}")
        assert "\n" not in refused
        assert len(refused) < 1000
        return
    assert all(map(math.isfinite, numbers([read.events, read.notebooks, read.minutes, read.auc])))
    assert all(minutes >= 0 for minutes in read.minutes.values())
    assert all(0 <= auc <= 1 for auc in read.auc.values())
    assert read.events.get("n_events", 1) >= 1
    for name in ("n_test", "n_validation"):
        assert len({parameters[name] for parameters in read.notebooks.values() if name in parameters}) <= 1
    for book, parameters in read.notebooks.items():
        for name, value in parameters.items():
            default = DECLARED[book][name].default
            assert type(value) is type(default) or (type(value), type(default)) == (int, float)
            if isinstance(value, list):
                assert value or name in {
                    "halved_features",
                    "equal_epochs",
                    "many_workers",
                    "windows",
                    "compared_rules",
                    "rules",
                    "workers",
                    "momentum_workers",
                    "compared_cores",
                }
            if name.endswith(("seed", "seeds")):
                assert all(0 <= seed < 2**32 for seed in numbers([value]))
            elif name != "run":
                assert all(number >= 0 for number in numbers([value]))

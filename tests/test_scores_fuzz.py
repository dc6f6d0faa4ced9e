"""Scores from others: `evaluate` and `verify` measure them or say in one line what is wrong."""

import io
import json
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from mutations import JSON, altered, damaged

from higgs_lib import simulation
from higgs_lib.__main__ import main
from higgs_lib.study import verification
from higgs_lib.study.score_files import KEY
from higgs_lib.study.score_reader import ScoredEvents, ScoreFileError, read_scores

RECORD = {
    "model": {"classifier": "deep", "features": "low", "seed": 1},
    "events": {"description": "60 events", "n_events": 60, "sha256": "ab"},
    "splits": {"training": [0, 20], "validation": [20, 40], "test": [40, 60]},
    "split": "",
    "claims": {"auc": 0.8, "accuracy": 0.7},
}


def table(n=60, seed=1) -> pa.Table:
    """Scores of three parts with both classes."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    columns = {
        "row": np.arange(n),
        "part": np.array(["training", "validation", "test"], object)[np.arange(n) * 3 // n],
        "label": label.astype(np.int8),
        "score": np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1).astype(np.float32),
    }
    return pa.table(columns).replace_schema_metadata({KEY: json.dumps(RECORD)})


def as_bytes(scores: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(scores, file, compression="zstd")
    return file.getvalue()


def check(path, content: bytes) -> None:
    """Checks that a file is read as promised, or refused by one line that names it."""
    path.write_bytes(content)
    try:
        scored = read_scores(path)
    except ScoreFileError as error:
        message, scored = str(error), None
    if scored is None:
        assert message.startswith(str(path))
        assert "\n" not in message
        return
    assert isinstance(scored, ScoredEvents)
    assert np.isfinite(scored.score).all()
    assert scored.label is None or set(scored.label.tolist()) <= {0, 1}
    assert all(column is None or len(column) == len(scored.score) for column in scored[:-1])
    assert scored.row is None or (np.diff(scored.row.astype(object)) > 0).all()
    assert isinstance(scored.record.get("model", {}), dict)
    assert "\n" not in refusal([path])


def refusal(*arguments) -> str:
    """Returns why `verify` refuses scores; "" where it measures them."""
    try:
        measures = verification.verify(*arguments).files[0].measures
    except (ScoreFileError, verification.VerificationError) as error:
        return str(error)
    assert 0 <= measures["auc"].value <= 1
    return ""


ORIGINAL = as_bytes(table())


@examples
@given(damaged(ORIGINAL))
def test_damaged_bytes(tmp_path, content):
    check(tmp_path / "scores.parquet", content)


COLUMN = st.one_of(
    st.lists(st.floats(width=32) | st.none(), min_size=4, max_size=4),
    st.lists(st.floats(0, 1), min_size=4, max_size=4).map(lambda values: pa.array(values, pa.float64())),
    st.lists(st.integers(-1, 3) | st.none(), min_size=4, max_size=4),
    st.lists(st.sampled_from(("test", "validation", "", "training", None)), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.lists(st.lists(st.integers(0, 1), max_size=2), min_size=4, max_size=4),
    st.lists(st.dictionaries(st.just("a"), st.integers(0, 1)), min_size=4, max_size=4),
    st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4).map(lambda values: pa.array(values, pa.uint64())),
    st.lists(st.datetimes(), min_size=4, max_size=4),
    st.lists(st.decimals(0, 1, places=3), min_size=4, max_size=4),
    st.lists(st.sampled_from(("test", "validation")), min_size=4, max_size=4).map(
        lambda values: pa.array(values).dictionary_encode()
    ),
    st.lists(st.sampled_from((b"test", b"")), min_size=4, max_size=4),
)
NAMES = st.sampled_from(("row", "part", "label", "score", "Score", "other"))


@examples
@given(st.lists(st.tuples(NAMES, COLUMN), max_size=5), JSON | altered(RECORD))
def test_other_tables(tmp_path, columns, record):
    try:
        scores = pa.Table.from_arrays([pa.array(c) for _, c in columns], [name for name, _ in columns])
        content = as_bytes(scores.replace_schema_metadata({KEY: json.dumps(record)}))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # values of no common type, or not for Parquet
        return
    check(tmp_path / "scores.parquet", content)


def as_npy(values) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


CSV = "row,label,score\n" + "".join(f"{row},{row % 2},{0.3 + row / 100}\n" for row in range(40))
NPY = as_npy(np.linspace(0, 1, 40))


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """40 events, of which the last 30 are for testing."""
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    simulation.simulate(path, 40, seed=1, workers=1)
    return path


def check_both(path, content: bytes, events) -> None:
    """Checks that a file is read as promised, and that `verify` measures it or refuses it by one line."""
    check(path, content)
    message = refusal([path], events, "10:40")
    assert not message or message.startswith(str(path))
    assert "\n" not in message


@examples
@given(damaged(CSV.encode()))
def test_damaged_text(tmp_path, events, content):
    check_both(tmp_path / "scores.csv", content, events)


CELL = st.one_of(
    st.floats().map(repr),
    st.integers(-2, 45).map(str),
    st.sampled_from(("", "nan", "0x1", "1,2", '"', '"1"', " 1", "ü")),
)


@examples
@given(
    st.lists(st.sampled_from(("row", "label", "score", "part", " score", '"score"', "")), max_size=4),
    st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=6),
    st.sampled_from(("\n", "\r\n", "\r", ";")),
    st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "latin-1")),
)
def test_other_texts(tmp_path, events, names, lines, end, encoding):
    text = end.join(",".join(line) for line in [names, *lines])
    check_both(tmp_path / "scores.csv", text.encode(encoding), events)


@examples
@given(damaged(NPY))
def test_damaged_arrays(tmp_path, events, content):
    check_both(tmp_path / "scores.npy", content, events)


TYPES_OF_ARRAYS = ("<f4", ">f8", "<f2", "i1", "<u8", "?", "<c8", "S3", "M8[s]", "U2", "longdouble")


@examples
@given(st.sampled_from(TYPES_OF_ARRAYS), st.sampled_from(((30,), (), (0,), (30, 1), (2, 15), (40,))))
def test_other_arrays(tmp_path, events, kind, shape):
    values = np.random.default_rng(1).integers(0, 100, shape)
    check_both(tmp_path / "scores.npy", as_npy(np.asarray(values).astype(kind)), events)


@pytest.mark.parametrize("content", [as_npy(np.array([{}, 1], object)), b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16])
def test_an_array_with_code_or_a_wrong_header_is_refused(tmp_path, events, content):
    (tmp_path / "scores.npy").write_bytes(content)
    with pytest.raises(ScoreFileError, match=r"scores.npy: not an array of numpy, or damaged"):
        read_scores(tmp_path / "scores.npy")


def test_a_header_takes_no_memory(tmp_path):
    """An array that claims 8 TB in 100 bytes."""
    (tmp_path / "scores.npy").write_bytes(NPY.replace(b"(40,), }            ", b"(1000000000000,), } "))
    with pytest.raises(ScoreFileError, match="not an array of numpy, or damaged"):
        read_scores(tmp_path / "scores.npy")


def replaced(scores: pa.Table, name: str, values) -> pa.Table:
    return scores.set_column(scores.column_names.index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["score"]), "has no column score, or two"),
        (lambda t: t.append_column("score", t["score"]), "has no column score, or two"),
        (lambda t: replaced(t, "score", ["0.5"] * 60), "the column score must hold numbers of 32 or 64 bits"),
        (lambda t: replaced(t, "score", [0.5] * 59 + [None]), "type double, and 1 values missing"),
        (lambda t: replaced(t, "score", [0.5] * 59 + [float("nan")]), "score 59 from 0: nan is no finite number"),
        (lambda t: replaced(t, "score", [0.5] * 59 + [float("inf")]), "score 59 from 0: inf is no finite number"),
        (lambda t: replaced(t, "score", [0.5] * 59 + [-3.0]), "mine.parquet: its scores do not lie in [0, 1]"),
        (lambda t: replaced(t, "label", [0, 2] * 30), "labels must be 0 or 1"),
        (lambda t: replaced(t, "label", [0.0, float("nan")] * 30), "labels must be 0 or 1"),
        (lambda t: replaced(t, "label", ["s", "b"] * 30), "the column label must hold 0 or 1, but is of type string"),
        (lambda t: replaced(t, "part", list(range(60))), "the column part must hold text"),
        (lambda t: replaced(t, "row", [1.5] * 60), "the column row must hold whole numbers"),
        (lambda t: replaced(t, "row", [7] * 60), "several scores of one event (row)"),
        (lambda t: t.drop_columns(["label"]), "has no labels"),
        (lambda t: t.slice(0, 0), "holds no scores"),
        (lambda t: t.replace_schema_metadata({KEY: "[1]"}), "its record of what made the scores is wrong"),
        (lambda t: t.replace_schema_metadata({KEY: b"\xff"}), "its record of what made the scores is wrong"),
        (
            lambda t: t.replace_schema_metadata({KEY: '{"splits": {"test": [3, 2]}}'}),
            "its record of what made the scores",
        ),
        (
            lambda t: t.replace_schema_metadata({KEY: '{"claims": {"auc": NaN}}'}),
            "its record of what made the scores is",
        ),
        (lambda t: t.replace_schema_metadata({KEY: '{"sha256": 1}'}), "its values or its record are not those"),
        (lambda t: replaced(t, "label", [1] * 60), "mine.parquet: a ROC curve needs both classes, but all"),
    ],
)
def test_wrong_scores_are_one_line(tmp_path, capsys, change, message):
    pq.write_table(change(table()), tmp_path / "mine.parquet")
    assert main(["evaluate", str(tmp_path / "mine.parquet")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize("content", [b"", ORIGINAL[:-100], ORIGINAL[: len(ORIGINAL) // 2], b"PAR1" + bytes(100)])
def test_a_cut_file_is_one_line(tmp_path, capsys, content):
    (tmp_path / "cut.parquet").write_bytes(content)
    assert main(["evaluate", str(tmp_path / "cut.parquet")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/cut.parquet: not a Parquet file, or damaged")


def test_the_order_of_rows_does_not_matter(tmp_path, capsys):
    """A file sorted by its scores was refused beside another one as if it were of other events."""
    whole, others = table(600), table(600, seed=2)
    pq.write_table(whole, tmp_path / "a.parquet")
    pq.write_table(whole.sort_by("score"), tmp_path / "sorted.parquet")
    pq.write_table(others, tmp_path / "b.parquet")
    results = []
    for name in ("a", "sorted"):
        assert main(shlex.split(f"evaluate {tmp_path}/{name}.parquet {tmp_path}/b.parquet --json")) == 0
        results.append(capsys.readouterr().out.replace("sorted.parquet", "a.parquet"))
    assert results[0] == results[1]

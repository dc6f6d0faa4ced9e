"""Published scores: what is right is measured as other libraries do, and what was changed or left out is noticed."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, roc_auc_score

from higgs_lib import data
from higgs_lib.data.parquet import EventWriter
from higgs_lib.study import Run, Scores
from higgs_lib.study.score_files import HASHED, KEY, digest, make_record, pack
from higgs_lib.study.score_reader import ScoreFileError
from higgs_lib.study.verification import VerificationError, verify

N_EVENTS = 3_000
SPLITS = data.Splits.from_sizes(2_000, 400, 600)
TEST = np.asarray(SPLITS.test)


def write_events(path, n_events=N_EVENTS, seed=1, recipe=None):
    """Writes random values as events, of which only the labels matter here; returns their origin."""
    values = np.random.default_rng(seed).random((n_events, 29), np.float32)
    values[:, 0] = values[:, 0] < 0.53
    writer = EventWriter(path)
    writer.write(values)
    return writer.close("file", {"source": "mine.csv"} | (recipe or {}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with events and two files of scores of a run, `strong` and `weak`."""
    place = tmp_path_factory.mktemp("verified")
    origin = write_events(place / "events.parquet")
    labels = data.load(place / "events.parquet", (), range(N_EVENTS)).labels
    for name, noise in (("strong", 1.0), ("weak", 1.6)):
        rng = np.random.default_rng(int(10 * noise))
        scores = 1 / (1 + np.exp(rng.normal(0, noise, N_EVENTS) + 0.5 - labels))
        parts = {part: Scores(labels[rows.start : rows.stop], scores[rows.start : rows.stop]) for part, rows in PARTS}
        record = make_record({"classifier": name, "features": "low", "seed": 1}, origin, SPLITS)
        Run(place).save_scores(name, parts, dict(PARTS), record)
    return place


PARTS = list(SPLITS._asdict().items())


def file_of(folder, name="strong"):
    return Run(folder).scores_file(name)


def test_the_measures_are_those_of_other_libraries(folder):
    paths = [file_of(folder, name) for name in ("strong", "weak")]
    result = verify(paths, folder / "events.parquet")
    tested = [Run(folder).scores(name, "test") for name in ("strong", "weak")]
    labels = tested[0].labels
    aucs = [roc_auc_score(labels, one.scores) for one in tested]
    right = [(one.scores > 0.5) == labels for one in tested]
    for file, auc, one, is_right in zip(result.files, aucs, tested, right, strict=True):
        assert file.measures["auc"].value == pytest.approx(auc, abs=1e-12)
        assert file.measures["accuracy"].value == accuracy_score(labels, one.scores > 0.5)
        exact = stats.binomtest(int(is_right.sum()), len(labels)).proportion_ci(method="wilson")
        assert file.measures["accuracy"][1:] == pytest.approx((exact.low, exact.high), abs=2e-3)
        assert file.claims == {name: interval.value for name, interval in file.measures.items()}
    assert result.auc_test.difference.value == pytest.approx(aucs[0] - aucs[1], abs=1e-12)
    only = [int((one & ~other).sum()) for one, other in (right, right[::-1])]
    assert result.accuracy_test.difference.value == pytest.approx((only[0] - only[1]) / len(labels))
    assert result.accuracy_test.p_value == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
    assert (result.test.rows, result.test.description) == (SPLITS.test, "test rows 2,400:3,000")
    assert result.labels_from == str(folder / "events.parquet")
    assert result.events == "3,000 events of mine.csv, a file in the format of UCI HIGGS"


# ------------------------------------------------------------------------------------ a file that was changed later
def stored(path):
    """Returns the table of a file of scores, with its record."""
    return pq.read_table(path).replace_schema_metadata(pq.read_metadata(path).metadata)


def replaced(table, name, values):
    return table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))


def with_one(table, name, change):
    values = table[name].to_numpy(zero_copy_only=False).copy()
    values[-1] = change(values[-1])
    return replaced(table, name, values)


def with_record(table, change):
    record = json.loads(table.schema.metadata[KEY])
    change(record)
    return table.replace_schema_metadata({KEY: json.dumps(record)})


@pytest.mark.parametrize(
    "change",
    [
        lambda t: with_one(t, "score", lambda score: np.nextafter(score, np.float32(1))),
        lambda t: with_one(t, "label", lambda label: 1 - label),
        lambda t: with_one(t, "row", lambda row: row + 1),
        lambda t: t.slice(0, len(t) - 1),
        lambda t: t.drop_columns(["label"]),
        lambda t: with_record(t, lambda record: record["claims"].update(auc=0.9)),
        lambda t: with_record(t, lambda record: record["model"].update(seed=2)),
        lambda t: with_record(t, lambda record: record["splits"].update(test=[2_500, 3_000])),
        lambda t: with_record(t, lambda record: record["events"].update(sha256="0" * 64)),
        lambda t: with_record(t, lambda record: record.update(sha256="0" * 64)),
    ],
)
def test_a_changed_file_is_noticed_by_its_hash(folder, tmp_path, change):
    pq.write_table(change(stored(file_of(folder))), tmp_path / "changed.parquet")
    with pytest.raises(ScoreFileError, match=r"changed.parquet: its values or its record are not those .* hash tells"):
        verify([tmp_path / "changed.parquet"])


def test_another_order_and_precision_of_the_same_values_have_the_same_hash(folder, tmp_path):
    table = stored(file_of(folder)).sort_by("score")
    double = table.set_column(3, "score", table["score"].cast(pa.float64())).replace_schema_metadata(
        table.schema.metadata
    )
    pq.write_table(double, tmp_path / "sorted.parquet")
    assert verify([tmp_path / "sorted.parquet"]).files[0].sha256 == verify([file_of(folder)]).files[0].sha256


# ------------------------------------------------------------------------------ a file that was written to deceive
def forge(path, table, change=lambda record: None):
    """Writes scores with a changed record and with the hash that they then have."""
    record = json.loads(table.schema.metadata[KEY])
    change(record)
    values = pack({name: table[name].to_numpy() for name in HASHED if name in table.column_names})
    record["sha256"] = digest(hashlib.sha256(values), record)
    pq.write_table(table.replace_schema_metadata({KEY: json.dumps(record)}), path)
    return path


TAMPERED = {
    "a claim": (lambda t: t, lambda r: r["claims"].update(auc=0.9), "claims auc 0.900000, but its scores on"),
    "accuracy": (lambda t: t, lambda r: r["claims"].update(accuracy=0.9), "claims accuracy 0.900000, but its"),
    "measure": (lambda t: t, lambda r: r["claims"].update(f1=0.9), "claims a value of f1, which its scores do not"),
    "hard events": (lambda t: t.slice(0, len(t) - 9), lambda r: None, "591 of 600 test rows 2,400:3,000: a result"),
    "too many rows": (lambda t: t, lambda r: r["splits"].update(test=[2_400, 3_001]), "3,000 events have no test rows"),
    "no test rows": (lambda t: t, lambda r: r["splits"].update(test=[3_000, 3_000]), "3,000 events have no test rows"),
    "parts": (lambda t: replaced(t, "part", ["training"] * len(t)), lambda r: None, "its parts are not those of its"),
    "one part": (
        lambda t: replaced(t, "part", ["test", *t["part"].to_pylist()[1:]]),
        lambda r: None,
        "its parts are not those of its",
    ),
    "fewer test rows": (
        lambda t: t,
        lambda r: r["splits"].update(test=[2_500, 3_000]),
        "its parts are not those of its",
    ),
    "seen rows": (
        lambda t: t.drop_columns(["part"]),
        lambda r: r["splits"].update(training=[0, 2_450]),
        "50 of the test rows 2,400:3,000 were for training or validation, by its own record",
    ),
    "split": (lambda t: t, lambda r: r.update(split="rtdl"), "its test rows 2,400:3,000 are not those of the split rt"),
    "no such split": (lambda t: t, lambda r: r.update(split="mine"), "unknown split 'mine': choose one of last500k, "),
    "no events": (lambda t: t, lambda r: r.pop("events"), "does not tell of which events its scores are; give"),
    "no labels": (lambda t: t.drop_columns(["label"]), lambda r: None, "has no labels; give the events, which have"),
    "no classes": (lambda t: replaced(t, "label", [1] * len(t)), lambda r: None, "a ROC curve needs both classes"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_a_file_leaves_out_or_claims_wrongly_is_named(folder, tmp_path, name):
    change, of_record, message = TAMPERED[name]
    path = forge(tmp_path / "forged.parquet", change(stored(file_of(folder))), of_record)
    with pytest.raises(VerificationError, match=r"(forged.parquet|unknown split)") as refused:
        verify([path])
    assert message in str(refused.value)


def test_the_events_tell_wrong_labels_which_a_file_by_itself_cannot(folder, tmp_path):
    """A label is turned wherever that raises the AUC; the hash, the claim and the rows are right."""
    table = stored(file_of(folder))
    better = (table["score"].to_numpy() > 0.5).astype(np.int8)
    changed = np.flatnonzero(better[-600:] != table["label"].to_numpy()[-600:])
    path = forge(tmp_path / "forged.parquet", replaced(table, "label", better), lambda r: r.update(claims={"auc": 1}))
    assert verify([path]).files[0].claims["auc"] == 1
    message = (
        f"{len(changed)} of 600 labels are not those of the events, the first in row {2_400 + changed[0]:,} from 0"
    )
    with pytest.raises(VerificationError, match=message):
        verify([path], folder / "events.parquet")
    with pytest.raises(VerificationError, match="their labels of the same rows differ"):
        verify([file_of(folder, "weak"), path])
    blind = forge(tmp_path / "blind.parquet", table.drop_columns(["label"]))
    of_events = verify([blind], folder / "events.parquet").files[0]
    assert of_events.measures == verify([file_of(folder)]).files[0].measures


def test_scores_of_other_events_are_refused(folder, tmp_path):
    origin = write_events(tmp_path / "others.parquet", seed=2)
    path = forge(
        tmp_path / "forged.parquet", stored(file_of(folder)), lambda r: r["events"].update(sha256=origin.sha256)
    )
    for paths, events in (([file_of(folder), path], ""), ([path], folder / "events.parquet")):
        with pytest.raises(VerificationError, match=r"forged.parquet: its scores are of other events than .*parquet"):
            verify(paths, events)
    with pytest.raises(VerificationError, match="labels are not those of the events"):
        verify([path], tmp_path / "others.parquet")


def test_damaged_events_are_refused(folder, tmp_path):
    content = bytearray((folder / "events.parquet").read_bytes())
    content[5_000] ^= 1
    (tmp_path / "events.parquet").write_bytes(content)
    with pytest.raises(data.DataError, match="damaged"):
        verify([file_of(folder)], tmp_path / "events.parquet")


def test_a_record_without_a_hash_is_refused(folder, tmp_path):
    table = with_record(stored(file_of(folder)), lambda record: record.pop("sha256"))
    pq.write_table(table, tmp_path / "old.parquet")
    with pytest.raises(VerificationError, match="its record has no hash"):
        verify([tmp_path / "old.parquet"])


# --------------------------------------------------------------------------------------- scores of other programs
@pytest.fixture(scope="module")
def foreign(folder):
    """The same scores as other programs write them, and as numbers without bounds; by the names of the files."""
    labels, scores = Run(folder).scores("strong", "test")
    values = {"row": TEST, "label": labels, "score": scores.astype(float)}

    def write(name, columns, order=slice(None)):
        pd.DataFrame(values)[columns].iloc[order].to_csv(folder / name, index=False)

    write("rows.csv", ["row", "score"], np.random.default_rng(1).permutation(600))
    write("labels.csv", ["label", "score"])
    write("shuffled.csv", ["label", "score"], np.random.default_rng(1).permutation(600))
    write("cut.csv", ["row", "score"], slice(10, None))
    np.save(folder / "scores.npy", scores)
    np.save(folder / "logits.npy", np.log(scores.astype(float) / (1 - scores.astype(float))))
    np.save(folder / "short.npy", scores[:-10])
    pq.write_table(pa.table({"label": labels, "score": scores}), folder / "other.parquet")
    return folder


@pytest.mark.parametrize("name", ["rows.csv", "labels.csv", "scores.npy", "other.parquet"])
def test_scores_of_other_programs_give_the_same(foreign, name):
    ours = verify([file_of(foreign)]).files[0]
    (theirs,) = verify([foreign / name], foreign / "events.parquet", "2400:3000").files
    assert theirs.measures == ours.measures
    assert (theirs.sha256, theirs.claims, theirs.model) == ("", {}, {})
    pair = verify([foreign / name, file_of(foreign, "weak")], foreign / "events.parquet")
    assert pair.test.rows == SPLITS.test
    ours = verify([file_of(foreign), file_of(foreign, "weak")])
    assert (pair.auc_test, pair.accuracy_test) == (ours.auc_test, ours.accuracy_test)


def test_scores_that_are_no_probabilities_have_an_auc_alone(foreign):
    ours = verify([file_of(foreign)]).files[0].measures["auc"]
    pair = verify([foreign / "logits.npy", file_of(foreign)], foreign / "events.parquet")
    assert pair.files[0].measures.keys() == {"auc"}
    assert pair.files[0].measures["auc"] == pytest.approx(ours, abs=1e-9)
    assert pair.accuracy_test is None


@pytest.mark.parametrize(
    ("name", "events", "split", "message"),
    [
        ("rows.csv", "", "2400:3000", "rows.csv: does not tell of which events its scores are"),
        ("rows.csv", "events.parquet", "", "rows.csv: does not tell its test rows"),
        ("rows.csv", "events.parquet", "2400:3001", "3,000 events have no test rows 2,400:3,001"),
        ("rows.csv", "events.parquet", "2399:3000", "600 of 601 test rows 2,399:3,000"),
        ("rows.csv", "events.parquet", "last", "unknown split 'last': choose one of last500k"),
        ("rows.csv", "events.parquet", "rtdl", "their rows are not in the order of the split rtdl"),
        ("cut.csv", "events.parquet", "2400:3000", "cut.csv: 590 of 600 test rows"),
        ("short.npy", "events.parquet", "2400:3000", "short.npy: 590 of 600 test rows"),
        ("shuffled.csv", "events.parquet", "2400:3000", "labels are not those of the events"),
    ],
)
def test_what_other_programs_leave_out_is_named(foreign, name, events, split, message):
    with pytest.raises(VerificationError) as refused:
        verify([foreign / name], events and foreign / events, split)
    assert message in str(refused.value)


# ----------------------------------------------------------------------------------------------------- named splits
def test_a_file_that_leaves_out_events_of_a_named_split_is_named(tmp_path):
    sizes = data.NAMED_SPLITS["rtdl"].sizes
    splits = data.Splits.from_sizes(sizes.n_training, sizes.n_validation, sizes.n_test)
    origin = write_events(tmp_path / "events.parquet", splits.test.stop, recipe={"split": {"name": "rtdl"}})
    labels = data.load(tmp_path / "events.parquet", (), splits.test).labels
    scores = np.random.default_rng(1).random(len(labels), np.float32)
    record = make_record({}, origin, splits)
    assert record["split"] == "rtdl"
    Run(tmp_path).save_scores("all", {"test": Scores(labels, scores)}, {"test": splits.test}, record)
    result = verify([file_of(tmp_path, "all")], tmp_path / "events.parquet")
    assert result.test.description == "test rows of split rtdl"
    kept = np.sort(np.argsort(np.abs(labels - scores))[:-10])  # without the ten that are hardest
    rows = np.asarray(splits.test)[kept]
    Run(tmp_path).save_scores("few", {"test": Scores(labels[kept], scores[kept])}, {"test": rows}, record)
    for split in ("", "rtdl"):
        with pytest.raises(VerificationError, match=r"few.parquet: 19,600 of 19,610 test rows of split rtdl: a result"):
            verify([file_of(tmp_path, "few")], split=split)

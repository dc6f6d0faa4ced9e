"""Every form in which people have HIGGS gives the same events: each is written by another library."""

import bz2
import gzip
import hashlib
import lzma
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import dump_svmlight_file

from higgs_lib import data, simulation
from higgs_lib.data import COLUMNS, COMPLETE, DataError, datasets, text

OPENML = [name.replace("pt", "pT") if name.startswith("lepton") else name for name in COMPLETE]
OPENML = [name.replace("jet_", "jet").replace("_b_tag", "b-tag") for name in OPENML]
OPENML = ["class", *(f"{name}_magnitude" if name == "missing_energy" else name for name in OPENML)]
OPENML = [name if name[:3] != "jet" else name.replace("_", "") for name in OPENML]
"""As OpenML's data set 23512 names the columns: lepton_pT, missing_energy_magnitude, jet1pt, jet1b-tag, ..."""


def table(path) -> np.ndarray:
    return np.stack([column.to_numpy() for column in pq.read_table(path).columns], 1)


def ingested(source, **mapping) -> np.ndarray:
    destination = Path(f"{source}.ingested.parquet")
    data.ingest(source, destination, **mapping)
    return table(destination)


def refusal(source, **mapping) -> str:
    """Returns the one line by which a file is refused, which leaves nothing behind."""
    destination = Path(source).parent / "out" / "events.parquet"
    with pytest.raises(DataError) as refused:
        data.ingest(source, destination, **mapping)
    assert not destination.parent.exists() or not list(destination.parent.iterdir())
    assert len(f"{refused.value}".splitlines()) == 1
    return f"{refused.value}".removeprefix(f"{source}")


@pytest.fixture(params=["built-in", "UCI"])
def values(request, rows) -> np.ndarray:
    """(n, 29) events."""
    if request.param == "built-in":
        return rows
    sample = pd.read_csv(request.getfixturevalue("uci_csv"), header=None, nrows=300, float_precision="round_trip")
    return sample.to_numpy(np.float32)


def as_csv(values) -> bytes:
    return pd.DataFrame(values.astype(float)).to_csv(header=False, index=False, float_format="%.18e").encode()


def frame(values, names=COLUMNS) -> pd.DataFrame:
    return pd.DataFrame(values, columns=list(names))


def packed_zip(path, content, name="HIGGS.csv.gz"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._HIGGS.csv", "")
        archive.writestr(name, content)


def as_arff(values, names=OPENML) -> str:
    attributes = "".join(f"@ATTRIBUTE '{name}' {'{0,1}' if name == 'class' else 'REAL'}\n" for name in names)
    lines = "".join(f"{row[0]:g},{','.join(map(repr, row[1:].tolist()))}\n" for row in values)
    return f"% from another library\n@RELATION higgs\n\n{attributes}\n@DATA\n% rows\n{lines}"


def write_root(path, values, names=COLUMNS, **trees_):
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(path) as file:
        file.mktree("events", dict.fromkeys(names, np.float32)).extend(dict(zip(names, values.T, strict=True)))
        for name in trees_:
            file.mktree(name, {"x": np.float32}).extend({"x": np.ones(3, np.float32)})


WRITERS = {
    "bzip2": lambda path, values: path.write_bytes(bz2.compress(as_csv(values))),
    "two streams of bzip2": lambda path, values: path.write_bytes(
        bz2.compress(as_csv(values[:9])) + bz2.compress(as_csv(values[9:]))
    ),
    "xz": lambda path, values: path.write_bytes(lzma.compress(as_csv(values), preset=0)),
    "gzip twice": lambda path, values: path.write_bytes(gzip.compress(gzip.compress(as_csv(values), 1))),
    "zip": lambda path, values: packed_zip(path, as_csv(values), "HIGGS.csv"),
    "UCI's zip": lambda path, values: packed_zip(path, gzip.compress(as_csv(values), 1)),
    "pandas": lambda path, values: frame(values.astype(float)).to_csv(path),  # with an index
    "pandas without names": lambda path, values: pd.DataFrame(values.astype(float)).to_csv(path, index=False),
    "in another order": lambda path, values: frame(values)[list(COLUMNS[::-1])].astype(float).to_csv(path, index=False),
    "quoted names": lambda path, values: path.write_bytes(
        ",".join(f'"{name}"' for name in OPENML).encode() + b"\r\n" + as_csv(values)
    ),
    "Parquet": lambda path, values: frame(values, OPENML).astype({"class": int}).to_parquet(path),
    "Parquet of categories": lambda path, values: (
        frame(values.astype(float), OPENML)
        .assign(**{"class": [f"{label:.0f}" for label in values[:, 0]]})
        .astype({"class": "category"})
        .to_parquet(path)
    ),
    "ARFF": lambda path, values: path.write_text(as_arff(values)),
    "ARFF in gzip": lambda path, values: path.write_bytes(gzip.compress(as_arff(values).encode())),
    "libsvm": lambda path, values: dump_svmlight_file(values[:, 1:], values[:, 0], f"{path}", zero_based=False),
    "libsvm from 0": lambda path, values: dump_svmlight_file(values[:, 1:], values[:, 0], f"{path}", comment="a\nb"),
    "ROOT": write_root,
}


def save(path, array):
    with path.open("wb") as file:  # whose name numpy leaves as it is
        np.save(file, array)


WRITERS |= {
    "NumPy": lambda path, values: save(path, values.astype(float)),
    "NumPy in Fortran's order": lambda path, values: save(path, np.asfortranarray(values)),
}


@pytest.mark.parametrize("form", WRITERS)
def test_each_form_gives_the_same_events(tmp_path, values, form, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 30_000)
    WRITERS[form](tmp_path / "events", values)
    assert np.array_equal(ingested(tmp_path / "events"), values)


SPELLINGS = {
    "UCI": [name.replace("_b_tag", " b-tag").replace("pt", "pT") for name in COLUMNS],
    "OpenML": OPENML,
    "TensorFlow": ["class_label", *(f"{n}_magnitude" if n == "missing_energy" else n for n in COMPLETE)],
    "R": [name.replace("-", ".") for name in OPENML],
    "with spaces": ["target", *(name.replace("_", " ").upper() for name in COMPLETE)],
}


@pytest.mark.parametrize("names", SPELLINGS.values(), ids=SPELLINGS)
def test_columns_are_recognised_in_every_spelling_and_order(tmp_path, rows, names):
    order = np.random.default_rng(1).permutation(29)
    frame(rows, names).iloc[:, order].astype(float).to_csv(tmp_path / "events.csv", index=False)
    assert np.array_equal(ingested(tmp_path / "events.csv"), rows)


def test_a_mapping_says_what_the_file_does_not(tmp_path, rows):
    last = np.roll(rows, -1, axis=1)
    (tmp_path / "last.csv").write_bytes(as_csv(last))
    assert "the first is not; if the label stands last, say so: `higgs-lib ingest --label last`" in refusal(
        tmp_path / "last.csv"
    )
    assert np.array_equal(ingested(tmp_path / "last.csv", label="last"), rows)
    np.save(tmp_path / "last.npy", last)
    assert "--label last" in refusal(tmp_path / "last.npy")
    assert np.array_equal(ingested(tmp_path / "last.npy", label="last"), rows)
    mirrored, names = rows[:, [0, *range(28, 0, -1)]], COMPLETE[::-1]
    (tmp_path / "mirrored.csv").write_bytes(as_csv(mirrored))
    assert np.array_equal(ingested(tmp_path / "mirrored.csv", columns=names), rows)
    frame(mirrored, ["s", *(f"f{n}" for n in range(28))]).to_parquet(tmp_path / "mirrored.parquet")
    assert "none of the columns 's', 'f0', 'f1', 'f2', 'f3' and 24 more is called label" in refusal(
        tmp_path / "mirrored.parquet"
    )
    assert "the columns 'f0', 'f1', 'f2', 'f3', 'f4' and 23 more are not understood" in refusal(
        tmp_path / "mirrored.parquet", label="s"
    )
    assert np.array_equal(ingested(tmp_path / "mirrored.parquet", label="s", columns=names), rows)
    origin = data.origin(f"{tmp_path}/mirrored.parquet.ingested.parquet")
    assert origin.recipe["label"] == "s"
    assert origin.recipe["columns"] == list(names)
    assert origin.recipe["found"] == {"form": "Parquet", "file_columns": ["label", *names]}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"label": "last"}, "the columns 'label' are not understood, and 'm_wwbb' are missing"),
        ({"label": "signal"}, "label is 'signal', but none of the columns 'label', 'lepton_pt'"),
        ({"columns": COMPLETE[::-1]}, "the column 'lepton_pt' is lepton_pt, but columns says m_wwbb"),
        ({"columns": COMPLETE[1:]}, "columns: the 28 features are expected, each once; missing: 'lepton_pt'"),
        ({"columns": ("x", *COMPLETE[1:])}, "each once; unknown: 'x'; missing: 'lepton_pt'"),
        ({"missing": "ignore"}, 'missing is \'ignore\': give "refuse", or "drop"'),
        ({"label": ""}, "label is empty"),
    ],
)
def test_a_mapping_is_used_or_refused(tmp_path, rows, mapping, message):
    frame(rows).astype(float).to_csv(tmp_path / "events.csv", index=False)
    assert message in refusal(tmp_path / "events.csv", **mapping)


FOREIGN = {
    "ATLAS Higgs challenge of 2014": "EventId,DER_mass_MMC,PRI_tau_pt,PRI_met,Weight,Label\n1,-999,1,1,1,s",
    "ATLAS Higgs challenge": "EventId,DER_mass_MMC,PRI_met,Label,KaggleSet,KaggleWeight\n1,-999,1,s,t,1",
    "UCI SUSY": ",".join(["1"] + ["0.5"] * 18),
    "SUSY": "label,lepton 1 pT,lepton 2 pT,MET_rel,axial MET,M_R,M_TR_2,R,MT2,S_R\n" + ",".join(["1"] * 10),
    "UCI HEPMASS": "# label," + ",".join(f"f{n}" for n in range(27)) + ",mass\n" + ",".join(["1"] * 28) + ",1000",
    "HEPMASS": ",".join(["1"] + ["-0.5"] * 27 + ["499.999"]),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_data_sets_are_refused_by_name(tmp_path, name):
    (tmp_path / "training.csv").write_text(FOREIGN[name] + "\n")
    assert name in refusal(tmp_path / "training.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,lepton_pt\n1,2\n", "2 columns, where 29 are expected; missing are 'lepton_eta', "),
        (",".join([*COLUMNS, "weight"]) + "\n" + "1," * 29 + "1\n", "'weight' are no columns of UCI HIGGS"),
        (",".join([*COLUMNS, "class"]) + "\n" + "1," * 29 + "1\n", "any of 'label', 'class' may be the label"),
        (",".join([*COLUMNS, "m jj"]) + "\n" + "1," * 29 + "1\n", "'m jj', 'm_jj' are the same feature twice: write"),
        (
            ",".join([*COLUMNS[:-1], "m bb"]) + "\n" + "1," * 28 + "1\n",
            "'m bb', 'm_bb' are the same feature twice, and 'm_wwbb' is missing",
        ),
        (",".join([*COLUMNS, "m_jj"]) + "\n" + "1," * 29 + "1\n", "several columns are called 'm_jj'"),
        (",".join([*COLUMNS, "µ"]) + "\n" + "1," * 29 + "1\n", "'µ' are no columns of UCI HIGGS"),
        ("1;" * 28 + "2\n", "semicolons separate its columns"),
        ("@relation x\n@attribute a real\n", "an ARFF file without @data"),
        ("@relation x\n@attribute a real\n@data\n1\n", "1 columns, where 29 are expected"),
        (as_arff(np.ones((0, 29))) + "{0 1, 3 0.5}\n", "an ARFF file with sparse rows"),
        ("1 1:0.5 29:1\n", "indices of features go from 1 to 29"),
        ("1 0:0.5 28:1\n", "indices of features go from 0 to 28"),
        ("1 1:0.5 21:1\n", "indices of features go from 1 to 21, where 1 to 28 or 0 to 27 are expected"),
        ("1 1:0.5 18:1\n", "this seems to be UCI SUSY"),
        ("1 1:0.5 27:1\n", "this seems to be UCI HEPMASS"),
    ],
)
def test_what_is_not_understood_is_one_line(tmp_path, content, message):
    (tmp_path / "events").write_text(content)
    assert message in refusal(tmp_path / "events")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("4:abc", ", row 321, column 5 (missing_energy): 'abc' is not a finite number"),
        ("4:1e39", ", row 321, column 5 (missing_energy): '1e39' does not fit into float32"),
        ("4:1_0", ", row 321, column 5 (missing_energy): '1_0' is not a finite number"),
        ("x:1", ", row 321: 'x:1' is no INDEX:VALUE with an index of 1 to 28"),
        ("0:1", ", row 321: '0:1' is no INDEX:VALUE"),
        ("2:1", ", row 321: an index stands twice"),
        ("3:1", ", row 321: lepton_pt, index 1, is absent or 0, which it is in no event"),
    ],
)
def test_an_invalid_row_of_libsvm_is_named(tmp_path, rows, monkeypatch, pair, message):
    dump_svmlight_file(rows[:, 1:], rows[:, 0], f"{tmp_path}/events", zero_based=False)
    lines = (tmp_path / "events").read_text().splitlines()
    lines[320] = f"1 2:1 {pair} 28:2  # a comment"
    lines[400] = "5 1:1"
    monkeypatch.setattr(text, "BLOCK", 3000)
    (tmp_path / "events").write_text("\n\n".join(lines))
    assert refusal(tmp_path / "events").startswith(message)


@pytest.mark.parametrize("form", ["ARFF", "CSV", "Parquet", "NumPy"])
@pytest.mark.parametrize(("column", "value"), [(3, np.nan), (3, 1e39), (0, 2.0)])
def test_an_invalid_value_is_named_in_every_form(tmp_path, rows, form, column, value):
    bad = rows.astype(float)
    bad[320, column] = value
    writers = {
        "ARFF": lambda path, values: path.write_text(as_arff(values).replace("nan", "?")),
        "CSV": lambda path, values: frame(values).to_csv(path, index=False),
        "Parquet": lambda path, values: frame(values).to_parquet(path),
        "NumPy": save,
    }
    writers[form](tmp_path / "events", bad)
    assert refusal(tmp_path / "events").startswith(f", row 321, column {column + 1} ({COLUMNS[column]}): ")
    if np.isnan(value):
        assert "--missing drop" in refusal(tmp_path / "events")
        assert np.array_equal(ingested(tmp_path / "events", missing="drop"), np.delete(rows, 320, axis=0))
        found = data.origin(tmp_path / "events.ingested.parquet").recipe
        assert (found["missing"], found["found"]["n_dropped"]) == ("drop", 1)
    else:
        assert refusal(tmp_path / "events", missing="drop")


def test_rows_that_are_dropped_are_counted_in_the_log(tmp_path, rows, caplog):
    """The last row of OpenML's 98,050 lacks nine values."""
    (tmp_path / "higgs.arff").write_text(as_arff(rows) + "1," + "0.5," * 19 + ", ".join("?" * 9) + "\n")
    assert ", row 501, column 21 (jet_4_phi): '?' is not a finite number" in refusal(tmp_path / "higgs.arff")
    assert np.array_equal(ingested(tmp_path / "higgs.arff", missing="drop"), rows)
    assert "higgs.arff: 1 of 501 rows left out for missing values" in caplog.text
    (tmp_path / "empty.csv").write_text("," * 28 + "\n")
    assert "holds rows, all with missing values" in refusal(tmp_path / "empty.csv", missing="drop")


def test_columns_in_another_order_are_warned_of(tmp_path, rows, caplog):
    """Momenta and masses are positive; without names nothing else tells a pseudorapidity from a momentum."""
    assert np.array_equal(ingested(save_csv(tmp_path / "right.csv", rows)), rows)
    assert not caplog.text
    exchanged = rows[:, [0, 2, 1, *range(3, 29)]]
    assert np.array_equal(ingested(save_csv(tmp_path / "exchanged.csv", exchanged)), exchanged)
    assert f"in every event of UCI HIGGS, and here lepton_pt is {exchanged[:, 1].min():g}: are these" in caplog.text


def save_csv(path, values):
    path.write_bytes(as_csv(values))
    return path


@pytest.mark.parametrize("form", ["Parquet", "ZLIB", "LZMA", "ZSTD"])
def test_a_file_with_changed_bytes_is_one_line(tmp_path, rows, form):
    """Checksums of pages tell in Parquet, the compression in ROOT; but LZ4 there is read without its checksums."""
    path = tmp_path / "events"
    if form == "Parquet":
        frame(rows).to_parquet(path, write_page_checksum=True)
    else:
        uproot = pytest.importorskip("uproot")
        with uproot.recreate(path, compression=getattr(uproot, form)(5)) as file:
            file["events"] = {name: rows[:, n] for n, name in enumerate(COLUMNS)}
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(200) + content[middle + 200 :])
    assert "damaged" in refusal(path)


def test_a_pipe_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file, such as a pipe; write the events to a file" in refusal(tmp_path / "pipe")


def test_features_and_labels_are_a_pair_of_arrays(tmp_path, rows):
    features, labels = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(features, rows[:, 1:])
    np.save(labels, rows[:, :1].astype(bool))
    assert "give the file of labels: `higgs-lib ingest --label LABELS.npy`" in refusal(features)
    assert np.array_equal(ingested(features, label=f"{labels}"), rows)
    assert "z.npy: no such file of labels" in refusal(features, label=f"{tmp_path}/z.npy")
    with pytest.raises(DataError, match="is the source itself"):
        data.ingest(features, labels, label=f"{labels}")
    np.save(labels, rows[:-1, 0])
    assert "y.npy: an array (499,), where a label for each of 500 events" in refusal(features, label=f"{labels}")
    np.save(labels, np.array([object()]), allow_pickle=True)
    assert "y.npy: not an array of numbers (.npy)" in refusal(features, label=f"{labels}")
    features.write_bytes(features.read_bytes()[:-100])
    assert "damaged or cut" in refusal(features, label=f"{labels}")


@pytest.mark.parametrize("names", ["N_{}.npy y_{}.npy", "X_num_{}.npy Y_{}.npy"])
def test_a_folder_of_three_parts_keeps_their_order(tmp_path, rows, names):
    folder = tmp_path / "higgs-small"
    folder.mkdir()
    (folder / "info.json").write_text("{}")
    x, y = names.split()
    with_gap = np.concatenate([rows, rows[:1]])
    with_gap[-1, 7] = np.nan
    for part, part_rows in {"test": with_gap[400:], "train": with_gap[:300], "val": with_gap[300:400]}.items():
        assert "is a folder; give the file of events in it" in refusal(folder)
        np.save(folder / x.format(part), part_rows[:, 1:])
        np.save(folder / y.format(part), part_rows[:, 0].astype(int))
    assert refusal(folder).startswith(", row 501, column 8 (jet_1_eta): 'nan'")
    assert "the folder has files of labels" in refusal(folder, label="last")
    assert np.array_equal(ingested(folder, missing="drop"), rows)
    found = data.origin(f"{folder}.ingested.parquet").recipe["found"]
    assert found["parts"] == {"training": 300, "validation": 100, "test": 100}
    np.save(folder / "C_train.npy", np.ones(3))
    assert "has categorical features (C_train.npy)" in refusal(folder)


def test_one_of_several_trees_has_to_be_named(tmp_path, rows, monkeypatch):
    write_root(tmp_path / "delphes.root", rows, OPENML, other=None)
    assert "this has events, other; name one of several as FILE.root:TREE" in refusal(tmp_path / "delphes.root")
    assert np.array_equal(ingested(f"{tmp_path}/delphes.root:events"), rows)
    assert "no tree 'third' in this ROOT file, which has events, other" in refusal(f"{tmp_path}/delphes.root:third")
    assert "1 columns, where 29 are expected" in refusal(f"{tmp_path}/delphes.root:other")
    monkeypatch.setitem(sys.modules, "uproot", None)
    assert "install it: `pip install uproot`" in refusal(f"{tmp_path}/delphes.root:events")


def test_a_parquet_file_of_this_library_keeps_its_origin(tmp_path):
    origin = simulation.simulate(tmp_path / "a.parquet", 300, seed=5, workers=1)
    assert data.ingest(tmp_path / "a.parquet", tmp_path / "b.parquet") == origin == data.origin(tmp_path / "b.parquet")
    assert np.array_equal(table(tmp_path / "a.parquet"), table(tmp_path / "b.parquet"))
    damaged = bytearray((tmp_path / "a.parquet").read_bytes())
    damaged[5000] ^= 1
    (tmp_path / "a.parquet").write_bytes(damaged)
    assert "damaged" in refusal(tmp_path / "a.parquet")


def test_ucis_own_file_is_recognised_within_its_zip(tmp_path, rows, monkeypatch):
    packed = gzip.compress(as_csv(rows), 1)
    monkeypatch.setattr(datasets, "UCI", datasets.UCI._replace(sha256=hashlib.sha256(packed).hexdigest()))
    packed_zip(tmp_path / "higgs.zip", packed)
    assert data.ingest(tmp_path / "higgs.zip", tmp_path / "events.parquet").event_type == "uci"
    (tmp_path / "HIGGS.csv.gz").write_bytes(packed)
    other = data.ingest(tmp_path / "HIGGS.csv.gz", tmp_path / "events.parquet", columns=COMPLETE[::-1])
    assert other.event_type == "file"


@pytest.mark.parametrize("form", ["bzip2", "xz", "UCI's zip", "Parquet", "ROOT"])
def test_a_file_that_was_cut_is_one_line(tmp_path, rows, form):
    WRITERS[form](tmp_path / "events", rows)
    content = (tmp_path / "events").read_bytes()
    (tmp_path / "events").write_bytes(content[: len(content) // 2])
    assert "damaged or cut" in refusal(tmp_path / "events")

"""Files of four-vectors: as awkward reads them, the way back, and what is refused."""

import hashlib
import json
from dataclasses import asdict

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from higgs_lib import data, simulation
from higgs_lib.data import COLUMNS, DataError, conversion, event_records, four_vector_files, origin
from higgs_lib.data.parquet import DamagedError, EventWriter, UnknownOriginError

READ = {".parquet": ak.from_parquet, ".arrow": ak.from_feather, ".feather": ak.from_feather}
WRITE = {".parquet": ak.to_parquet, ".arrow": ak.to_feather, ".feather": ak.to_feather}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Built-in events."""
    path = tmp_path_factory.mktemp("source") / "events.parquet"
    simulation.simulate(path, 400, seed=4, workers=1)
    return path


@pytest.fixture(params=four_vector_files.FORMATS)
def four_vectors(request, source, tmp_path):
    """The same as four-vectors, in each format."""
    data.convert_to_four_vectors(source, tmp_path / f"four_vectors{request.param}")
    return tmp_path / f"four_vectors{request.param}"


@pytest.fixture
def small_pieces(monkeypatch):
    """Files are read and converted in pieces of a few events, in several threads."""
    monkeypatch.setattr(conversion, "ROW_GROUP", 90)
    monkeypatch.setattr(conversion, "cores", lambda: 3)


def test_awkward_reads_the_records(source, four_vectors):
    records = event_records.to_records(pq.read_table(source))
    assert ak.to_list(READ[four_vectors.suffix](four_vectors)) == records.to_pylist()


def test_the_way_back_gives_the_same_file_with_the_same_origin(source, four_vectors, tmp_path):
    back = data.convert_to_events(four_vectors, tmp_path / "again.parquet")
    assert back == origin(source) == data.parquet.verify(tmp_path / "again.parquet")
    assert back.event_type == "simulated"
    assert (tmp_path / "again.parquet").read_bytes() == source.read_bytes()


def test_each_format_has_a_description_of_its_own(source, tmp_path):
    for suffix in four_vector_files.FORMATS:
        data.convert_to_four_vectors(source, tmp_path / f"four_vectors{suffix}")
    for suffix in four_vector_files.FORMATS:
        described = json.loads((tmp_path / f"four_vectors{suffix}.croissant.json").read_text())["distribution"]
        content = (tmp_path / f"four_vectors{suffix}").read_bytes()
        assert [file["sha256"] for file in described] == [hashlib.sha256(content).hexdigest()]


def test_changed_values_of_as_many_events_are_warned_of(source, tmp_path, caplog):
    """So a damaged file in Arrow's own format is noticed, which has no checksums."""
    data.convert_to_four_vectors(source, tmp_path / "four_vectors.arrow")
    records = pa.ipc.open_file(tmp_path / "four_vectors.arrow").read_all()
    turned = pa.array(1 - records["label"].to_numpy())
    feather.write_feather(
        records.set_column(records.column_names.index("label"), "label", turned), tmp_path / "turned.arrow"
    )
    assert data.convert_to_events(tmp_path / "turned.arrow", tmp_path / "turned.parquet").event_type == "file"
    assert "turned.arrow: its values are not those that it was made of, so they were changed, or are" in caplog.text


def test_pieces_and_threads_change_nothing(source, four_vectors, tmp_path, small_pieces):
    other = tmp_path / f"other{four_vectors.suffix}"
    data.convert_to_four_vectors(source, other)
    assert ak.to_list(READ[other.suffix](other)) == ak.to_list(READ[other.suffix](four_vectors))
    assert data.convert_to_events(other, tmp_path / "again.parquet") == origin(source)


def test_uci_events_come_back_to_the_same_file(uci_events, tmp_path):
    converted = data.convert_to_four_vectors(uci_events, tmp_path / "four_vectors.parquet")
    assert converted.agreement("m_bb") > 0.999
    assert converted.two_tags / converted.origin.n_events == pytest.approx(0.797, abs=0.01)
    assert data.convert_to_events(tmp_path / "four_vectors.parquet", tmp_path / "again.parquet") == origin(uci_events)
    assert (tmp_path / "again.parquet").read_bytes() == uci_events.read_bytes()


def test_events_that_awkward_selected_are_those_of_a_users_file(source, four_vectors, tmp_path):
    events = READ[four_vectors.suffix](four_vectors)
    WRITE[four_vectors.suffix](events[events.label == 1], tmp_path / f"signal{four_vectors.suffix}")
    back = data.convert_to_events(tmp_path / f"signal{four_vectors.suffix}", tmp_path / "signal_events.parquet")
    table = pq.read_table(source)
    signal = table.filter(pa.compute.equal(table["label"], 1))
    assert pq.read_table(tmp_path / "signal_events.parquet").equals(signal)
    assert back.event_type == "file"
    assert back.name == f"events of signal{four_vectors.suffix}"


def test_changed_events_of_a_file_that_tells_its_origin_keep_it_as_what_they_were_made_from(source, tmp_path):
    data.convert_to_four_vectors(source, tmp_path / "four_vectors.parquet")
    pq.write_table(pq.read_table(tmp_path / "four_vectors.parquet")[:10], tmp_path / "ten.parquet")
    back = data.convert_to_events(tmp_path / "ten.parquet", tmp_path / "ten_events.parquet")
    assert (back.event_type, back.n_events) == ("file", 10)
    assert back.recipe["made_from"] == asdict(origin(source))
    assert origin(tmp_path / "ten_events.parquet") == back


def test_a_folder_and_files_of_other_programs_are_converted_with_the_hash_of_their_events(source, tmp_path):
    table = pq.read_table(source)
    (tmp_path / "folder").mkdir()
    for number, rows in enumerate((table[:150], table[150:])):
        pq.write_table(rows.replace_schema_metadata(), tmp_path / "folder" / f"part-{number}.parquet")
    converted = data.convert_to_four_vectors(tmp_path / "folder", tmp_path / "four_vectors.parquet")
    assert (converted.origin.event_type, converted.origin.name) == ("file", "events of folder")
    assert converted.origin.sha256 == origin(source).sha256
    assert ak.to_list(ak.from_parquet(tmp_path / "four_vectors.parquet").row) == list(range(400))


def test_columns_in_other_units_are_warned_of(source, tmp_path, caplog):
    table = pq.read_table(source).replace_schema_metadata()
    in_gev = pa.table({name: np.asarray(table[name]) * (50 if name == "jet_1_pt" else 1) for name in COLUMNS})
    pq.write_table(in_gev, tmp_path / "gev.parquet")
    converted = data.convert_to_four_vectors(tmp_path / "gev.parquet", tmp_path / "four_vectors.parquet")
    assert converted.agreement("m_bb") < 0.6
    assert "the columns of the jets are not those of UCI HIGGS in its units" in caplog.text
    caplog.clear()
    exchanged = {"lepton_pt": "lepton_eta", "lepton_eta": "lepton_pt"}
    pq.write_table(
        table.select([exchanged.get(name, name) for name in COLUMNS]).rename_columns(COLUMNS), tmp_path / "other"
    )
    converted = data.convert_to_four_vectors(tmp_path / "other", tmp_path / "other.arrow")
    assert converted.agreement("m_bb") == 1
    assert converted.agreement("m_lv") < 0.5
    assert "the columns of lepton and missing momentum are not those of UCI HIGGS in its units" in caplog.text
    caplog.clear()
    assert data.convert_to_four_vectors(source, tmp_path / "right.parquet").agreement("m_bb") == 1
    assert not caplog.text


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"m_bb": np.nan}, DataError, "bad.parquet: row 250 from 0, column m_bb: nan is not a finite number"),
        ({"label": 2}, DataError, "bad.parquet: row 250 from 0, column label: 2.0 is not a label of 0 or 1"),
        ({"jet_4_b_tag": 9}, DataError, "bad.parquet: jet_4_b_tag must be 0 without a tag"),
        ({"m_bb": "text"}, DataError, "bad.parquet: could not convert string to float"),
        ({}, DataError, "bad.parquet: the columns m_wwbb are missing, or there twice"),
    ],
)
def test_a_source_that_is_not_in_ucis_format_is_refused_and_leaves_no_file(source, tmp_path, change, error, message):
    columns = {name: np.asarray(column).copy() for name, column in zip(COLUMNS, pq.read_table(source), strict=True)}
    for name, value in change.items():
        columns[name] = columns[name].astype(object)
        columns[name][250] = value
        columns[name] = columns[name].astype(str if value == "text" else float)
    if not change:
        del columns["m_wwbb"]
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(error, match=message):
        data.convert_to_four_vectors(tmp_path / "bad.parquet", tmp_path / "four_vectors.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.parquet"]


def test_values_that_are_not_those_of_the_record_are_noticed(source, tmp_path):
    with EventWriter(tmp_path / "other.parquet") as writer:
        writer.write(np.stack([np.asarray(c) for c in pq.read_table(source).columns], 1))
        writer.hash = hashlib.sha256()
        writer.close("simulated", {"seed": 4})
    with pytest.raises(DamagedError, match=r"other.parquet: damaged, as its values are not those that were written"):
        data.convert_to_four_vectors(tmp_path / "other.parquet", tmp_path / "four_vectors.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["other.parquet"]


def test_a_file_is_never_converted_into_itself_or_into_its_folder(source, four_vectors, tmp_path):
    before = source.read_bytes(), four_vectors.read_bytes()
    (tmp_path / "folder").mkdir()
    pq.write_table(pq.read_table(source), tmp_path / "folder" / "part.parquet")
    for destination, of in ((source, source), (tmp_path / "folder" / "new.parquet", tmp_path / "folder")):
        with pytest.raises(DataError, match="is part of the source itself"):
            data.convert_to_four_vectors(of, destination)
    with pytest.raises(DataError, match="is part of the source itself"):
        data.convert_to_events(four_vectors, four_vectors)
    assert (source.read_bytes(), four_vectors.read_bytes()) == before


def test_other_files_are_named_with_what_they_lack(source, tmp_path):
    (tmp_path / "text.parquet").write_text("1,2,3\n")
    with pytest.raises(DataError, match=r"text.parquet: not a Parquet file; `higgs-lib ingest` makes one"):
        data.convert_to_four_vectors(tmp_path / "text.parquet", tmp_path / "four_vectors.parquet")
    with pytest.raises(DataError, match=r"text.parquet: neither Parquet nor Arrow's format, which four-vectors have"):
        data.convert_to_events(tmp_path / "text.parquet", tmp_path / "events.parquet")
    with pytest.raises(DataError, match=r"missing.parquet: no such file; `higgs-lib convert --to four-vectors` makes"):
        data.convert_to_events(tmp_path / "missing.parquet", tmp_path / "events.parquet")
    with pytest.raises(FileNotFoundError, match=r"missing.parquet: no such events"):
        data.convert_to_four_vectors(tmp_path / "missing.parquet", tmp_path / "four_vectors.parquet")
    with pytest.raises(DataError, match=r"events.parquet: .*the fields lepton, missing, jets, masses are missing"):
        data.convert_to_events(source, tmp_path / "events.parquet")
    with pytest.raises(DataError, match=r"four_vectors.csv: the name must end with .parquet, .arrow, .feather"):
        data.convert_to_four_vectors(source, tmp_path / "four_vectors.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["text.parquet"]


def test_a_file_that_was_cut_is_noticed(four_vectors, tmp_path):
    four_vectors.write_bytes(four_vectors.read_bytes()[:-20])
    with pytest.raises(DamagedError, match="damaged or cut"):
        data.convert_to_events(four_vectors, tmp_path / "events.parquet")
    assert not (tmp_path / "events.parquet").exists()


@pytest.mark.parametrize("record", [b"[]", b"{}", b"{", b'{"m_bb": "a"}', b"null"])
def test_damaged_records_are_noticed(source, tmp_path, record):
    records = event_records.to_records(pq.read_table(source)[:5])
    feather.write_feather(records.replace_schema_metadata({"higgs_lib_scales": record}), tmp_path / "scales.arrow")
    with pytest.raises(DamagedError, match=r"scales.arrow: damaged, as its record of the scales"):
        data.convert_to_events(tmp_path / "scales.arrow", tmp_path / "events.parquet")
    feather.write_feather(
        records.replace_schema_metadata({"higgs_lib_four_vectors": record}), tmp_path / "origin.arrow"
    )
    with pytest.raises(DamagedError, match=r"origin.arrow: damaged, as its record of where the events come from"):
        data.convert_to_events(tmp_path / "origin.arrow", tmp_path / "events.parquet")
    assert not (tmp_path / "events.parquet").exists()


def test_what_holds_no_events_is_refused(source, tmp_path):
    (tmp_path / "folder").mkdir()
    feather.write_feather(event_records.to_records(pq.read_table(source)[:0]), tmp_path / "none.arrow")
    with pytest.raises(DataError, match="folder: holds no events"):
        data.convert_to_four_vectors(tmp_path / "folder", tmp_path / "four_vectors.parquet")
    with pytest.raises(DataError, match=r"none.arrow: holds no events"):
        data.convert_to_events(tmp_path / "none.arrow", tmp_path / "events.parquet")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "none.arrow"}


def test_four_vectors_are_no_file_of_events(four_vectors):
    if four_vectors.suffix == ".parquet":
        with pytest.raises(UnknownOriginError, match="not a file of events made by higgs_lib"):
            origin(four_vectors)

"""Records of four-vectors: the vector package computes of them what the file says, and the way back is exact."""

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import vector
from arrays import assert_close
from repository import ROOT

from higgs_lib import data, simulation
from higgs_lib.data import COLUMNS, COMPLETE, HIGH, event_records, kinematics

vector.register_awkward()


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return simulation.generate(2000, seed=3)


@pytest.fixture(scope="module")
def events(table) -> ak.Array:
    """The records of built-in events, as awkward and vector see them."""
    return as_vectors(event_records.to_records(table))


@pytest.fixture(scope="module")
def uci_table(uci_events) -> pa.Table:
    return data.load_table(uci_events, range(data.origin(uci_events).n_events))


def as_vectors(records: pa.Table) -> ak.Array:
    events = ak.from_arrow(records)
    for name in ("jets", "lepton"):
        events[name] = ak.with_name(events[name], "Momentum4D")
    neutrino = {"pt": events.missing.pt, "eta": events.neutrino_eta, "phi": events.missing.phi, "mass": 0}
    events["neutrino"] = ak.zip(neutrino, with_name="Momentum4D")
    return events


def column(values) -> np.ndarray:
    return ak.to_numpy(ak.drop_none(values))


def bits(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name]).view(np.uint32)


def test_m_bb_of_the_vector_package_is_that_of_the_file(events):
    two_tags = events[events.n_tags == 2]
    b_jets = two_tags.jets[two_tags.jets.b_tag > 0]
    assert_close((b_jets[:, 0] + b_jets[:, 1]).mass, two_tags.masses.m_bb, rel=1e-6)
    assert 0.7 < len(two_tags) / len(events) < 0.9


def test_m_lv_of_the_vector_package_is_that_of_the_file(events):
    assert_close((events.lepton + events.neutrino).mass, events.masses.m_lv, rel=1e-6)


@pytest.mark.parametrize("name", HIGH)
def test_recomputed_masses_are_those_of_the_library_and_missing_without_two_tags(table, events, name):
    expected = getattr(kinematics.recompute(table), name)
    assert ak.to_list(ak.is_none(events.recomputed[name])) == np.isnan(expected).tolist()
    assert_close(column(events.recomputed[name]), expected[~np.isnan(expected)], rel=1e-6)
    assert ak.to_list(ak.is_none(events.agrees[name])) == ak.to_list(ak.is_none(events.recomputed[name]))
    agrees = np.abs(expected / ak.to_numpy(events.masses[name]) - 1) < 0.005
    assert (ak.to_numpy(ak.fill_none(events.agrees[name], False)) == agrees).all()


def test_the_jets_that_a_mass_is_said_to_be_made_of_give_that_mass(events):
    """By the vector package; a b jet is told by m_jjj or by m_jlv, whichever tells."""
    told = events[~ak.is_none(events.assignment.w_jet_1)]
    rows = np.arange(len(told))
    w = told.jets[rows, column(told.assignment.w_jet_1)] + told.jets[rows, column(told.assignment.w_jet_2)]
    assert_close(w.mass, told.masses.m_jj, rel=0.005)
    told = events[~ak.is_none(events.assignment.leptonic_b)]
    rows = np.arange(len(told))
    leptonic, hadronic = (told.jets[rows, column(told.assignment[f"{side}_b"])] for side in ("leptonic", "hadronic"))
    assert ak.all(leptonic.b_tag > 0)
    assert ak.all(hadronic.b_tag > 0)
    assert ak.all(column(told.assignment.leptonic_b) != column(told.assignment.hadronic_b))
    right = np.abs((leptonic + told.lepton + told.neutrino).mass / told.masses.m_jlv - 1) < 0.005
    assert 0.97 < len(told) / ak.sum(events.n_tags == 2) < 1
    assert ak.mean(right) > 0.98
    w = ak.sum(told.jets[told.jets.b_tag == 0], axis=1)
    assert ak.all(right | (np.abs((w + hadronic).mass / told.masses.m_jjj - 1) < 0.005))


def test_the_way_back_gives_the_same_bits(table):
    back = event_records.from_records(event_records.to_records(table))
    assert back.schema.equals(data.SCHEMA)
    for name in COLUMNS:
        assert (bits(back, name) == bits(table, name)).all(), name


def test_the_way_back_gives_the_same_bits_of_uci_events(uci_table):
    back = event_records.from_records(event_records.to_records(uci_table))
    assert sum(int((bits(back, name) != bits(uci_table, name)).sum()) for name in COLUMNS) == 0


def test_the_way_back_gives_the_same_bits_of_any_finite_float32():
    rng = np.random.default_rng(1)
    any_bits = rng.integers(0, 2**32, 20_000, np.uint32).view(np.float32)
    limits = np.array([0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38], np.float32)
    values = np.concatenate([limits, any_bits[np.isfinite(any_bits)]])
    columns = {name: rng.permutation(values) for name in COMPLETE}
    columns |= {f"jet_{jet}_b_tag": rng.choice(kinematics.B_TAG_LEVELS[jet - 1], len(values)) for jet in (1, 2, 3, 4)}
    columns["label"] = rng.integers(0, 2, len(values))
    back = event_records.from_records(event_records.to_records(columns))
    for name in COMPLETE:
        assert (bits(back, name) == columns[name].view(np.uint32)).all(), name


def test_values_in_gev_are_those_of_the_kinematics(table, events):
    for name, values in {"jet_3_pt": events.jets.pt[:, 2], "m_bb": events.masses.m_bb}.items():
        assert_close(values, kinematics.to_physical(np.asarray(table[name], float), name), rel=2**-29)
    assert (kinematics.four_vectors(table).b_tags == ak.to_numpy(events.jets.b_tag).T).all()


def test_uci_masses_agree_as_often_as_was_published_of_these_events(uci_table):
    """Fractions of SIMULATION's first study, of 71,204 UCI events; the assignment of m_jlv and m_jjj is one."""
    records = event_records.to_records(uci_table)
    two_tags = records.filter(pc.equal(records["n_tags"], 2))
    agrees = two_tags["agrees"].combine_chunks()
    fractions = {name: pc.mean(pc.struct_field(agrees, name)).as_py() for name in HIGH}
    expected = {"m_jj": 0.65, "m_jjj": 0.65, "m_lv": 0.98, "m_jlv": 0.81, "m_bb": 1.0, "m_wbb": 0.72, "m_wwbb": 0.62}
    assert fractions == pytest.approx(expected, abs=0.01)
    told = pc.is_valid(pc.struct_field(two_tags["assignment"].combine_chunks(), "leptonic_b"))
    assert pc.mean(told).as_py() > 0.95


def test_every_field_says_what_it_is_and_a_first_row_is_counted_from(table):
    records = event_records.to_records(table.slice(0, 3), 65_536)
    assert records.schema.equals(event_records.SCHEMA, check_metadata=True)
    assert records["row"].to_pylist() == [65_536, 65_537, 65_538]
    assert all(field.metadata[b"description"] for field in records.schema)
    assert records.schema.field("lepton").type.field("pt").metadata[b"unit"] == b"GeV"
    assert len(event_records.to_records(table.slice(0, 0))) == 0


def test_the_page_describes_every_field():
    lines = (ROOT / "docs" / "four_vectors.md").read_text().splitlines()
    rows = {cells[1].strip(" `"): cells for cells in (line.split("|") for line in lines if line.startswith("| `"))}
    for field in event_records.SCHEMA:
        parts = field.type.value_type if pa.types.is_list(field.type) else field.type
        described = [(field.name, field)]
        if pa.types.is_struct(parts) and field.name not in ("recomputed", "agrees"):  # which have one row for all seven
            described += [(f"{field.name}.{part.name}", part) for part in parts]
        for name, described_field in described:
            unit, text = (described_field.metadata[key].decode() for key in (b"unit", b"description"))
            assert (rows[name][3].strip(), rows[name][4].strip()) == (unit, text), name


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("m_bb", np.nan, "row 12 from 0, column m_bb: nan is not a finite number"),
        ("lepton_pt", np.inf, "row 12 from 0, column lepton_pt: inf is not a finite number"),
        ("label", 0.5, "row 12 from 0, column label: 0.5 is not a label of 0 or 1"),
        ("jet_2_b_tag", 9.0, "jet_2_b_tag must be 0 without a tag"),
    ],
)
def test_a_value_that_ucis_format_does_not_have_is_refused(table, name, value, message):
    columns = {name: np.asarray(table[name]).copy() for name in COLUMNS}
    columns[name][2] = value
    with pytest.raises(ValueError, match=message):
        event_records.to_records(columns, 10)


def changed(records: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return records.set_column(records.schema.get_field_index(name), name, values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(["jets", "label"]), "the fields label, jets are missing"),
        (lambda r: changed(r, "jets", pa.array([[]] * 5)), "each event must have four jets"),
        (lambda r: changed(r, "jets", pa.array([None] * 5, pa.list_(pa.int8()))), "each event must have four jets"),
        (lambda r: changed(r, "jets", pa.array(range(5))), "jets must be lists of records, not int64"),
        (lambda r: changed(r, "jets", pa.array([[1] * 4] * 5)), "jets must be records with the fields pt, eta, phi, b"),
        (lambda r: changed(r, "missing", pa.array([{"pt": 1.0}] * 5)), "missing must be records .*; phi is missing"),
        (lambda r: changed(r, "missing", pa.array([{"pt": "a", "phi": 1}] * 5)), "missing.pt must be numbers"),
        (lambda r: changed(r, "missing", pa.array([{"pt": None, "phi": 1}] * 5)), "column missing_energy: nan is not"),
        (lambda r: changed(r, "missing", pa.array([{"pt": 1e300, "phi": 1}] * 5)), "column missing_energy: inf is not"),
        (lambda r: changed(r, "label", pa.array([2] * 5)), "column label: 2.0 is not a label of 0 or 1"),
    ],
)
def test_what_is_no_record_of_four_vectors_is_refused(table, change, message):
    with pytest.raises(ValueError, match=message):
        event_records.from_records(change(event_records.to_records(table.slice(0, 5))))


def test_the_way_back_takes_the_scales_that_the_records_were_made_with(table):
    halved = {name: scale / 2 for name, scale in kinematics.SCALES.items()}
    records = event_records.to_records(table.slice(0, 5))
    assert_close(event_records.from_records(records, halved)["m_bb"], 2 * np.asarray(table["m_bb"])[:5], rel=1e-6)

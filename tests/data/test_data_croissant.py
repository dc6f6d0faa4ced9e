"""The description of a file of four-vectors: mlcroissant accepts it, and it says what is so."""

import hashlib
import json

import awkward as ak
import mlcroissant
import pytest

from higgs_lib import data, simulation
from higgs_lib.data import HIGH, croissant, event_records
from higgs_lib.data.parquet import Origin


@pytest.fixture
def described(tmp_path):
    """The description of a file of four-vectors whose name has a space."""
    source = tmp_path / "source.parquet"
    simulation.simulate(source, 20, seed=4, workers=1)
    data.convert_to_four_vectors(source, tmp_path / "my events.parquet")
    return tmp_path / "my events.parquet.croissant.json"


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib, in mlcroissant
def test_mlcroissant_validates_the_description_and_reads_the_records(described, tmp_path):
    dataset = mlcroissant.Dataset(jsonld=described)
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    records = list(dataset.records("events"))
    events = ak.from_parquet(tmp_path / "my events.parquet")
    assert len(records) == len(events)
    record, event = records[3], ak.to_list(events[3])
    assert record["events/row"] == 3
    assert {name: record["events/masses"][f"events/masses/{name}"] for name in HIGH} == event["masses"]
    assert [jet["events/jets/pt"] for jet in record["events/jets"]] == [jet["pt"] for jet in event["jets"]]


def test_the_description_says_what_the_file_is_and_nothing_of_the_machine(described, tmp_path):
    about = json.loads(described.read_text())
    (file,) = about["distribution"]
    assert file["sha256"] == hashlib.sha256((tmp_path / "my events.parquet").read_bytes()).hexdigest()
    assert file["contentUrl"] == "my events.parquet"
    assert "built-in simulation (seed 4), not UCI's" in about["description"]
    assert about["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert "doi:10.24432/C5V312" in about["citeAs"]
    assert "Nature Communications 5:4308 (2014)" in about["citeAs"]
    assert str(tmp_path) not in described.read_text()
    fields = {field["@id"]: field for field in about["recordSet"][0]["field"]}
    assert list(fields) == [f"events/{name}" for name in event_records.SCHEMA.names]
    pt = fields["events/jets"]["subField"][0]
    assert (pt["dataType"], pt["unitText"]) == ("cr:Float64", "GeV")
    assert pt["description"] == "transverse momentum of the jet [GeV]"


@pytest.mark.parametrize(
    ("event_type", "creator", "license_text"),
    [
        ("uci", "Daniel Whiteson", "https://creativecommons.org/licenses/by/4.0/"),
        ("openml", "Daniel Whiteson", "https://creativecommons.org/licenses/by/4.0/"),
        ("simulated", "The higgs_lib authors", "https://creativecommons.org/licenses/by/4.0/"),
        ("file", "The makers of the events of mine.csv", "That of the events of mine.csv; events of UCI HIGGS are"),
    ],
)
def test_the_description_claims_the_events_of_nobody_else(tmp_path, event_type, creator, license_text):
    (tmp_path / "file.arrow").write_bytes(b"something")
    about = croissant.describe(
        "file.arrow", tmp_path / "file.arrow", Origin(event_type, 1, {"source": "/home/me/mine.csv", "seed": 1}, "")
    )
    assert about["creator"]["name"] == creator
    assert about["license"].startswith(license_text)
    assert "/home" not in json.dumps(about)
    assert about["distribution"][0]["encodingFormat"] == "application/vnd.apache.arrow.file"

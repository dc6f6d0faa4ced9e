"""Describes a file of four-vectors in Croissant 1.0, the metadata format of MLCommons for data sets.

Specification: http://mlcommons.org/croissant/1.0. Units stand in the descriptions, and in schema.org's `unitText`.
"""

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from higgs_lib.data.datasets import DATASETS, DOI
from higgs_lib.data.event_records import SCHEMA
from higgs_lib.data.parquet import Origin

FORMAT_VERSION = "1.0.0"  # of the records: the first number changes with the name, type or meaning of a field

LICENSE = "https://creativecommons.org/licenses/by/4.0/"

CITATION = (
    f"D. Whiteson, HIGGS, UCI Machine Learning Repository (2014), doi:{DOI}; "
    "P. Baldi, P. Sadowski and D. Whiteson, Searching for exotic particles in high-energy physics with deep learning, "
    "Nature Communications 5:4308 (2014)"
)

FILE = "four-vectors"  # the identifier of the file within its description

ENCODINGS = {".parquet": "application/x-parquet"}  # the others are Arrow's
ARROW = "application/vnd.apache.arrow.file"

DATA_TYPES = {
    pa.int8(): "cr:Int8",
    pa.int64(): "cr:Int64",
    pa.float32(): "cr:Float32",
    pa.float64(): "cr:Float64",
    pa.bool_(): "sc:Boolean",
}

_CROISSANT_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {term: f"cr:{term}" for term in _CROISSANT_TERMS}


def describe(name: str, path: Path, origin: Origin) -> dict[str, Any]:
    """Returns the description, as JSON-LD, of a file of four-vectors.

    Args:
        name: Name of the file, which stands beside its description.
        path: Where its contents are now.
        origin: Where the events come from.

    Returns:
        JSON-LD without any path of this machine.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "HIGGS events as four-vectors",
        "description": f"{origin.description}, as four-vectors in GeV and rad: the lepton, the missing transverse "
        "momentum and four jets with b-tags, the seven masses of the file, and the same masses recomputed. "
        f"The hash of the events that they were made of is {origin.sha256}.",
        "license": _license(origin),
        "creator": _creator(origin),
        "citeAs": CITATION,
        "isBasedOn": f"https://doi.org/{DOI}",
        "datePublished": date.today().isoformat(),
        "version": FORMAT_VERSION,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": FILE,
                "name": name,
                "contentUrl": name,
                "contentSize": f"{path.stat().st_size} B",
                "encodingFormat": ENCODINGS.get(Path(name).suffix, ARROW),
                "sha256": sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "events",
                "name": "events",
                "description": "One record for each event.",
                "key": {"@id": "events/row"},
                "field": [_field(field) for field in SCHEMA],
            }
        ],
    } | ({"url": f"https://doi.org/{DOI}"} if origin.event_type in DATASETS else {})


def _license(origin: Origin) -> str:
    """Returns the licence of the events, as far as it is known."""
    if origin.event_type == "file":
        return f"That of the {origin.name}; events of UCI HIGGS are under CC BY 4.0, {LICENSE}"
    return LICENSE


def _creator(origin: Origin) -> dict[str, str]:
    """Returns who made the events."""
    if origin.event_type in DATASETS:
        return {"@type": "sc:Person", "name": "Daniel Whiteson"}
    makers = {"simulated": "The higgs_lib authors"}
    return {"@type": "sc:Organization", "name": makers.get(origin.event_type, f"The makers of the {origin.name}")}


def _field(field: pa.Field) -> dict[str, Any]:
    """Returns the description of a field of the records."""
    described = _described(field, f"events/{field.name}")
    if not pa.types.is_nested(field.type):
        return described | {"dataType": DATA_TYPES[field.type], "source": _source(field.name)}
    repeated = pa.types.is_list(field.type)
    parts = [
        _described(part, f"events/{field.name}/{part.name}")
        | {
            "dataType": DATA_TYPES[part.type],
            "source": _source(field.name) | {"transform": {"jsonPath": part.name}},
        }
        for part in (field.type.value_type if repeated else field.type)
    ]
    return described | ({"repeated": True} if repeated else {}) | {"subField": parts}


def _source(column: str) -> dict[str, Any]:
    """Returns where the values of a field are: in a column of the file."""
    return {"fileObject": {"@id": FILE}, "extract": {"column": column}}


def _described(field: pa.Field, identifier: str) -> dict[str, Any]:
    """Returns what a field is, and its unit if it has one."""
    unit, description = (field.metadata[key].decode() for key in (b"unit", b"description"))
    about = {"@type": "cr:Field", "@id": identifier, "name": identifier, "description": description}
    return about | {"description": f"{description} [{unit}]", "unitText": unit} if unit else about

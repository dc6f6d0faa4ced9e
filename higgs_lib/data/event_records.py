"""Turns the 29 columns of events into records of four-vectors in GeV and rad, and back without loss.

A record is nested as `awkward` and `vector` take it; its jets are a list without a fixed length, from which a mask
selects jets of each event. Measured values are float64 with 29 significant bits, five more than those of the float32
that they come from, so that the way back is exact and files stay small.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from higgs_lib.data import kinematics
from higgs_lib.data.features import COLUMNS, COMPLETE, HIGH, JET_QUANTITIES, LABEL
from higgs_lib.data.features import SCHEMA as EVENT_SCHEMA

TOLERANCE = 0.005  # relative: a mass that differs more used a jet that is not stored

_DROPPED_BITS = 24  # of the 53 significant bits of a float64

_JETS = (1, 2, 3, 4)


def _field(name: str, kind: pa.DataType, description: str, unit: str = "", *, nullable: bool = False) -> pa.Field:
    """Returns a field that says its unit and what it is."""
    return pa.field(name, kind, nullable, {"unit": unit, "description": description})


def _momentum(of: str) -> list[pa.Field]:
    """Returns the fields of a massless four-vector, under the names of the `vector` package."""
    return [
        _field("pt", pa.float64(), f"transverse momentum of the {of}", "GeV"),
        _field("eta", pa.float64(), f"pseudorapidity of the {of}"),
        _field("phi", pa.float64(), f"azimuthal angle of the {of}", "rad"),
        _field("mass", pa.float64(), f"mass of the {of}, 0 by the file's rules", "GeV"),
    ]


MASSES = {
    "m_jj": "two jets without a tag, of all pairs the one nearest to the W mass",
    "m_jjj": "those two jets and the b jet that brings the mass nearest to the top quark's",
    "m_lv": "lepton and neutrino",
    "m_jlv": "lepton, neutrino and the other b jet",
    "m_bb": "both b jets",
    "m_wbb": "both b jets and the W of the two that gives the larger mass",
    "m_wwbb": "both b jets and both W",
}
"""What each of the seven masses is made of, by the rules of the file."""


def _masses(kind: pa.DataType, beginning: str, unit: str = "", *, nullable: bool = False) -> pa.DataType:
    """Returns the type of a record with a field for each of the seven masses."""
    return pa.struct([_field(name, kind, f"{beginning} {MASSES[name]}", unit, nullable=nullable) for name in HIGH])


_TAG = _field("b_tag", pa.int8(), "b-tag of the jet: 0 none, 1 loose, 2 tight")
_TOLD = "null where it cannot be told"

SCHEMA = pa.schema(
    [
        _field("row", pa.int64(), "row of the event in its file, from 0"),
        _field("label", pa.int8(), "1 signal, 0 background"),
        _field("lepton", pa.struct(_momentum("lepton")), "the electron or muon"),
        _field(
            "missing",
            pa.struct(
                [
                    _field("pt", pa.float64(), "missing transverse momentum", "GeV"),
                    _field("phi", pa.float64(), "azimuthal angle of the missing transverse momentum", "rad"),
                ]
            ),
            "the missing transverse momentum",
        ),
        _field(
            "jets",
            pa.list_(pa.field("item", pa.struct([*_momentum("jet"), _TAG]), nullable=False)),
            "the four stored jets, in the file's order",
        ),
        _field("masses", _masses(pa.float64(), "mass in the file of", "GeV"), "the seven masses, as the file has them"),
        _field("n_tags", pa.int8(), "number of stored jets with a b-tag"),
        _field("neutrino_eta", pa.float64(), "pseudorapidity of the neutrino, by the file's rule"),
        _field(
            "recomputed",
            _masses(pa.float32(), "mass recomputed of", "GeV", nullable=True),
            "the seven masses by the file's rules, from the four-vectors; if n_tags is not 2, all but m_lv are null",
        ),
        _field(
            "agrees",
            _masses(pa.bool_(), "whether the recomputed mass agrees, of", nullable=True),
            f"whether a recomputed mass is within {TOLERANCE:.1%} of the file's, which otherwise used a jet not stored",
        ),
        _field(
            "assignment",
            pa.struct(
                [
                    _field("w_jet_1", pa.int8(), f"first jet of m_jj, {_TOLD}", nullable=True),
                    _field("w_jet_2", pa.int8(), f"second jet of m_jj, {_TOLD}", nullable=True),
                    _field("hadronic_b", pa.int8(), f"b jet of m_jjj, {_TOLD}", nullable=True),
                    _field("leptonic_b", pa.int8(), f"b jet of m_jlv, {_TOLD}", nullable=True),
                ]
            ),
            "which of the four jets, from 0, the file's masses were made of",
        ),
    ]
)
"""The record of an event; each field's metadata say its `unit` and give a `description`."""

NEEDED = ("label", "lepton", "missing", "jets", "masses")
"""The fields that hold what the 29 columns hold."""


def to_records(table: pa.Table | Mapping[str, np.ndarray], first_row: int = 0) -> pa.Table:
    """Returns the records, with the schema `SCHEMA`, of a `table` with the 29 columns in normalised units.

    `first_row` is the row of its first event in the file. Raises ValueError, which names row and column, for a value
    that is not finite, and for a label that is neither 0 nor 1; and for b-tags at none of their three levels.
    """
    columns = {name: np.asarray(table[name], np.float32) for name in COLUMNS}
    for name, column in columns.items():
        _check_column(name, column, first_row)
    values = {name: _physical(columns[name], name) for name in COMPLETE}
    n = len(columns[LABEL])
    pt, eta, phi, b_tags = (np.stack([values[f"jet_{jet}_{q}"] for jet in _JETS]) for q in JET_QUANTITIES)
    lepton = [values[f"lepton_{q}"] for q in ("pt", "eta", "phi")]
    missing = [values["missing_energy"], values["missing_energy_phi"]]
    masses = [values[name] for name in HIGH]
    jets = [np.ascontiguousarray(q.T).ravel() for q in (pt, eta, phi, np.zeros_like(pt), b_tags)]
    jets_type, offsets = SCHEMA.field("jets").type, pa.array(np.arange(0, len(_JETS) * (n + 1), len(_JETS)), pa.int32())
    with np.errstate(all="ignore"):  # values that no detector gives have masses that are not finite
        derived = _derived(kinematics.massless(pt, eta, phi), b_tags > 0, (*lepton, *missing), np.stack(masses))
    columns = {
        "row": pa.array(np.arange(first_row, first_row + n)),
        "label": pa.array(columns[LABEL].astype(np.int8)),
        "lepton": _struct("lepton", [*lepton, np.zeros(n)]),
        "missing": _struct("missing", missing),
        "jets": pa.ListArray.from_arrays(offsets, _struct_of(jets_type.value_type, jets), type=jets_type),
        "masses": _struct("masses", masses),
        **derived,
    }
    return pa.table([columns[name] for name in SCHEMA.names], SCHEMA)


def _check_column(name: str, column: np.ndarray, first_row: int) -> None:
    """Raises ValueError for a value of a column (n,) that is not finite, and for a label that is neither 0 nor 1."""
    valid = np.isin(column, (0, 1)) if name == LABEL else np.isfinite(column)
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        expected = "a label of 0 or 1" if name == LABEL else "a finite number"
        raise ValueError(f"row {first_row + row} from 0, column {name}: {column[row]} is not {expected}")


def _physical(column: np.ndarray, name: str) -> np.ndarray:
    """Returns a column (n,) of float32 as float64 in GeV and rad, rounded to the bits that are kept."""
    values = kinematics.to_physical(column.astype(float), name)
    half = np.int64(1 << (_DROPPED_BITS - 1))
    return ((values.view(np.int64) + half) & np.int64(-1 << _DROPPED_BITS)).view(np.float64)


def _struct(name: str, values: list[np.ndarray], known: list[np.ndarray] | None = None) -> pa.StructArray:
    """Returns the field `name` of the records, from the values (n,) of its parts and whether each is known."""
    return _struct_of(SCHEMA.field(name).type, values, known)


def _struct_of(kind: pa.StructType, values: list[np.ndarray], known: list[np.ndarray] | None = None) -> pa.StructArray:
    """Returns records of this type, from the values (n,) of its fields and whether each is known."""
    masks = [None] * len(values) if known is None else [~mask for mask in known]
    arrays = [
        pa.array(column.astype(part.type.to_pandas_dtype(), copy=False), part.type, mask=mask)
        for column, mask, part in zip(values, masks, kind, strict=True)
    ]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _derived(
    jets: np.ndarray, tagged: np.ndarray, light: tuple[np.ndarray, ...], file_masses: np.ndarray
) -> dict[str, pa.Array]:
    """Returns the fields that follow from the four-vectors and the file's masses.

    Args:
        jets: Four-vectors (4, 4, n) in GeV.
        tagged: Whether each jet has a b-tag, (4, n).
        light: pT, eta and phi of the lepton, then pT and phi of the missing transverse momentum, (n,) each.
        file_masses: The seven masses (7, n) in GeV, as the file has them.

    Returns:
        The fields by their names.
    """
    lepton, neutrino_eta = kinematics.massless(*light[:3]), kinematics.neutrino_eta(*light)
    neutrino = kinematics.massless(light[3], neutrino_eta, light[4])
    masses = np.stack(kinematics.high_level_masses(jets, tagged, lepton, neutrino))
    agrees = _agree(masses, file_masses)
    two_tags = tagged.sum(0) == 2
    known = [two_tags | (name == "m_lv") for name in HIGH]
    w_told = two_tags & agrees[HIGH.index("m_jj")]
    return {
        "n_tags": pa.array(tagged.sum(0).astype(np.int8)),
        "neutrino_eta": pa.array(neutrino_eta),
        "recomputed": _struct("recomputed", list(masses), known),
        "agrees": _struct("agrees", list(agrees), known),
        "assignment": _assignment(jets, tagged, lepton + neutrino, dict(zip(HIGH, file_masses, strict=True)), w_told),
    }


def _assignment(
    jets: np.ndarray,
    tagged: np.ndarray,
    leptonic_w: np.ndarray,
    of_file: Mapping[str, np.ndarray],
    w_told: np.ndarray,
) -> pa.StructArray:
    """Returns which jets the file's masses were made of.

    A b jet is known to belong to the lepton if it gives the file's m_jlv, or if the other one gives the file's m_jjj.

    Args:
        jets: Four-vectors (4, 4, n) in GeV.
        tagged: Whether each jet has a b-tag, (4, n).
        leptonic_w: Four-vectors (4, n) of lepton and neutrino in GeV.
        of_file: The masses (n,) of the file in GeV.
        w_told: Whether there are two tags, and the two jets without one give the file's m_jj, (n,).

    Returns:
        The field `assignment`.
    """
    order = np.argsort(~tagged, 0, kind="stable")  # the two jets with a tag, then the other two
    ordered = np.take_along_axis(jets, order[None], 1)
    b_jets, hadronic_w = ordered[:, :2], ordered[:, 2] + ordered[:, 3]
    leptonic = _agree(kinematics.mass(leptonic_w[:, None] + b_jets), of_file["m_jlv"])
    hadronic = _agree(kinematics.mass(hadronic_w[:, None] + b_jets), of_file["m_jjj"]) & w_told
    is_leptonic = leptonic | hadronic[::-1]  # (2, n): of each b jet
    b_told = (tagged.sum(0) == 2) & (is_leptonic.sum(0) == 1)
    leptonic_b, hadronic_b = (np.where(is_leptonic[i], order[0], order[1]) for i in (0, 1))
    indices, told = [order[2], order[3], hadronic_b, leptonic_b], [w_told, w_told, b_told, b_told]
    return _struct("assignment", indices, told)


def _agree(masses: np.ndarray, of_file: np.ndarray) -> np.ndarray:
    """Returns whether masses are those of the file, within the tolerance."""
    return np.abs(masses - of_file) < TOLERANCE * of_file


def from_records(records: pa.Table | pa.RecordBatch, scales: Mapping[str, float] = kinematics.SCALES) -> pa.Table:
    """Returns the 29 columns, float32, in normalised units, of records; the inverse of `to_records`.

    The records need the fields `NEEDED`, and may have passed through other programs. `scales` are those that they were
    made with. Raises ValueError for a field that is missing, an event without four jets, and values as `to_records`.
    """
    missing = [name for name in NEEDED if name not in records.schema.names]
    if missing:
        raise ValueError(f"the fields {', '.join(missing)} are missing, so these are no records of four-vectors")
    columns = {LABEL: _numbers(_array(records, LABEL), LABEL).astype(np.float32)}
    parts = {name: _parts(_array(records, name), name) for name in ("lepton", "missing", "masses")}
    jets = _parts(_flat_jets(_array(records, "jets")), "jets")
    places = {f"lepton_{q}": parts["lepton"][q] for q in ("pt", "eta", "phi")}
    places |= {"missing_energy": parts["missing"]["pt"], "missing_energy_phi": parts["missing"]["phi"]}
    places |= {f"jet_{jet}_{q}": jets[q][jet - 1 :: len(_JETS)] for jet in _JETS for q in JET_QUANTITIES}
    places |= {name: parts["masses"][name] for name in HIGH}
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
        for name in COMPLETE:
            if name.endswith("b_tag"):
                columns[name] = kinematics.to_normalised(places[name], name)
            else:
                columns[name] = (places[name] / scales[name]).astype(np.float32)
    for name, column in columns.items():
        _check_column(name, column, 0)
    return pa.table([columns[name] for name in COLUMNS], EVENT_SCHEMA)


def _array(records: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    """Returns a column of the records in one piece."""
    column = records.column(name)
    return _storage(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)


def _storage(array: pa.Array) -> pa.Array:
    """Returns what is stored of an array of another program's type, such as awkward's."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _flat_jets(jets: pa.Array) -> pa.Array:
    """Returns the jets of all events, (4 n,); raises ValueError unless each event has four."""
    if not pa.types.is_list(jets.type) | pa.types.is_large_list(jets.type) | pa.types.is_fixed_size_list(jets.type):
        raise ValueError(f"jets must be lists of records, not {jets.type}")
    if len(jets) and pc.min_max(pc.fill_null(pc.list_value_length(jets), 0)).as_py() != {"min": 4, "max": 4}:
        raise ValueError("each event must have four jets")
    return _storage(jets.flatten())


def _parts(records: pa.Array, name: str) -> dict[str, np.ndarray]:
    """Returns the values (n,) of a record's fields that are needed; raises ValueError where one is missing."""
    kind = SCHEMA.field(name).type
    wanted = [part.name for part in (kind.value_type if name == "jets" else kind) if part.name != "mass"]
    found = [part.name for part in records.type] if pa.types.is_struct(records.type) else []
    if missing := [part for part in wanted if part not in found]:
        raise ValueError(f"{name} must be records with the fields {', '.join(wanted)}; {', '.join(missing)} is missing")
    return {part: _numbers(_storage(pc.struct_field(records, part)), f"{name}.{part}") for part in wanted}


def _numbers(values: pa.Array, name: str) -> np.ndarray:
    """Returns numbers (n,) as float64, with NaN where one is missing; raises ValueError for what is no number."""
    try:
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise ValueError(f"{name} must be numbers, not {values.type}") from error

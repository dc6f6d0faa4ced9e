"""Names the 29 columns of UCI HIGGS, the feature sets of the study, axis labels and the Arrow schema.

Columns and their order: D. Whiteson, UCI HIGGS, doi:10.24432/C5V312 (CC BY 4.0).
"""

import pyarrow as pa

LABEL = "label"

JET_QUANTITIES = ("pt", "eta", "phi", "b_tag")

LOW = (
    "lepton_pt",
    "lepton_eta",
    "lepton_phi",
    "missing_energy",
    "missing_energy_phi",
    *(f"jet_{jet}_{quantity}" for jet in (1, 2, 3, 4) for quantity in JET_QUANTITIES),
)
"""The 21 features that the detector measures."""

HIGH = ("m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb")
"""The 7 invariant masses that physicists construct from the low-level features."""

COMPLETE = LOW + HIGH

SIGNAL_MASSES = ("m_heavy_higgs", "m_charged_higgs")
"""The masses of a signal hypothesis in GeV, which a parametrised network takes beside the features of an event."""

FEATURE_SETS = {"low": LOW, "high": HIGH, "complete": COMPLETE}

COLUMNS = (LABEL, *COMPLETE)

SCHEMA = pa.schema([(name, pa.float32()) for name in COLUMNS])
"""Columns as float32, which holds every value of the original file exactly."""

PROCESSES = {1: r"signal ($H^0 \to W^\mp H^\pm \to W^\mp W^\pm h^0$)", 0: r"background ($t\bar{t}$)"}

_MASSES = {
    "m_jj": "m_{jj}",
    "m_jjj": "m_{jjj}",
    "m_lv": r"m_{\ell\nu}",
    "m_jlv": r"m_{j\ell\nu}",
    "m_bb": r"m_{bb}",
    "m_wbb": "m_{Wbb}",
    "m_wwbb": "m_{WWbb}",
}
_QUANTITIES = {"pt": "$p_T$", "eta": r"$\eta$", "phi": r"$\phi$", "b_tag": "b-tag"}


def feature_set(name: str) -> tuple[str, ...]:
    """Returns the columns of the feature set "low", "high" or "complete"; raises ValueError for another name."""
    if name not in FEATURE_SETS:
        raise ValueError(f"unknown feature set {name!r}: choose one of {', '.join(FEATURE_SETS)}")
    return FEATURE_SETS[name]


def unit(name: str) -> str:
    """Returns the physical unit of a feature: "GeV", "rad" or "" for pseudorapidities and b-tags."""
    if name in HIGH or name.endswith("_pt") or name == "missing_energy":
        return "GeV"
    return "rad" if name.endswith("phi") else ""


POSITIVE = tuple(name for name in COMPLETE if unit(name) == "GeV")
"""The momenta and masses, which are positive in every event."""


def symbol(name: str) -> str:
    """Returns the symbol of a feature in matplotlib's mathtext."""
    if name in _MASSES:
        return f"${_MASSES[name]}$"
    if name.startswith("missing_energy"):
        return r"$\phi$ of $E_T^{\mathrm{miss}}$" if name.endswith("phi") else r"$E_T^{\mathrm{miss}}$"
    particle, quantity = name.replace("jet_", "jet ").split("_", 1)
    return f"{particle} {_QUANTITIES[quantity]}"


def axis_label(name: str) -> str:
    """Returns the axis label of a feature: its symbol and physical unit."""
    return f"{symbol(name)} [{unit(name)}]" if unit(name) else symbol(name)

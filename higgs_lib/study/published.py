"""Numbers of the literature on UCI HIGGS, each with its source."""

import math
from typing import NamedTuple

from higgs_lib.simulation import SimulationParameters

SOURCES = {
    "T": "S. Mancone, Optimization of the training of Deep Neural Networks for signal-background discrimination at "
    "the LHC, BSc thesis, Padova, 2017/18",
    "B": "P. Baldi, P. Sadowski, D. Whiteson, Nature Communications 5:4308 (2014), arXiv:1402.4735",
    "G": "G. Grosso, Deep Learning techniques to search for New Physics at LHC, thesis, Padova, 2017",
    "R": "figures of other authors on the same file, as collected for this study; their publications were not checked",
}


class Result(NamedTuple):
    """One published number."""

    source: str
    """A key of `SOURCES`."""
    model: str
    """As the source calls it."""
    classifier: str
    """Ours to compare with: "shallow", "deep" or "trees"."""
    features: str
    """"low", "high" or "complete"."""
    auc: float
    significance: float | None = None
    definition: str = ""
    """Of the significance, the nearest: see `DEFINITIONS`."""
    rounding: float = 0.0005
    """Half of the last digit of the AUC."""
    n_training: int = 0
    """Training events; 0 where the source does not say."""


DEFINITIONS = {
    "B": "Asimov, σ_B",
    "G": "S/√(S+B)",
}
"""The definition that each published column is nearest to; neither source gives its formula. B's 2.5 lies below 3.16,
S/√B without any cut, so its 1000 ± 50 is inside; G's are near to the largest S/√(S+B) of nets of that AUC."""


_N_TRAINING = {"B": 10_000_000}


def _row(source: str, model: str, classifier: str, aucs: tuple, significances: tuple = (None,) * 3, rounding=0.0005):
    definition = DEFINITIONS[source] if significances[0] else ""
    return [
        Result(source, model, classifier, features, auc, significance, definition, rounding, _N_TRAINING.get(source, 0))
        for features, auc, significance in zip(("low", "high", "complete"), aucs, significances, strict=True)
    ]


TABLE_3_1 = [
    *_row("B", "BDT", "trees", (0.73, 0.78, 0.81), rounding=0.005),
    *_row("B", "NN", "shallow", (0.733, 0.777, 0.816), (2.5, 3.1, 3.7)),
    *_row("B", "DN", "deep", (0.880, 0.800, 0.885), (4.9, 3.6, 5.0)),
    *_row("G", "SNN", "shallow", (0.675, 0.763, 0.812), (3.34, 3.69, 4.11)),
    *_row("G", "DNN", "deep", (0.846, 0.796, 0.858), (4.44, 3.85, 4.66)),
]
"""Table 3.1 of [T], which collects the AUC and the significance at 100 : 1000 of [B] and [G]."""

OTHERS = [
    Result("R", "LightGBM, 500 trees x 255 leaves", "trees", "complete", 0.8457),
    Result("R", "XGBoost hist", "trees", "complete", 0.8453),
    Result("R", "MLP 3 x 2048", "deep", "complete", 0.877),
    Result("R", "FT-Transformer", "deep", "complete", 0.873),
    Result("R", "MLP on 1,000,000 events", "deep", "low", 0.807, n_training=1_000_000),
    Result("R", "MLP on 1,000,000 events", "deep", "high", 0.798, n_training=1_000_000),
    Result("R", "MLP on 1,000,000 events", "deep", "complete", 0.850, n_training=1_000_000),
]

ALL = TABLE_3_1 + OTHERS


def auc_marks(rows: list[tuple[str, str]]) -> dict[str, list[float]]:
    """The AUC of table 3.1 by source, in the order of `rows` (classifier, features); nan where a source has none."""
    found = {(r.source, r.classifier, r.features): r.auc for r in TABLE_3_1}
    return {f"[{source}]": [found.get((source, *row), math.nan) for row in rows] for source in DEFINITIONS}


EPOCHS = {"B": "200 to 1000", "G": "40 to 60"}
"""Epochs of training, where the sources give them."""

M_TOP = 173.0  # GeV; [B] gives the other masses, but not this one


def peaks(physics: SimulationParameters | None = None) -> dict[str, dict[str, float]]:
    """GeV: the particle at whose mass each hand-built mass should peak, by class [B]; `physics`: of built-in events."""
    top = {"background": physics.m_top if physics else M_TOP}
    made = physics or SimulationParameters()
    w = {"signal": made.m_w, "background": made.m_w}
    higgs = {
        "m_bb": {"signal": made.m_light_higgs},
        "m_wbb": {"signal": made.m_charged_higgs},
        "m_wwbb": {"signal": made.m_heavy_higgs},
    }
    return {"m_jj": w, "m_lv": w, **higgs, "m_jjj": top, "m_jlv": top}


class ComparedGPU(NamedTuple):
    """A GPU that [T] compared with the cores of its cluster."""

    name: str
    cores: tuple[int, int]
    """So many it equals, from and to, by optimizer."""
    peak: float
    """float32 operations a second: cores x boost clock x 2, of NVIDIA's specification"""


T_GPUS = (
    ComparedGPU("Titan Xp", (8, 16), 3840 * 1.582e9 * 2),
    ComparedGPU("RTX 2080", (16, 32), 2944 * 1.710e9 * 2),
)

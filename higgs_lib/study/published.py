"""Numbers of the literature on UCI HIGGS, each with its source."""

import math
from typing import NamedTuple

from higgs_lib.data import Origin
from higgs_lib.simulation import SimulationParameters, parameters_of

SOURCES = {
    "T": "S. Mancone, Optimization of the training of Deep Neural Networks for signal-background discrimination at "
    "the LHC, BSc thesis, Padova, 2017/18",
    "B": "P. Baldi, P. Sadowski, D. Whiteson, Nature Communications 5:4308 (2014), arXiv:1402.4735",
    "G": "G. Grosso, Deep Learning techniques to search for New Physics at LHC, thesis, Padova, 2017",
    "H": "J. Hermans, Distributed Deep Learning, MSc thesis, Maastricht, 2017, and its software Distributed Keras, "
    "doi:10.5281/zenodo.167573",
    "L": "LightGBM, docs/Experiments.rst, update of 8 March 2020: 500 trees of 255 leaves, 10.5 million events",
    "M": "Y. Gorishniy, A. Kotelnikov, A. Babenko, TabM, ICLR 2025, arXiv:2410.24210; result files of the repository "
    "yandex-research/tabm, exp/tabm and exp/mlp, higgs-small",
    "R": "Y. Gorishniy et al., TabR, ICLR 2024, arXiv:2307.14338; result files of the repository "
    "yandex-research/tabular-dl-tabr, exp/tabr and exp/catboost_, higgs-small",
    "C": "repository CyberObservers/274P-Proj (2026), results/main_table.tex: three seeds each",
    "P": "repository pradhyumnaag30/HIGGS-Classification (2025), readme.md: 70 / 15 / 15 % of all rows at random",
    "F": "TabPFN, CHANGELOG.md, version 8.2.0 (July 2026): the example of fine-tuning, on another excerpt of UCI HIGGS",
}

NAMES = {
    "T": "Mancone's thesis [T]",
    "B": "Baldi et al. [B]",
    "G": "Grosso [G]",
    "H": "Hermans [H]",
    "L": "LightGBM [L]",
    "M": "TabM [M]",
    "R": "TabR [R]",
    "C": "274P-Proj [C]",
    "P": "HIGGS-Classification [P]",
    "F": "TabPFN [F]",
}
"""How texts and legends call the sources."""


class DistributedTraining(NamedTuple):
    """A training with Distributed Keras [H], from one of its notebooks."""

    rule: str
    n_workers: int
    seconds: float
    f1: float
    """The F1 score, the harmonic mean of purity and efficiency, on test events."""


DISTRIBUTED_KERAS = (
    DistributedTraining("Single", 1, 5927, 0.840),
    DistributedTraining("AEASGD", 16, 904, 0.833),
    DistributedTraining("DOWNPOUR", 16, 774, 0.835),
)
"""On 21 million rows [H]."""


class Result(NamedTuple):
    """One published number."""

    source: str
    """A key of `SOURCES`."""
    model: str
    """The name of the classifier in the source."""
    classifier: str
    """Our classifier to compare with: "shallow", "deep", "modern" or "trees"."""
    features: str
    """The feature set: "low", "high" or "complete"."""
    auc: float
    """The test AUC."""
    significance: float | None = None
    """The discovery significance at 100 signal and 1000 background events, in standard deviations."""
    definition: str = ""
    """The definition of our significance to compare with, from `DEFINITIONS`."""
    rounding: float = 0.0005
    """Half of the last digit of the AUC."""
    n_training: int = 0
    """The number of training events; 0 where the source does not say."""
    accuracy: float | None = None
    """The fraction of test events that are classified correctly; None where the source has none."""
    split: str = ""
    """The named split (`data.NAMED_SPLITS`) whose test events the numbers are of; "" for none of them."""
    n_test: int = 0
    """The number of test events; 0 where the source does not say."""


DEFINITIONS = {
    "B": "S/√(S+B+σ_B²)",
    "G": "S/√(S+B)",
}
"""The definition with which each published column is compared: the nearest of our five by `comparison.residuals`.
Neither source gives its formula, so what they computed is not known. B's 2.5 lies below 3.16, S/√B without any cut, so
it contains the 1000 ± 50."""


_EVENTS = {"B": {"n_training": 10_000_000, "split": "last500k", "n_test": 500_000}}
"""What a source says of its events."""


def _row(source: str, model: str, classifier: str, aucs: tuple, significances: tuple = (None,) * 3, rounding=0.0005):
    """Returns one row of table 3.1: a result for each feature set."""
    definition = DEFINITIONS[source] if significances[0] else ""
    return [
        Result(source, model, classifier, features, auc, significance, definition, rounding, **_EVENTS.get(source, {}))
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

_ALL_BUT_TEST = {"rounding": 5e-7, "n_training": 10_500_000, "split": "last500k", "n_test": 500_000}
OTHERS = [
    Result("L", "LightGBM", "trees", "complete", 0.845724, **_ALL_BUT_TEST),
    Result("L", "XGBoost, hist", "trees", "complete", 0.845314, **_ALL_BUT_TEST),
]

ALL = TABLE_3_1 + OTHERS
"""What the gaps of 09_conclusions are measured from."""


def _million(model: str, classifier: str, aucs: tuple) -> list[Result]:
    """Returns a row of the table of [C]: a result for each feature set that it has."""
    events = {"rounding": 5e-5, "n_training": 950_000, "split": "1m", "n_test": 500_000}
    pairs = zip(("low", "high", "complete"), aucs, strict=True)
    return [Result("C", model, classifier, features, auc, **events) for features, auc in pairs if auc]


_RTDL = {"rounding": 5e-5, "n_training": 62_751, "split": "rtdl", "n_test": 19_610}

RECENT = [
    Result("M", "TabM, ensemble of 5, mean of 3", "modern", "complete", 0.8217, accuracy=0.7410, **_RTDL),
    Result("M", "MLP, ensemble of 5", "deep", "complete", 0.7995, accuracy=0.7189, **_RTDL),
    Result("R", "CatBoost, ensemble of 5, mean of 3", "trees", "complete", 0.8087, accuracy=0.7273, **_RTDL),
    Result("R", "TabR, ensemble of 5, mean of 3", "modern", "complete", 0.8056, accuracy=0.7257, **_RTDL),
    *_million("MLP", "deep", (0.8070, 0.7978, 0.8502)),
    *_million("residual network", "modern", (0.8248, 0.7983, 0.8563)),
    *_million("FT-Transformer", "modern", (0.7823, 0.7974, 0.8522)),
    *_million("transformer, a token for each object", "modern", (0.8678, None, 0.8710)),
    *_million("XGBoost", "trees", (0.7542, 0.7919, 0.8345)),
    Result("P", "residual SwiGLU network", "modern", "complete", 0.88525, None, "", 5e-6, 7_700_000, 0.79986),
    Result("P", "LightGBM, tuned", "trees", "complete", 0.85187, None, "", 5e-6, 7_700_000, 0.76760),
    Result("F", "TabPFN, fine-tuned", "modern", "complete", 0.8322, rounding=5e-5),
]
"""Results since 2020 on other splits than that of [B], or at random. Means over ensembles are of the result files."""


def of_split(name: str) -> list[Result]:
    """Returns the published results on the test events of a named split, the highest AUC first."""
    return sorted((r for r in ALL + RECENT if name and r.split == name), key=lambda r: -r.auc)


def auc_marks(rows: list[tuple[str, str]]) -> dict[str, list[float]]:
    """Returns the AUC of table 3.1 by source, in the order of `rows` (classifier, features); nan where it has none.

    The modern network stands beside the published deep ones.
    """
    aucs = {(r.source, r.classifier, r.features): r.auc for r in TABLE_3_1}
    aucs |= {(source, "modern", features): auc for (source, kind, features), auc in aucs.items() if kind == "deep"}
    return {NAMES[source]: [aucs.get((source, *row), math.nan) for row in rows] for source in DEFINITIONS}


def significance_marks(rows: list[tuple[str, str]]) -> dict[str, list[float]]:
    """Returns the significances of table 3.1 by source, in the order of `rows`, as `auc_marks`."""
    values = {(r.source, r.classifier, r.features): r.significance or math.nan for r in TABLE_3_1}
    return {NAMES[source]: [values.get((source, *row), math.nan) for row in rows] for source in DEFINITIONS}


EPOCHS = {"B": "200 to 1000", "G": "40 to 60"}
"""The epochs of training, where the sources give them."""

KERAS_2_RATES = {"sgd": 0.01, "adam": 0.001, "adamax": 0.002, "adadelta": 1.0, "adagrad": 0.01}
"""The default learning rates of Keras 2.2.4 (October 2018), which [T] used; from its documentation."""

M_TOP = 173.0  # GeV; [B] gives the other masses, but not this one


def peaks(events: Origin) -> dict[str, dict[str, float]]:
    """Returns the mass in GeV of the particle at which each high-level mass should peak, by class [B]."""
    parameters = parameters_of(events)  # None where the events are not built-in ones
    masses = parameters or SimulationParameters()
    top = {"background": parameters.m_top if parameters else M_TOP}
    w = {"signal": masses.m_w, "background": masses.m_w}
    higgs = {
        "m_bb": {"signal": masses.m_light_higgs},
        "m_wbb": {"signal": masses.m_charged_higgs},
        "m_wwbb": {"signal": masses.m_heavy_higgs},
    }
    return {"m_jj": w, "m_lv": w, **higgs, "m_jjj": top, "m_jlv": top}


T_SECOND_NODE = (1.30, 1.40)
"""The speed-up with two nodes of eight cores [T, figure 4.2]; [T] names neither the network nor the batch size."""


class ComparedGPU(NamedTuple):
    """A GPU that [T] compared with the cores of its cluster."""

    name: str
    """The name of the product."""
    cores: tuple[int, int]
    """The fewest and the most cores of the cluster that it equals, depending on the optimizer."""
    peak: float
    """The peak float32 operations per second: cores x boost clock x 2, from NVIDIA's specification."""


T_GPUS = (
    ComparedGPU("Titan Xp", (8, 16), 3840 * 1.582e9 * 2),
    ComparedGPU("RTX 2080", (16, 32), 2944 * 1.710e9 * 2),
)

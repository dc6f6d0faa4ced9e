"""From the columns of the file to inputs that know relativity: a Keras layer of masses, angles and momenta.

All six objects (four jets, the lepton, the neutrino) are massless, so that the squared mass of any of them together is
the sum of those of their pairs: with m_ij^2 = 4 pT_i pT_j (sinh^2(d eta / 2) + sin^2(d phi / 2)) nothing cancels in
float32. No input depends on the azimuth of an event as a whole, nor on which way the beam's axis points.
"""

from itertools import combinations
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from higgs_lib.data import HIGH, LOW, ROW_GROUP
from higgs_lib.data.kinematics import B_TAG_LEVELS, NEUTRINO_ETA_LIMIT, NEUTRINO_ETA_STEP, SCALES, TOP_MASS, W_MASS

OBJECTS = ("b1", "b2", "j1", "j2", "l", "v")
"""The jets, those with a tag first and the harder first among equals; the lepton; the neutrino."""

PAIRS = tuple(combinations(range(6), 2))

SETS = tuple(chosen for size in range(2, 7) for chosen in combinations(range(6), size))
"""Of objects whose masses are inputs."""

VISIBLE_PAIRS = tuple(pair for pair in PAIRS if pair[1] < 5)

SMALLEST = 1e-3  # GeV: keeps logarithms and gradients finite where a mass or a momentum vanishes


class Input(NamedTuple):
    """One number that the net is given."""

    name: str
    formula: str
    unit: str
    group: str
    """Those that an ablation leaves out together."""


def _of(chosen: tuple[int, ...]) -> str:
    return " ".join(OBJECTS[i] for i in chosen)


INPUTS = (
    *(Input(f"m({_of(s)})", "ln m", "ln GeV", f"masses of {len(s)}") for s in SETS),
    Input("m_jjj recomputed", "ln of m(b1 j1 j2) or m(b2 j1 j2), the nearer to 175 GeV", "ln GeV", "rules"),
    Input("m_jlv recomputed", "ln of m(b l v), of the other b", "ln GeV", "rules"),
    Input("m_wbb recomputed", "ln of the larger of m(b1 b2 j1 j2) and m(b1 b2 l v)", "ln GeV", "rules"),
    *(Input(f"dR({_of(p)})", "sqrt(d eta^2 + d phi^2)", "", "angles") for p in VISIBLE_PAIRS),
    *(Input(f"cos({name} v)", "cos(d phi)", "", "angles") for name in OBJECTS[:5]),
    *(Input(f"pT({name})", "ln pT", "ln GeV", "momenta") for name in OBJECTS),
    Input("mT(l v)", "ln sqrt(2 pT(l) pT(v) (1 - cos(d phi)))", "ln GeV", "momenta"),
    Input("pT(all)", "ln pT of the sum of all six", "ln GeV", "momenta"),
    Input("HT", "ln of the sum of the jets' pT", "ln GeV", "momenta"),
    *(Input(f"abs eta({name})", "absolute pseudorapidity", "", "directions") for name in OBJECTS),
    Input("abs y(all)", "absolute rapidity of the sum of all six", "", "directions"),
    *(Input(f"tag({name})", "0: none, 1: loose, 2: tight", "", "tags") for name in OBJECTS[:4]),
)
"""What the layer makes of the 21 low-level columns, in its order."""

_MEMBERS = np.array([[set(pair) <= set(chosen) for chosen in SETS] for pair in PAIRS], np.float32)
"""(15, 57): whether a pair is in a set"""


def feature_names(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Of what the layer gives for these columns."""
    return (*(i.name for i in INPUTS), *(name for name in columns if name in HIGH))


def kinematic_features(features: np.ndarray, columns: tuple[str, ...]) -> np.ndarray:
    """(n, k) float32: what `Kinematics(columns)` makes of features (n, len(columns)), for what is no net."""
    layer, inputs = Kinematics(columns), np.empty((len(features), len(feature_names(columns))), np.float32)
    for first in range(0, len(features), ROW_GROUP):
        block = slice(first, first + ROW_GROUP)
        inputs[block] = ops.convert_to_numpy(layer(features[block]))
    return inputs


class _Objects(NamedTuple):
    """Six objects of each event, all (n, 6)."""

    pt: object
    """GeV"""
    eta: object
    phi: object
    """rad"""
    tags: object
    """(n, 4): 0, 1 or 2"""


@keras.saving.register_keras_serializable("higgs_lib")
class Kinematics(keras.layers.Layer):
    """Columns (n, 21 or more) in the file's units to physics inputs (n, k): those of `INPUTS`, then ln of each mass.

    `columns` names what comes in: the 21 low-level ones, and any of the seven high-level masses.
    """

    def __init__(self, columns: tuple[str, ...], **settings):
        super().__init__(**settings)
        missing = [name for name in LOW if name not in columns]
        if missing:
            raise ValueError(f"physics inputs need all low-level columns; missing: {', '.join(missing)}")
        self.columns = tuple(columns)

    def get_config(self):
        return super().get_config() | {"columns": self.columns}

    def compute_output_shape(self, shape):
        return (*shape[:-1], len(feature_names(self.columns)))

    def call(self, features):
        objects = self._objects(features)
        squares = _squared_masses(objects)
        masses = _half_ln(ops.matmul(squares, _MEMBERS))
        parts = [masses, _rules(squares, masses), *_angles(objects), *_momenta(objects), objects.tags]
        built = [i for i, name in enumerate(self.columns) if name in HIGH]
        if built:
            parts.append(ops.log(ops.take(features, built, axis=-1)))
        return ops.concatenate(parts, axis=-1)

    def _of(self, features, names: list[str], scales: list[float]):
        """(n, k) of these columns in GeV or rad."""
        chosen = ops.take(features, [self.columns.index(name) for name in names], axis=-1)
        return chosen * np.array(scales, np.float32)

    def _objects(self, features) -> _Objects:
        """Jets in the order of tag and momentum, the lepton, and the neutrino by the file's rule."""
        jets = [f"jet_{number}_" for number in (1, 2, 3, 4)]
        pt, eta, phi = (
            self._of(features, names, [SCALES[name] for name in names])
            for names in ([jet + quantity for jet in jets] for quantity in ("pt", "eta", "phi"))
        )
        tags = ops.round(self._of(features, [jet + "b_tag" for jet in jets], [1 / t for t in B_TAG_LEVELS[:, 1]]))
        places = _places(pt, tags)
        pt, eta, phi, tags = (ops.squeeze(ops.matmul(places, x[..., None]), -1) for x in (pt, eta, phi, tags))
        lepton = self._of(features, LOW[:3], [SCALES[name] for name in LOW[:3]])
        missing = self._of(features, LOW[3:5], [SCALES[name] for name in LOW[3:5]])
        neutrino = _neutrino_eta(lepton, missing)
        return _Objects(
            ops.concatenate([pt, lepton[:, :1], missing[:, :1]], -1),
            ops.concatenate([eta, lepton[:, 1:2], neutrino], -1),
            ops.concatenate([phi, lepton[:, 2:], missing[:, 1:]], -1),
            tags,
        )


def _places(pt, tags):
    """(n, 4, 4): one where the jet of a column comes to the place of a row. Without a sort, which is slow in XLA."""
    key = pt + 1e5 * ops.minimum(tags, 1.0)
    before = key[:, None, :] > key[:, :, None]  # [event, jet, other]: the other comes first
    earlier = np.tril(np.ones((4, 4), bool), -1)[None]
    before = before | ((key[:, None, :] == key[:, :, None]) & earlier)
    rank = ops.sum(ops.cast(before, "float32"), -1)
    return ops.cast(rank[:, None, :] == np.arange(4, dtype=np.float32)[None, :, None], "float32")


def _neutrino_eta(lepton, missing):
    """(n, 1): as `kinematics.neutrino_eta`. It is constant between jumps, so that it has no gradient."""
    pt, eta, phi = (lepton[:, i : i + 1] for i in range(3))
    cosine = ops.cos(phi - missing[:, 1:])
    product = 2 * pt * ops.maximum(missing[:, :1], 1e-6)
    distance = ops.arccosh(ops.maximum(W_MASS**2 / product + cosine, 1.0))
    solutions = ops.concatenate([eta - distance, eta + distance, eta], -1) / NEUTRINO_ETA_STEP
    grid = ops.concatenate([ops.floor(solutions), ops.ceil(solutions)], -1) * NEUTRINO_ETA_STEP
    grid = ops.clip(grid, -NEUTRINO_ETA_LIMIT, NEUTRINO_ETA_LIMIT)
    squares = product * 2 * (ops.sinh((grid - eta) / 2) ** 2 + (1 - cosine) / 2)
    off = ops.abs(ops.sqrt(ops.maximum(squares, 0.0)) - W_MASS)
    first = ops.cast(ops.one_hot(ops.argmin(off, -1), 6), grid.dtype)
    return ops.stop_gradient(ops.sum(grid * first, -1, keepdims=True))


def _pairs(values) -> tuple:
    """The values (n, 15) of the first and of the second of each pair."""
    return tuple(ops.take(values, [pair[end] for pair in PAIRS], axis=-1) for end in (0, 1))


def _squared_masses(objects: _Objects):
    """(n, 15), GeV^2"""
    (pt_1, pt_2), (eta_1, eta_2), (phi_1, phi_2) = (_pairs(x) for x in objects[:3])
    return 4 * pt_1 * pt_2 * (ops.sinh((eta_1 - eta_2) / 2) ** 2 + ops.sin((phi_1 - phi_2) / 2) ** 2)


def _half_ln(squares):
    """The logarithm of the root."""
    return 0.5 * ops.log(squares + SMALLEST**2)


def _rules(squares, masses):
    """(n, 3): m_jjj, m_jlv and m_wbb as the file has them, of the stored jets."""

    def of(*chosen):
        return masses[:, SETS.index(chosen) : SETS.index(chosen) + 1]

    tops = of(0, 2, 3), of(1, 2, 3)
    off = [ops.abs(ops.exp(top) - TOP_MASS) for top in tops]
    first = off[0] < off[1]
    chosen = [ops.where(first, *tops), ops.where(first, of(1, 4, 5), of(0, 4, 5))]
    return ops.concatenate([*chosen, ops.maximum(of(0, 1, 2, 3), of(0, 1, 4, 5))], -1)


def _angles(objects: _Objects) -> list:
    """Distances of the visible objects (n, 10), and how each stands to the missing momentum (n, 5)."""
    (eta_1, eta_2), (phi_1, phi_2) = (_pairs(x) for x in objects[1:3])
    visible = [PAIRS.index(pair) for pair in VISIBLE_PAIRS]
    turn = ops.arctan2(ops.sin(phi_1 - phi_2), ops.cos(phi_1 - phi_2))
    distance = ops.sqrt((eta_1 - eta_2) ** 2 + turn**2 + SMALLEST**2)
    return [ops.take(distance, visible, axis=-1), ops.cos(objects.phi[:, :5] - objects.phi[:, 5:])]


def _momenta(objects: _Objects) -> list:
    """Momenta (n, 9) and directions (n, 7) of the objects and of all together."""
    pt, eta, phi, _ = objects
    x, y = (ops.sum(pt * turn(phi), -1, keepdims=True) for turn in (ops.cos, ops.sin))
    along, energy = (ops.sum(pt * turn(eta), -1, keepdims=True) for turn in (ops.sinh, ops.cosh))
    transverse = 4 * pt[:, 4:5] * pt[:, 5:] * ops.sin((phi[:, 4:5] - phi[:, 5:]) / 2) ** 2
    hard = ops.log(ops.sum(pt[:, :4], -1, keepdims=True))
    rapidity = ops.abs(ops.arctanh(along / energy))
    return [
        ops.log(ops.maximum(pt, SMALLEST)),
        _half_ln(transverse),
        _half_ln(x**2 + y**2),
        hard,
        ops.abs(eta),
        rapidity,
    ]

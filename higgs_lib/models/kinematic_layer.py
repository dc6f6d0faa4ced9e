"""A Keras layer that computes masses, angles and momenta from the columns of the file.

All six objects (four jets, the lepton, the neutrino) are massless, so the squared mass of a set of them is the sum over
its pairs. With m_ij^2 = 4 pT_i pT_j (sinh^2(d eta / 2) + sin^2(d phi / 2)) nothing cancels in float32. No feature
depends on the azimuth of the whole event or on the direction of the beam axis.
"""

from itertools import combinations
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from higgs_lib.data import HIGH, LOW, ROW_GROUP, SIGNAL_MASSES
from higgs_lib.data.kinematics import B_TAG_LEVELS, NEUTRINO_ETA_LIMIT, NEUTRINO_ETA_STEP, SCALES, TOP_MASS, W_MASS

OBJECTS = ("b1", "b2", "j1", "j2", "l", "v")
"""The four jets, tagged ones first and then by falling pT; the lepton; the neutrino."""

PAIRS = tuple(combinations(range(6), 2))
SETS = tuple(members for size in range(2, 7) for members in combinations(range(6), size))
"""The sets of objects whose masses are features."""

VISIBLE_PAIRS = tuple(pair for pair in PAIRS if pair[1] < 5)
SMALLEST = 1e-3  # GeV: keeps logarithms and gradients finite where a mass or a momentum vanishes


class KinematicFeature(NamedTuple):
    """One feature that the layer computes."""

    name: str
    """The feature's name, with its objects."""
    formula: str
    """The formula, as text."""
    unit: str
    """The unit; "" for none."""
    group: str
    """The group of features that an ablation leaves out together."""


def _names(members: tuple[int, ...]) -> str:
    """Returns the names of some objects as one text."""
    return " ".join(OBJECTS[i] for i in members)


KINEMATIC_FEATURES = (
    *(KinematicFeature(f"m({_names(s)})", "ln m", "ln GeV", f"masses of {len(s)}") for s in SETS),
    KinematicFeature("m_jjj recomputed", "ln of m(b1 j1 j2) or m(b2 j1 j2), the nearer to 175 GeV", "ln GeV", "rules"),
    KinematicFeature("m_jlv recomputed", "ln of m(b l v), of the other b", "ln GeV", "rules"),
    KinematicFeature("m_wbb recomputed", "ln of the larger of m(b1 b2 j1 j2) and m(b1 b2 l v)", "ln GeV", "rules"),
    *(KinematicFeature(f"dR({_names(p)})", "sqrt(d eta^2 + d phi^2)", "", "angles") for p in VISIBLE_PAIRS),
    *(KinematicFeature(f"cos({name} v)", "cos(d phi)", "", "angles") for name in OBJECTS[:5]),
    *(KinematicFeature(f"pT({name})", "ln pT", "ln GeV", "momenta") for name in OBJECTS),
    KinematicFeature("mT(l v)", "ln sqrt(2 pT(l) pT(v) (1 - cos(d phi)))", "ln GeV", "momenta"),
    KinematicFeature("pT(all)", "ln pT of the sum of all six", "ln GeV", "momenta"),
    KinematicFeature("HT", "ln of the sum of the jets' pT", "ln GeV", "momenta"),
    *(KinematicFeature(f"abs eta({name})", "absolute pseudorapidity", "", "directions") for name in OBJECTS),
    KinematicFeature("abs y(all)", "absolute rapidity of the sum of all six", "", "directions"),
    *(KinematicFeature(f"tag({name})", "0: none, 1: loose, 2: tight", "", "tags") for name in OBJECTS[:4]),
)
"""The features that the layer computes from the 21 low-level columns, in its order."""

_PAIR_IN_SET = np.array([[set(pair) <= set(members) for members in SETS] for pair in PAIRS], np.float32)  # (15, 57)


GIVEN_MASSES = (*HIGH, *SIGNAL_MASSES)
"""The columns beside the low-level ones that the layer takes: masses, of the event and of the signal hypothesis."""


def feature_names(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names of the features that the layer computes from these columns."""
    return (*(feature.name for feature in KINEMATIC_FEATURES), *(name for name in columns if name in GIVEN_MASSES))


def kinematic_features(features: np.ndarray, columns: tuple[str, ...]) -> np.ndarray:
    """Returns the output (n, k) of `Kinematics(columns)` for raw features (n, len(columns)), outside a model."""
    layer, computed = Kinematics(columns), np.empty((len(features), len(feature_names(columns))), np.float32)
    for first in range(0, len(features), ROW_GROUP):
        block = slice(first, first + ROW_GROUP)
        computed[block] = ops.convert_to_numpy(layer(features[block]))
    return computed


class _Objects(NamedTuple):
    """The six objects of each event, in the order of `OBJECTS`."""

    pt: object
    """The transverse momenta in GeV, (n, 6)."""
    eta: object
    """The pseudorapidities, (n, 6)."""
    phi: object
    """The azimuths in rad, (n, 6)."""
    tags: object
    """The b-tags of the jets, (n, 4): 0, 1 or 2."""


@keras.saving.register_keras_serializable("higgs_lib")
class Kinematics(keras.layers.Layer):
    """Computes kinematic features (n, k) from columns (n, 21 or more) in normalised units.

    `columns` names the inputs: the 21 low-level columns, and any of the seven high-level masses and of the two masses
    of a signal hypothesis. The outputs are `KINEMATIC_FEATURES`, then the logarithm of each of these masses.
    """

    def __init__(self, columns: tuple[str, ...], **settings: Any) -> None:
        super().__init__(**settings)
        missing = [name for name in LOW if name not in columns]
        if missing:
            raise ValueError(f"Kinematics: the layer needs all low-level columns; missing: {', '.join(missing)}")
        self.columns = tuple(columns)

    def get_config(self) -> dict[str, Any]:
        """Returns what a saved model stores of this layer."""
        return super().get_config() | {"columns": self.columns}

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape (n, k)."""
        return (*shape[:-1], len(feature_names(self.columns)))

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the kinematic features (n, k)."""
        objects = self._objects(features)
        squares = _squared_masses(objects)
        masses = _log_root(ops.matmul(squares, _PAIR_IN_SET))
        parts = [masses, _high_level_masses(masses), *_angles(objects), *_momenta(objects), objects.tags]
        given = [i for i, name in enumerate(self.columns) if name in GIVEN_MASSES]
        if given:
            parts.append(ops.log(ops.take(features, given, axis=-1)))
        return ops.concatenate(parts, axis=-1)

    def _scaled(self, features, names: list[str], scales: list[float]):
        """Returns these columns (n, k) times their scales, such as GeV per normalised unit."""
        columns = ops.take(features, [self.columns.index(name) for name in names], axis=-1)
        return columns * np.array(scales, np.float32)

    def _objects(self, features) -> _Objects:
        """Returns the jets ordered by tag and pT, the lepton, and the neutrino by the file's rule."""
        jets = [f"jet_{number}_" for number in (1, 2, 3, 4)]
        pt, eta, phi = (
            self._scaled(features, names, [SCALES[name] for name in names])
            for names in ([jet + quantity for jet in jets] for quantity in ("pt", "eta", "phi"))
        )
        tags = ops.round(self._scaled(features, [jet + "b_tag" for jet in jets], [1 / t for t in B_TAG_LEVELS[:, 1]]))
        order = _jet_order(pt, tags)
        pt, eta, phi, tags = (ops.squeeze(ops.matmul(order, x[..., None]), -1) for x in (pt, eta, phi, tags))
        lepton = self._scaled(features, LOW[:3], [SCALES[name] for name in LOW[:3]])
        missing = self._scaled(features, LOW[3:5], [SCALES[name] for name in LOW[3:5]])
        neutrino = _neutrino_eta(lepton, missing)
        return _Objects(
            ops.concatenate([pt, lepton[:, :1], missing[:, :1]], -1),
            ops.concatenate([eta, lepton[:, 1:2], neutrino], -1),
            ops.concatenate([phi, lepton[:, 2:], missing[:, 1:]], -1),
            tags,
        )


def _jet_order(pt, tags):
    """Returns permutation matrices (n, 4, 4) that order the jets by tag and pT; a sort would be slow in XLA."""
    key = pt + 1e5 * ops.minimum(tags, 1.0)
    before = key[:, None, :] > key[:, :, None]  # [event, jet, other]: the other comes first
    earlier = np.tril(np.ones((4, 4), bool), -1)[None]
    before = before | ((key[:, None, :] == key[:, :, None]) & earlier)
    rank = ops.sum(ops.cast(before, "float32"), -1)
    return ops.cast(rank[:, None, :] == np.arange(4, dtype=np.float32)[None, :, None], "float32")


def _neutrino_eta(lepton, missing):
    """Returns the pseudorapidity (n, 1) as `kinematics.neutrino_eta` does; it is piecewise constant: no gradient."""
    pt, eta, phi = (lepton[:, i : i + 1] for i in range(3))
    cosine = ops.cos(phi - missing[:, 1:])
    product = 2 * pt * ops.maximum(missing[:, :1], 1e-6)
    distance = ops.arccosh(ops.maximum(W_MASS**2 / product + cosine, 1.0))
    solutions = ops.concatenate([eta - distance, eta + distance, eta], -1) / NEUTRINO_ETA_STEP
    grid = ops.concatenate([ops.floor(solutions), ops.ceil(solutions)], -1) * NEUTRINO_ETA_STEP
    grid = ops.clip(grid, -NEUTRINO_ETA_LIMIT, NEUTRINO_ETA_LIMIT)
    squares = product * 2 * (ops.sinh((grid - eta) / 2) ** 2 + (1 - cosine) / 2)
    deviation = ops.abs(ops.sqrt(ops.maximum(squares, 0.0)) - W_MASS)
    nearest = ops.cast(ops.one_hot(ops.argmin(deviation, -1), 6), grid.dtype)
    return ops.stop_gradient(ops.sum(grid * nearest, -1, keepdims=True))


def _pairs(values) -> tuple:
    """Returns the values (n, 15) of the first and of the second object of each pair."""
    return tuple(ops.take(values, [pair[end] for pair in PAIRS], axis=-1) for end in (0, 1))


def _squared_masses(objects: _Objects):
    """Returns the squared mass of each pair in GeV^2, (n, 15)."""
    (pt_1, pt_2), (eta_1, eta_2), (phi_1, phi_2) = (_pairs(x) for x in objects[:3])
    return 4 * pt_1 * pt_2 * (ops.sinh((eta_1 - eta_2) / 2) ** 2 + ops.sin((phi_1 - phi_2) / 2) ** 2)


def _log_root(squares):
    """Returns the logarithm of the square root."""
    return 0.5 * ops.log(squares + SMALLEST**2)


def _high_level_masses(masses):
    """Returns the logarithms (n, 3) of m_jjj, m_jlv and m_wbb by the file's rules, from the stored jets."""

    def mass_of(*members):
        return masses[:, SETS.index(members) : SETS.index(members) + 1]

    tops = mass_of(0, 2, 3), mass_of(1, 2, 3)
    deviations = [ops.abs(ops.exp(top) - TOP_MASS) for top in tops]
    first_is_nearer = deviations[0] < deviations[1]
    m_jjj = ops.where(first_is_nearer, *tops)
    m_jlv = ops.where(first_is_nearer, mass_of(1, 4, 5), mass_of(0, 4, 5))
    return ops.concatenate([m_jjj, m_jlv, ops.maximum(mass_of(0, 1, 2, 3), mass_of(0, 1, 4, 5))], -1)


def _angles(objects: _Objects) -> list:
    """Returns the distances of visible objects (n, 10), and cosines of their angles to the missing momentum (n, 5)."""
    (eta_1, eta_2), (phi_1, phi_2) = (_pairs(x) for x in objects[1:3])
    visible = [PAIRS.index(pair) for pair in VISIBLE_PAIRS]
    delta_phi = ops.arctan2(ops.sin(phi_1 - phi_2), ops.cos(phi_1 - phi_2))
    distance = ops.sqrt((eta_1 - eta_2) ** 2 + delta_phi**2 + SMALLEST**2)
    return [ops.take(distance, visible, axis=-1), ops.cos(objects.phi[:, :5] - objects.phi[:, 5:])]


def _momenta(objects: _Objects) -> list:
    """Returns momenta (n, 9) and directions (n, 7) of the objects and of their sum."""
    pt, eta, phi, _ = objects
    x, y = (ops.sum(pt * part(phi), -1, keepdims=True) for part in (ops.cos, ops.sin))
    along, energy = (ops.sum(pt * part(eta), -1, keepdims=True) for part in (ops.sinh, ops.cosh))
    transverse = 4 * pt[:, 4:5] * pt[:, 5:] * ops.sin((phi[:, 4:5] - phi[:, 5:]) / 2) ** 2
    ht = ops.log(ops.sum(pt[:, :4], -1, keepdims=True))
    rapidity = ops.abs(ops.arctanh(along / energy))
    return [
        ops.log(ops.maximum(pt, SMALLEST)),
        _log_root(transverse),
        _log_root(x**2 + y**2),
        ht,
        ops.abs(eta),
        rapidity,
    ]

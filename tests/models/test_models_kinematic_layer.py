"""Compares the layer with four-vectors in float64."""

import numpy as np
import pytest
import tensorflow as tf
from arrays import assert_close
from repository import ROOT

from higgs_lib import data, models, training
from higgs_lib.data import COMPLETE, HIGH, LOW, SIGNAL_MASSES, EventStream, kinematics
from higgs_lib.models import ModelSpec, jet_permutations, kinematic_layer
from higgs_lib.models.kinematic_layer import KINEMATIC_FEATURES, OBJECTS, SETS, Kinematics
from higgs_lib.training import TrainConfig


def objects(table):
    """Returns four-vectors (4, 6, n) in GeV, float64, of jets in the layer's order, lepton, neutrino; tags (4, n)."""
    events = kinematics.four_vectors(table)
    pt, eta, phi = (np.asarray(getattr(events.jets, name), float) for name in ("pt", "eta", "phi"))
    order = np.lexsort((-pt, events.b_tags == 0), axis=0)
    jets = kinematics.massless(*(np.take_along_axis(x, order, 0) for x in (pt, eta, phi)))
    lepton = [np.asarray(getattr(events.lepton, name), float) for name in ("pt", "eta", "phi")]
    missing = [np.asarray(getattr(events.missing, name), float) for name in ("pt", "phi")]
    neutrino = kinematics.massless(missing[0], kinematics.neutrino_eta(*lepton, *missing), missing[1])
    return np.concatenate([jets, kinematics.massless(*lepton)[:, None], neutrino[:, None]], 1), np.take_along_axis(
        events.b_tags, order, 0
    )


def distance(a, b):
    (_, eta_a, phi_a), (_, eta_b, phi_b) = map(kinematics.pt_eta_phi, (a, b))
    return np.hypot(eta_a - eta_b, kinematics.angle_between(phi_a, phi_b))


def assert_agrees(path, rows):
    """Compares every feature of the layer within 1e-4, relative for logarithms."""
    table = data.load_table(path, rows)
    features = dict(zip(kinematic_layer.feature_names(COMPLETE), layer(COMPLETE, table).T.astype(float), strict=True))
    p, tags = objects(table)
    expected = {i.name: kinematics.mass(p[:, list(s)].sum(1)) for i, s in zip(KINEMATIC_FEATURES, SETS, strict=False)}
    expected |= {f"pT({name})": np.hypot(p[1, i], p[2, i]) for i, name in enumerate(OBJECTS)}
    expected |= {"pT(all)": np.hypot(*p[1:3].sum(1)), "HT": np.hypot(*p[1:3, :4]).sum(0)}
    recomputed = kinematics.recompute(table)
    two = np.isfinite(recomputed.m_bb)
    rules = {f"{name} recomputed": getattr(recomputed, name) for name in ("m_jjj", "m_jlv", "m_wbb")}
    expected |= {name: np.where(two, mass, np.nan) for name, mass in rules.items()}
    transverse = 2 * np.hypot(*p[1:3, 4]) * np.hypot(*p[1:3, 5])
    cosine = (p[1:3, 4] * p[1:3, 5]).sum(0) * 2 / transverse
    expected["mT(l v)"] = np.sqrt(np.maximum(transverse * (1 - cosine), 0))
    expected |= {name: table[name].to_numpy() * 1e3 for name in HIGH}  # without a unit: far above 1
    features |= {name: features[name] + np.log(1e3) for name in HIGH}
    # two grid points of the neutrino may be equally near to the W mass up to rounding in float32
    same = np.abs(features["abs eta(v)"] - np.abs(kinematics.pt_eta_phi(p[:, 5])[1])) < 1e-4
    assert_close(np.exp(features["m(l v)"][~same]), expected["m(l v)"][~same], abs=1e-3)
    assert same.mean() > 0.999
    for name, value in expected.items():
        known = same & np.isfinite(value) & (value > 1)  # GeV; below, rounding of phi in float32 matters
        assert known.any(), name
        assert_close(np.exp(features[name][known]), value[known], rel=1e-4)
    for (i, a), (j, b) in [
        ((i, a), (j, b)) for i, a in enumerate(OBJECTS[:5]) for j, b in enumerate(OBJECTS[:5]) if i < j
    ]:
        assert_close(features[f"dR({a} {b})"], distance(p[:, i], p[:, j]), abs=1e-4)
    for i, name in enumerate(OBJECTS):
        eta = kinematics.pt_eta_phi(p[:, i])[1]
        assert_close(features[f"abs eta({name})"][same], np.abs(eta)[same], abs=1e-4)
    for i, name in enumerate(OBJECTS[:4]):
        assert np.array_equal(features[f"tag({name})"], tags[i])
    total = p.sum(1)
    assert_close(features["abs y(all)"][same], np.abs(np.arctanh(total[3] / total[0]))[same], abs=1e-4)


def layer(columns, table):
    return np.array(Kinematics(columns)(np.stack([table[name].to_numpy() for name in columns], 1)))


def test_features_agree_with_four_vectors_on_built_in_events(events):
    assert_agrees(events, range(20_000))


def test_features_agree_with_four_vectors_on_uci_events(uci_events):
    assert_agrees(uci_events, range(40_681))


def test_rotating_an_event_and_mirroring_the_beam_change_nothing(events):
    table = data.load_table(events, range(1000))
    columns = {name: table[name].to_numpy() for name in LOW}
    rotated = {}
    for name, values in columns.items():
        if name.endswith("phi"):
            angle = values * kinematics.SCALES[name] + 1.0
            values = (np.remainder(angle + np.pi, 2 * np.pi) - np.pi) / kinematics.SCALES[name]
        rotated[name] = -values if name.endswith("eta") else values
    before, after = (
        np.array(Kinematics(LOW)(np.stack(list(c.values()), 1).astype(np.float32))) for c in (columns, rotated)
    )
    difference = np.abs(after - before).max(1)
    assert np.mean(difference < 2e-3) > 0.995  # the neutrino's grid is not symmetric if two points are equally near


def test_gradients_are_finite_where_masses_and_missing_transverse_energy_vanish():
    event = np.zeros((3, 28), np.float32)
    event[:, COMPLETE.index("lepton_pt")] = 1
    for jet in (1, 2, 3, 4):
        event[:, COMPLETE.index(f"jet_{jet}_pt")] = 1
    event[:, 21:] = 1
    event[1] += 1e-7  # all objects nearly along each other
    event[2, COMPLETE.index("jet_2_eta")] = 2
    features = tf.constant(event)
    with tf.GradientTape() as tape:
        tape.watch(features)
        outputs = Kinematics(COMPLETE)(features)
        total = tf.reduce_sum(outputs)
    assert np.isfinite(outputs.numpy()).all()
    assert np.isfinite(tape.gradient(total, features).numpy()).all()


def test_a_network_with_kinematic_features_is_trained_saved_and_loaded(events, tmp_path):
    parts = [EventStream.open(events, LOW, rows).load() for rows in (range(8000), range(8000, 12_000))]
    spec = ModelSpec((50,), inputs="kinematics", activation="relu")
    config = TrainConfig(epochs=3, batch_size=256)
    aucs = {}
    for inputs, standard in (
        ("columns", models.standardisation(parts[0])),
        ("kinematics", models.standardisation(parts[0], LOW)),
    ):
        model = models.build(spec, standard, seed=1)
        optimizer = models.optimizer(spec, n_events=8000, batch_size=config.batch_size, epochs=config.epochs)
        history = training.fit(model, optimizer, *parts, config, seed=1)
        aucs[inputs] = history.validation[-1].auc
    assert aucs["kinematics"] > aucs["columns"] + 0.05
    model.save(tmp_path / "model.keras")
    again = models.load(tmp_path / "model.keras")
    assert np.array_equal(training.predict(again, parts[1].features), training.predict(model, parts[1].features))


def test_the_documentation_lists_every_feature_in_one_table():
    text = (ROOT / "docs" / "kinematics.md").read_text()
    lines = text[text.index("| input |") :].split("\n\n")[0].splitlines()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    assert rows[1:] == [tuple(feature) for feature in KINEMATIC_FEATURES]
    groups = {feature.group for feature in KINEMATIC_FEATURES}
    assert groups >= {"masses of 2", "rules", "angles", "momenta", "directions", "tags"}


def test_masses_of_a_hypothesis_pass_as_logarithms_that_no_permutation_moves(events):
    columns = (*LOW, *SIGNAL_MASSES)
    features = np.concatenate([data.load(events, LOW, range(500)).features, np.full((500, 2), (425, 325))], 1)
    features = features.astype(np.float32)
    computed = kinematic_layer.kinematic_features(features, columns)
    assert kinematic_layer.feature_names(columns)[-2:] == SIGNAL_MASSES
    assert_close(computed[:, -2:], np.log(features[:, -2:]), rel=1e-6)
    assert np.array_equal(computed[:, :-2], kinematic_layer.kinematic_features(features[:, : len(LOW)], LOW))
    for order in jet_permutations.permutation_orders(columns):
        assert order[-2:].tolist() == [len(KINEMATIC_FEATURES), len(KINEMATIC_FEATURES) + 1]


def test_all_low_level_columns_are_required():
    with pytest.raises(ValueError, match="Kinematics: the layer needs all low-level columns; missing: jet_4_b_tag"):
        Kinematics(LOW[:-1])

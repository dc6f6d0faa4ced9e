"""The layer against four-vectors in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

from higgs_lib import data, models, training
from higgs_lib.data import COMPLETE, HIGH, LOW, EventStream, kinematics
from higgs_lib.models import ModelSpec, kinematic_layer
from higgs_lib.models.kinematic_layer import INPUTS, OBJECTS, SETS, Kinematics


def objects(table):
    """Four-vectors (4, 6, n) in GeV, float64, of the jets in the layer's order, lepton and neutrino; tags (4, n)."""
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
    """Every input of the layer within 1e-4, relative for what is given as a logarithm."""
    table = data.load_table(path, rows)
    found = dict(zip(kinematic_layer.feature_names(COMPLETE), layer(COMPLETE, table).T.astype(float), strict=True))
    p, tags = objects(table)
    wanted = {i.name: kinematics.mass(p[:, list(s)].sum(1)) for i, s in zip(INPUTS, SETS, strict=False)}
    wanted |= {f"pT({name})": np.hypot(p[1, i], p[2, i]) for i, name in enumerate(OBJECTS)}
    wanted |= {"pT(all)": np.hypot(*p[1:3].sum(1)), "HT": np.hypot(*p[1:3, :4]).sum(0)}
    built = kinematics.recompute(table)
    two = np.isfinite(built.m_bb)
    rules = {f"{name} recomputed": getattr(built, name) for name in ("m_jjj", "m_jlv", "m_wbb")}
    wanted |= {name: np.where(two, mass, np.nan) for name, mass in rules.items()}
    transverse = 2 * np.hypot(*p[1:3, 4]) * np.hypot(*p[1:3, 5])
    cosine = (p[1:3, 4] * p[1:3, 5]).sum(0) * 2 / transverse
    wanted["mT(l v)"] = np.sqrt(np.maximum(transverse * (1 - cosine), 0))
    wanted |= {name: table[name].to_numpy() * 1e3 for name in HIGH}  # of no unit: far above 1
    found |= {name: found[name] + np.log(1e3) for name in HIGH}
    # two grid points of the neutrino may be as near to the W mass but for float32's rounding
    same = np.abs(found["abs eta(v)"] - np.abs(kinematics.pt_eta_phi(p[:, 5])[1])) < 1e-4
    assert np.exp(found["m(l v)"][~same]) == pytest.approx(wanted["m(l v)"][~same], abs=1e-3)
    assert same.mean() > 0.999
    for name, value in wanted.items():
        known = same & np.isfinite(value) & (value > 1)  # GeV; below, rounding of phi in float32 tells
        assert np.exp(found[name][known]) == pytest.approx(value[known], rel=1e-4), name
    for (i, a), (j, b) in [
        ((i, a), (j, b)) for i, a in enumerate(OBJECTS[:5]) for j, b in enumerate(OBJECTS[:5]) if i < j
    ]:
        assert found[f"dR({a} {b})"] == pytest.approx(distance(p[:, i], p[:, j]), abs=1e-4)
    for i, name in enumerate(OBJECTS):
        assert found[f"abs eta({name})"][same] == pytest.approx(
            np.abs(kinematics.pt_eta_phi(p[:, i])[1])[same], abs=1e-4
        )
    for i, name in enumerate(OBJECTS[:4]):
        assert np.array_equal(found[f"tag({name})"], tags[i])
    total = p.sum(1)
    assert found["abs y(all)"][same] == pytest.approx(np.abs(np.arctanh(total[3] / total[0]))[same], abs=1e-4)


def layer(columns, table):
    return np.array(Kinematics(columns)(np.stack([table[name].to_numpy() for name in columns], 1)))


def test_inputs_agree_with_four_vectors_on_built_in_events(events):
    assert_agrees(events, range(20_000))


def test_inputs_agree_with_four_vectors_on_real_events(real_events):
    assert_agrees(real_events, range(40_681))


def test_turning_an_event_or_mirroring_the_beam_changes_nothing(events):
    table = data.load_table(events, range(1000))
    columns = {name: table[name].to_numpy() for name in LOW}
    turned = {}
    for name, values in columns.items():
        if name.endswith("phi"):
            angle = values * kinematics.SCALES[name] + 1.0
            values = (np.remainder(angle + np.pi, 2 * np.pi) - np.pi) / kinematics.SCALES[name]
        turned[name] = -values if name.endswith("eta") else values
    before, after = (
        np.array(Kinematics(LOW)(np.stack(list(c.values()), 1).astype(np.float32))) for c in (columns, turned)
    )
    off = np.abs(after - before).max(1)
    assert np.mean(off < 2e-3) > 0.995  # the neutrino's grid is not symmetric where two of its points are as near


def test_gradients_are_finite_where_masses_and_missing_energy_vanish():
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
        inputs = Kinematics(COMPLETE)(features)
        total = tf.reduce_sum(inputs)
    assert np.isfinite(inputs.numpy()).all()
    assert np.isfinite(tape.gradient(total, features).numpy()).all()


def test_a_net_with_kinematics_trains_is_saved_and_comes_back(events, tmp_path):
    parts = [EventStream.open(events, LOW, rows).load() for rows in (range(8000), range(8000, 12_000))]
    spec = ModelSpec((50,), inputs="kinematics", activation="relu")
    pace = {"epochs": 3, "batch_size": 256}
    aucs = {}
    for kind, standard in (
        ("columns", models.standardisation(parts[0])),
        ("kinematics", models.standardisation(parts[0], LOW)),
    ):
        model = models.build(spec, standard, seed=1)
        history = training.fit(model, models.optimizer(spec, n_events=8000, **pace), *parts, **pace, seed=1)
        aucs[kind] = history.validation[-1].auc
    assert aucs["kinematics"] > aucs["columns"] + 0.05
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(training.predict(again, parts[1].features), training.predict(model, parts[1].features))


def test_the_documentation_has_every_input_in_one_table():
    text = (ROOT / "docs" / "kinematics.md").read_text()
    lines = text[text.index("| input |") :].split("\n\n")[0].splitlines()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    assert rows[1:] == [tuple(made) for made in INPUTS]
    assert {made.group for made in INPUTS} >= {"masses of 2", "rules", "angles", "momenta", "directions", "tags"}


def test_low_level_columns_have_to_be_there():
    with pytest.raises(ValueError, match="need all low-level columns; missing: jet_4_b_tag"):
        Kinematics(LOW[:-1])

"""Tests of the augmentation by rotations and reflections."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from arrays import assert_close

from higgs_lib import data, models, training
from higgs_lib.data import COMPLETE, HIGH, LOW, Sample, kinematics
from higgs_lib.models import ModelSpec
from higgs_lib.models.beam_symmetry import RandomBeamSymmetry
from higgs_lib.training import TrainConfig, steps

SPEC = ModelSpec((20, 20), augmented=True, learning_rate=0.003)


@pytest.fixture(scope="module")
def sample(events):
    return data.load(events, COMPLETE, range(12_000))


@pytest.fixture(scope="module")
def augmented(sample):
    return np.array(RandomBeamSymmetry(COMPLETE, seed=3)(sample.features, training=True))


def table(features):
    """Returns features (n, 28) by name."""
    return dict(zip(COMPLETE, features.astype(float).T, strict=True))


def objects(features):
    """Returns the four-vectors (7, 4, n) of the jets, the lepton, the neutrino and their sum, in GeV."""
    events = kinematics.four_vectors(table(features))
    met = kinematics.neutrino_eta(
        events.lepton.pt, events.lepton.eta, events.lepton.phi, events.missing.pt, events.missing.phi
    )
    visible = [kinematics.massless(p.pt, p.eta, p.phi) for p in (*events.jets, events.lepton)]
    all_six = np.stack([*visible, kinematics.massless(events.missing.pt, met, events.missing.phi)])
    return np.concatenate([all_six, all_six.sum(0, keepdims=True)])


def test_every_invariant_mass_stays_as_it_was(sample, augmented):
    """Compares masses of all sets of the visible objects, in float64, by the formulas of `kinematics`."""
    before, after = objects(sample.features), objects(augmented)
    for size in (2, 3, 4, 5):
        for members in combinations(range(5), size):
            masses = [kinematics.mass(p[list(members)].sum(0)) for p in (before, after)]
            assert_close(masses[1], masses[0], rel=1e-4, abs=0.01)  # GeV; float32 angles
    transverse = [np.hypot(*p[4:6].sum(0)[1:3]) for p in (before, after)]
    assert_close(transverse[1], transverse[0], rel=1e-4, abs=0.01)


def test_the_masses_of_the_file_stay_as_they_were(sample, augmented):
    """The neutrino's grid is symmetric, so the rules of the file give the same masses."""
    before, after = kinematics.recompute(table(sample.features)), kinematics.recompute(table(augmented))
    for name, masses in before._asdict().items():
        known = np.isfinite(masses)
        deviation = np.abs(getattr(after, name)[known] / masses[known] - 1)
        assert np.quantile(deviation, 0.999) < 1e-4, name  # rounding moves a few to the next point of the grid


def test_columns_other_than_angles_stay_as_they_were(sample, augmented):
    angles = [name.endswith(("_eta", "_phi")) for name in COMPLETE]
    assert np.array_equal(augmented[:, ~np.array(angles)], sample.features[:, ~np.array(angles)])


def test_events_are_rotated_by_any_angle_and_reflected_in_half_of_the_cases(sample, augmented):
    before, after = table(sample.features), table(augmented)
    turn = 2 * np.pi / kinematics.SCALES["lepton_phi"]
    assert max(np.abs(after[name]).max() for name in COMPLETE if name.endswith("_phi")) <= turn / 2 + 1e-6
    in_eta = after["lepton_eta"] == -before["lepton_eta"]
    same_phi, opposite_phi = (
        np.abs(np.angle(np.exp(2j * np.pi * difference / turn))) < 1e-4
        for difference in (
            (after["lepton_phi"] - before["lepton_phi"]) - (after["jet_1_phi"] - before["jet_1_phi"]),
            (after["lepton_phi"] + before["lepton_phi"]) - (after["jet_1_phi"] + before["jet_1_phi"]),
        )
    )
    assert (same_phi | opposite_phi).all()
    for flipped in (in_eta, opposite_phi):
        assert flipped.mean() == pytest.approx(0.5, abs=0.025)  # 12,000 events: 5 standard deviations
    assert np.corrcoef(in_eta, opposite_phi)[0, 1] == pytest.approx(0, abs=0.05)
    phases = after["lepton_phi"][same_phi & ~opposite_phi] - before["lepton_phi"][same_phi & ~opposite_phi]
    counts, _ = np.histogram(phases % turn, 8, (0, turn))
    assert counts == pytest.approx(counts.mean(), rel=0.25)


def test_it_is_seeded_and_active_in_training_alone(sample, augmented):
    layer = RandomBeamSymmetry.from_config(RandomBeamSymmetry(COMPLETE, seed=3).get_config())
    assert np.array_equal(np.array(layer(sample.features)), sample.features)
    assert np.array_equal(np.array(layer(sample.features, training=True)), augmented)
    assert not np.array_equal(np.array(layer(sample.features, training=True)), augmented)


def test_an_augmented_network_is_compiled_and_repeats_itself(sample, tmp_path, monkeypatch):
    low = Sample(np.ascontiguousarray(sample.features[:, : len(LOW)]), sample.labels)
    parts, config = (low.slice(0, 9000), low.slice(9000)), TrainConfig(epochs=2, batch_size=128)
    weights = []
    for spec in (SPEC, SPEC, replace(SPEC, augmented=False)):
        model = models.build(spec, models.standardisation(parts[0]), seed=1, columns=LOW)
        optimizer = models.optimizer(spec, 9000, config.batch_size, config.epochs)
        training.fit(model, optimizer, *parts, config, seed=1, jit_compile=True)
        weights.append(np.concatenate([w.numpy().ravel() for w in model.trainable_variables]))
        if spec.augmented:
            model.save(tmp_path / "model.keras")
            again = models.load(tmp_path / "model.keras")
            scores = [training.predict(m, parts[1].features) for m in (model, again)]
            assert np.array_equal(*scores)
            monkeypatch.setattr(steps.engine(), "gpu", lambda: None)
            assert steps.engine().prefers_xla(model, 512)
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_masses_alone_have_nothing_to_augment_and_columns_must_be_named(sample):
    standard = models.Standardisation(np.zeros(7), np.ones(7))
    model = models.build(SPEC, standard, seed=1, columns=HIGH)
    assert "augmentation" not in [layer.name for layer in model.layers]
    with pytest.raises(ValueError, match="augmentation needs the names of all 7 features"):
        models.build(SPEC, standard, seed=1)

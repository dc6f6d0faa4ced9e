import numpy as np
import pytest

from higgs_lib import simulation
from higgs_lib.data import COMPLETE, HIGH, kinematics
from higgs_lib.study import stored_shifts

COLUMN = {name: number for number, name in enumerate(COMPLETE)}
PT, TAG = ([COLUMN[f"jet_{jet}_{quantity}"] for jet in (1, 2, 3, 4)] for quantity in ("pt", "b_tag"))
MASSES = [COLUMN[name] for name in HIGH]


@pytest.fixture(scope="module")
def features():
    table = simulation.generate(8000, seed=6)
    return np.stack([table[name].to_numpy() for name in COMPLETE], 1)


@pytest.mark.parametrize("variation", stored_shifts.STORED)
def test_no_shift_changes_nothing(features, variation):
    shifted = stored_shifts.shift(features, variation, 0.0, seed=1)
    assert shifted.features == pytest.approx(features, rel=1e-5, abs=1e-6)
    assert (shifted.weights == 1).all()


def test_scales_move_the_jets_of_their_flavour_and_their_masses(features):
    shifted = stored_shifts.shift(features, "jet_scale_b", 1.0, seed=1).features
    tagged = features[:, TAG] > 0
    ratio = shifted[:, PT] / features[:, PT]
    assert ratio[tagged] == pytest.approx(1.02, abs=1e-5)
    assert ratio[~tagged] == pytest.approx(1.0, abs=1e-6)
    two = tagged.sum(1) == 2
    assert (shifted[:, COLUMN["m_bb"]] / features[:, COLUMN["m_bb"]])[two] == pytest.approx(1.02, abs=1e-4)
    assert shifted[two, COLUMN["m_jj"]] == pytest.approx(features[two, COLUMN["m_jj"]], rel=1e-5)


def test_energies_and_missing_momentum_balance(features):
    shifted = stored_shifts.shift(features, "jet_scale_light", 2.0, seed=1).features

    def sums(values):
        events = kinematics.four_vectors(dict(zip(COMPLETE, values.astype(float).T, strict=True)))
        return np.stack([events.missing.px + events.jets.px.sum(0), events.missing.py + events.jets.py.sum(0)])

    assert sums(shifted) == pytest.approx(sums(features), abs=0.01)  # GeV


def test_masses_follow_the_rules_where_they_can_be_told(features):
    """Where the stored masses are those of the stored jets, the shifted ones are those of the shifted jets."""
    shifted = stored_shifts.shift(features, "jet_resolution", 1.0, seed=1).features

    def recomputed(values):
        return np.stack(kinematics.recompute(dict(zip(COMPLETE, values.astype(float).T, strict=True))), 1)

    scales = [kinematics.SCALES[name] for name in HIGH]
    told = np.abs(recomputed(features) / (features[:, MASSES] * scales) - 1) < 1e-4  # False where it is nan
    assert told.mean() > 0.5
    assert (shifted[:, MASSES] * scales)[told] == pytest.approx(recomputed(shifted)[told], rel=1e-3)


def test_noise_widens_what_it_should(features):
    """The noise of two standard deviations, 1.2 times the width, in the missing momentum and in m_lv."""
    wider = stored_shifts.shift(features, "met_noise", 2.0, seed=1).features
    names = ["missing_energy", "missing_energy_phi"]

    def vector(values):
        met, phi = (values[:, COLUMN[name]].astype(float) * kinematics.SCALES[name] for name in names)
        return np.stack([met * np.cos(phi), met * np.sin(phi)])

    pt = features[:, PT] * [kinematics.SCALES[COMPLETE[column]] for column in PT]
    physics = simulation.SimulationParameters()
    width = np.hypot(physics.met_noise, physics.met_noise_root / 2 * np.sqrt(pt.sum(1)))
    noise = (vector(wider) - vector(features)) / width
    assert np.std(noise) == pytest.approx(np.sqrt(1.2**2 - 1), rel=0.03)
    assert np.std(wider[:, COLUMN["m_lv"]]) > np.std(features[:, COLUMN["m_lv"]])
    with pytest.raises(ValueError, match="met_noise: noise cannot be taken away from stored features"):
        stored_shifts.shift(features, "met_noise", -1.0, seed=1)


def test_tags_change_weights_by_the_number_of_tagged_jets(features):
    shifted = stored_shifts.shift(features, "tag_b", 1.0, seed=1)
    assert np.array_equal(shifted.features, features)
    assert shifted.weights == pytest.approx(1.03 ** (features[:, TAG] > 0).sum(1))


def test_events_whose_jet_falls_below_the_threshold_do_not_count(features):
    shifted = stored_shifts.shift(features, "jet_scale_light", -2.0, seed=1)
    pt = shifted.features[:, PT] * [kinematics.SCALES[COMPLETE[column]] for column in PT]
    assert (shifted.weights[pt.min(1) < 14.99] == 0).all()
    assert 0.9 < shifted.weights.mean() < 1


def test_what_cannot_be_shifted_is_refused(features):
    with pytest.raises(
        ValueError, match="m_top: stored features do not allow this variation; they allow jet_scale_light"
    ):
        stored_shifts.shift(features, "m_top", 1.0, seed=1)

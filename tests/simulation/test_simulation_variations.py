import numpy as np
import pytest

from higgs_lib import simulation
from higgs_lib.data import COMPLETE, kinematics
from higgs_lib.metrics import auc
from higgs_lib.simulation import VARIATIONS, SimulationParameters

COLUMN = {name: number for number, name in enumerate(COMPLETE)}
BY_NAME = {variation.name: variation for variation in VARIATIONS}
NOMINAL = SimulationParameters()


def together(label, *physics, n=20_000, seed=1, workers=1):
    """The selected events for each set of parameters."""
    blocks = simulation.simulate_together(n, label, physics, seed=seed, workers=workers)
    return [np.concatenate(events) for events in blocks]


def test_the_same_parameters_give_the_same_events():
    first, second = together(0, NOMINAL, NOMINAL)
    assert np.array_equal(first, second)
    alone = together(0, NOMINAL)[0]
    assert np.array_equal(first, alone)
    assert not np.array_equal(together(0, NOMINAL, seed=2)[0][:100], first[:100])


def test_events_do_not_depend_on_the_number_of_processes():
    one, two = (together(1, NOMINAL, n=40_000, workers=workers)[0] for workers in (1, 2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("label", [0, 1])
def test_events_are_those_of_the_generator(label):
    """Trees could not tell them apart; here it is the AUC of every feature, whose standard deviation is 0.006."""
    events = together(label, NOMINAL, n=60_000)[0]
    physics = SimulationParameters(signal_share=float(label))
    table = simulation.generate(len(events), seed=3, physics=physics)
    others = np.stack([table[name].to_numpy() for name in COMPLETE], 1)
    labels = np.repeat([1, 0], len(events))
    for column in range(len(COMPLETE)):
        assert auc(labels, np.concatenate([events[:, column], others[:, column]])) == pytest.approx(0.5, abs=0.025)


def test_only_what_a_parameter_changes_is_changed():
    nominal, noisier = together(0, NOMINAL, BY_NAME["met_noise"].apply(NOMINAL, 1))
    changed = [name for name in COMPLETE if not np.array_equal(nominal[:, COLUMN[name]], noisier[:, COLUMN[name]])]
    of_missing = {
        "missing_energy_magnitude",
        "missing_energy_phi",
        "missing_energy",
        "m_lv",
        "m_jlv",
        "m_wbb",
        "m_wwbb",
    }
    assert set(changed) <= of_missing
    assert "m_lv" in changed


def test_the_scale_of_b_jets_moves_the_mass_of_the_light_higgs():
    scale = BY_NAME["jet_scale_b"]
    nominal, up, down = together(1, NOMINAL, scale.apply(NOMINAL, 1), scale.apply(NOMINAL, -1), n=60_000)
    medians = [np.median(kinematics.to_physical(events[:, COLUMN["m_bb"]], "m_bb")) for events in (nominal, up, down)]
    assert medians[1] / medians[0] - 1 == pytest.approx(0.02, abs=0.006)
    assert medians[2] / medians[0] - 1 == pytest.approx(-0.02, abs=0.006)


def test_tag_efficiencies_change_the_acceptance_as_the_square_of_two_tags():
    """Two tags of b jets in nearly every signal event, with an efficiency 1.03 times as high; losses to a third tag."""
    nominal, up = together(1, NOMINAL, BY_NAME["tag_b"].apply(NOMINAL, 1), n=100_000)
    assert 1.03 < len(up) / len(nominal) < 1.03**2


def test_differences_fluctuate_less_than_independent_events():
    """Of the fraction of events with m_wwbb above 400 GeV, over 12 seeds."""

    def fraction(events):
        return (kinematics.to_physical(events[:, COLUMN["m_wwbb"]], "m_wwbb") > 400).mean()

    pairs = [together(0, NOMINAL, BY_NAME["jet_scale_light"].apply(NOMINAL, 1), seed=seed) for seed in range(12)]
    fractions = np.array([[fraction(events) for events in pair] for pair in pairs])
    paired, unpaired = np.std(fractions[:, 1] - fractions[:, 0]), np.std(fractions[:, 1] - np.roll(fractions[:, 0], 1))
    assert paired < unpaired / 2


def test_variations_name_parameters_and_have_two_sides():
    for variation in VARIATIONS:
        up, down = (variation.apply(NOMINAL, side).changes() for side in (1, -1))
        assert set(up) == set(down) == set(variation.relative) | set(variation.absolute)
        assert all(up[name] > getattr(NOMINAL, name) > down[name] for name in up)
    assert BY_NAME["m_top"].apply(NOMINAL, 2).m_top == pytest.approx(NOMINAL.m_top + 1.52)

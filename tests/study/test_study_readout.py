import keras
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from higgs_lib import data, models
from higgs_lib.data import HIGH, LOW
from higgs_lib.data.samples import Sample
from higgs_lib.metrics import Interval
from higgs_lib.models import ModelSpec
from higgs_lib.study import readout
from higgs_lib.study.readout import Readout

RNG = np.random.default_rng(1)


def samples(n=4000):
    """Two samples of 7 features whose logarithms are the masses, in place of low-level features, and the masses."""
    high = [RNG.lognormal(size=(n, 7)).astype(np.float32) for _ in range(2)]
    sample = [Sample(np.log(part), np.zeros(n, np.float32)) for part in high]
    return sample[0], readout.log_masses(high[0]), sample[1], readout.log_masses(high[1])


def test_a_layer_that_contains_a_mass_gives_it_exactly_and_noise_gives_nothing():
    inputs = keras.Input((7,))
    contains = keras.layers.Dense(3, name="hidden_1", kernel_initializer="zeros")(inputs)
    noise = keras.layers.Dense(1, name="hidden_2")(contains)
    model = keras.Model(inputs, noise)
    weights = np.zeros((7, 3), np.float32)
    weights[4, 0], weights[5, 1:] = 1, (2, -1)  # two units of one mass depend on each other
    model.get_layer("hidden_1").set_weights([weights, np.ones(3, np.float32)])
    model.get_layer("hidden_2").set_weights([np.zeros((3, 1), np.float32), np.zeros(1, np.float32)])
    first, second = readout.read_layers(model, *samples())
    assert (first.inputs, second.inputs) == ("hidden_1", "hidden_2")
    for name in HIGH:
        exact = name in ("m_bb", "m_wbb")
        assert first.r2[name] == pytest.approx([1.0] * 3 if exact else [0.0] * 3, abs=1e-4 if exact else 0.02)
        assert second.r2[name].value == pytest.approx(0, abs=0.02)


def test_masses_are_in_gev():
    high = np.ones((1, 7), np.float32)
    assert np.exp(readout.log_masses(high))[0, HIGH.index("m_bb")] == pytest.approx(
        data.kinematics.SCALES["m_bb"], rel=1e-6
    )


def test_the_linear_function_is_that_of_numpys_least_squares():
    fitted, others = RNG.normal(3, [1, 10, 0.1], (2, 500, 3))
    targets = fitted @ RNG.normal(size=(3, 2)) + RNG.normal(size=(500, 2))
    constant = np.ones((500, 1))
    solution = np.linalg.lstsq(np.hstack([fitted, constant]), targets)[0]
    ours = readout.linear_prediction(fitted, targets, others)
    assert ours == pytest.approx(np.hstack([others, constant]) @ solution, abs=1e-4)


def test_r_squared_is_scikit_learns_and_its_interval_that_of_a_bootstrap():
    targets = RNG.normal(size=(3000, 1))
    predictions = targets + RNG.normal(size=(3000, 1))
    (interval,) = readout.r_squared(targets, 0.5 * predictions, seed=1)
    assert interval.value == pytest.approx(r2_score(targets, 0.5 * predictions))
    draws = []
    for _ in range(300):
        rows = RNG.integers(3000, size=3000)
        draws.append(r2_score(targets[rows], 0.5 * predictions[rows]))
    width = np.subtract(*np.quantile(draws, [0.975, 0.025]))
    assert interval.high - interval.low == pytest.approx(width, rel=0.2)


def test_an_untrained_network_has_the_initial_weights_of_its_seed():
    events = Sample(RNG.normal(size=(100, 21)).astype(np.float32), np.zeros(100, np.float32))
    standard = models.standardisation(events)
    spec = ModelSpec((5, 4), augmented=True, frequencies=2)
    model, same = (models.build(spec, standard, 7, LOW) for _ in range(2))
    before = readout.hidden_layers(model, events.features)
    assert list(before) == ["hidden_1", "hidden_2"]
    model.set_weights([0 * weights for weights in model.get_weights()])
    again = readout.hidden_layers(readout.untrained(model), events.features)
    expected = readout.hidden_layers(same, events.features)
    for name, values in before.items():
        assert again[name] == pytest.approx(expected[name])
        assert values == pytest.approx(expected[name])


def layer(name, **r2):
    intervals = {mass: Interval(0.2, 0.19, 0.21) for mass in HIGH}
    intervals |= {mass: Interval(value, value - 0.01, value + 0.01) for mass, value in r2.items()}
    return Readout(name, intervals, {mass: interval.value for mass, interval in intervals.items()})


def test_masses_that_are_learnt_are_those_that_training_brought():
    trained = [layer("hidden_1", m_bb=0.7, m_wbb=0.6), layer("hidden_2", m_bb=0.8, m_jj=0.4, m_lv=0.1)]
    best = readout.best_layers(trained, [layer("features", m_wbb=0.6, m_jj=0.1)])
    assert [(b.mass, b.layer) for b in best if b.learnt] == [("m_bb", "hidden_2")]
    assert best[0].mass == "m_bb"
    text = readout.describe("deep network", trained, [layer("features", m_wbb=0.6)])
    assert "hidden layer of the deep network gives half or more of the variance of $m_{bb}$, and more" in text
    assert "most of $m_{bb}$ (R² 0.80 [0.79, 0.81] in hidden 2, 0.20 [0.19, 0.21] without training)" in text
    text = readout.describe("deep network", [layer("hidden_1")], [layer("features")])
    assert text.startswith("No linear function of a hidden layer of the deep network gives half")
    assert text.endswith("Training has clearly brought it none of the masses.")


def test_layers_are_selected_by_the_events_of_the_fit():
    trained = [layer("hidden_1", m_bb=0.7), layer("hidden_2", m_bb=0.8)]
    trained[0].r2_fitted["m_bb"] = 0.9
    (best,) = [b for b in readout.best_layers(trained, [layer("features")]) if b.mass == "m_bb"]
    assert (best.layer, best.r2.value) == ("hidden_1", 0.7)


def test_r_squared_of_the_fitted_events_is_scikit_learns_score():
    inputs, targets = RNG.normal(size=(500, 3)), RNG.normal(size=(500, 7))
    targets[:, 2] += inputs[:, 0]
    result = readout.read("features", inputs, targets, inputs, targets)
    expected = [LinearRegression().fit(inputs, column).score(inputs, column) for column in targets.T]
    assert list(result.r2_fitted.values()) == pytest.approx(expected, abs=1e-4)
    assert [r2.value for r2 in result.r2.values()] == pytest.approx(expected, abs=1e-4)

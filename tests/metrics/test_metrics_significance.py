import numpy as np
import pyhf
import pytest

from higgs_lib import metrics
from higgs_lib.metrics import Experiment

NO_CUT = {"S/√B": 3.162, "S/√(S+B)": 3.015, "S/√(S+B+σ_B²)": 1.667, "Asimov": 3.112, "Asimov, σ_B": 1.644}


def test_without_a_cut_the_definitions_give_the_known_values():
    experiment = Experiment()
    assert set(NO_CUT) == set(experiment.definitions())
    for definition, value in NO_CUT.items():
        assert experiment.significance(definition, 1.0, 1.0) == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize(("signal", "background"), [(100.0, 1000.0), (40.0, 60.0), (20.0, 5.0)])
@pytest.mark.parametrize("relative", [0.05, 0.2])
def test_the_asimov_significance_is_pyhfs_q0(signal, background, relative):
    tau = 1 / (relative**2 * background)  # scale of a control measurement with this uncertainty
    uncertainty = background / np.sqrt(tau * background)
    samples = [
        {
            "name": "signal",
            "data": [signal],
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
        },
        {
            "name": "background",
            "data": [background],
            "modifiers": [{"name": "control", "type": "shapesys", "data": [uncertainty]}],
        },
    ]
    model = pyhf.Model({"channels": [{"name": "counts", "samples": samples}]}, poi_name="mu")
    observed = model.expected_data([1.0, 1.0])
    config = model.config
    settings = config.suggested_init(), config.suggested_bounds(), config.suggested_fixed()
    q0 = pyhf.infer.test_statistics.q0(0.0, observed, model, *settings)
    assert metrics.asimov_with_uncertainty(signal, background, relative) == pytest.approx(np.sqrt(q0), rel=2e-3)


def test_limiting_cases():
    assert metrics.asimov_with_uncertainty(100.0, 1000.0, 0.0) == metrics.asimov(100.0, 1000.0)
    assert metrics.asimov_with_uncertainty(100.0, 1000.0, 1e-4) == pytest.approx(
        metrics.asimov(100.0, 1000.0), rel=1e-4
    )
    assert metrics.signal_over_root_total_with_uncertainty(100.0, 1000.0, 0.0) == pytest.approx(
        metrics.signal_over_root_total(100.0, 1000.0)
    )
    assert metrics.asimov(1.0, 1e6) == pytest.approx(metrics.signal_over_root_background(1.0, 1e6), rel=1e-3)
    # for a large background s / sqrt(b + sigma^2)
    assert metrics.asimov_with_uncertainty(1e3, 1e6, 0.01) == pytest.approx(1e3 / np.sqrt(1e6 + 1e8), rel=1e-2)


def test_without_expected_background_the_significance_is_zero():
    assert Experiment().significance("Asimov", np.array([0.5]), np.array([0.0])) == [0.0]


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=(2, 20_000))
    scores = 1 / (1 + np.exp(-rng.normal(2 * labels - 1, 1.0)))
    return labels, scores


def test_the_cut_is_chosen_on_validation_events_alone(scored):
    labels, scores = scored
    cuts = np.linspace(0, 1, 201)
    validation = metrics.efficiencies(labels[0], scores[0], cuts)
    experiment = Experiment()
    best = metrics.best_cut(validation, experiment, "Asimov")
    values = experiment.significance("Asimov", validation.signal, validation.background)
    enough = validation.n_background_passed >= metrics.MIN_BACKGROUND_PASSED
    assert values[cuts == best] == values[enough].max()


def test_the_interval_has_its_nominal_coverage(scored):
    """About 95 % of the intervals of small test samples contain the value of all events together."""
    labels, scores = (part.ravel() for part in scored)
    experiment, cut = Experiment(), np.array([0.7])
    whole = metrics.efficiencies(labels, scores, cut)
    truth = experiment.significance("Asimov", whole.signal, whole.background)[0]
    inside = []
    for part in range(200):
        rows = slice(part * 200, (part + 1) * 200)
        test = metrics.efficiencies(labels[rows], scores[rows], cut)
        interval = metrics.significance_interval(test, experiment, "Asimov", seed=part, n_draws=1000)
        inside.append(interval.low <= truth <= interval.high)
    assert 0.90 <= np.mean(inside) <= 0.99


def test_equal_selections_need_equal_luminosity(scored):
    labels, scores = (part.ravel() for part in scored)
    same = metrics.equivalent_luminosity(labels, scores > 0.8, scores > 0.8, Experiment(), "Asimov", seed=1)
    assert same.value == 1
    assert same == pytest.approx((1, 1, 1), abs=0.01)  # the prior allows that some events tell them apart


def test_equivalent_luminosity_is_the_square_of_the_ratio_and_pairing_narrows_it(scored):
    labels, scores = (part.ravel() for part in scored)
    one, other, experiment = scores > 0.8, scores > 0.7, Experiment()
    paired = metrics.equivalent_luminosity(labels, one, other, experiment, "Asimov", seed=1)
    counts = [metrics.efficiencies(labels, scores, np.array([cut])) for cut in (0.8, 0.7)]
    alone = [metrics.significance_interval(selected, experiment, "Asimov", seed=1) for selected in counts]
    assert paired.value == pytest.approx((alone[0].value / alone[1].value) ** 2)
    assert paired.low < paired.value < paired.high
    shuffled = np.random.default_rng(2).permuted(other[labels == 1])  # same efficiency, independent of `one`
    unpaired = other.copy()
    unpaired[labels == 1] = shuffled
    apart = metrics.equivalent_luminosity(labels, one, unpaired, experiment, "Asimov", seed=1)
    assert apart.value == pytest.approx(paired.value)
    assert paired.high - paired.low < apart.high - apart.low

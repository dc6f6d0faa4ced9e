import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyhf
import pytest
from pyhf.infer.test_statistics import q0
from scipy import stats

from higgs_lib.metrics import Experiment, asimov, asimov_with_uncertainty
from higgs_lib.study import likelihood
from higgs_lib.study.likelihood import Effect, Templates

KNOWN = Experiment(background_uncertainty=0.0)


def plain(signal, background):
    """Templates without any uncertainty."""
    none = np.zeros(len(signal))
    return Templates(np.array(signal, float), np.array(background, float), none, none, {})


@pytest.fixture(scope="module")
def templates():
    """Six bins with two nuisance parameters and errors of finite simulation."""
    signal, background = np.array([2.0, 6, 12, 20, 28, 32]), np.array([400.0, 250, 160, 100, 60, 30])
    tilt = np.linspace(-1, 1, 6)
    effects = {
        "tilt": Effect(signal, signal, background * (1 + 0.05 * tilt), background * (1 - 0.05 * tilt)),
        "scale": Effect(signal * 1.02, signal * 0.98, background * 1.03, background * 0.97),
    }
    return Templates(signal, background, 0.01 * signal, 0.02 * background, effects)


@pytest.mark.parametrize(("signal", "background"), [([100], [1000]), ([50, 30], [100, 900]), ([1, 5, 9], [50, 20, 3])])
def test_known_backgrounds_give_the_closed_form(signal, background):
    specification = likelihood.workspace(plain(signal, background), KNOWN, signal_uncertainty=0.0)
    closed = np.sqrt(sum(asimov(float(s), float(b)) ** 2 for s, b in zip(signal, background, strict=True)))
    assert likelihood.discovery_significance(specification) == pytest.approx(closed, abs=1e-6)
    assert likelihood.binned_significance(np.array(signal, float), np.array(background, float)) == pytest.approx(closed)


@pytest.mark.parametrize(
    ("signal", "background", "uncertainty", "expected"), [(100, 1000, 0.05, 1.644), (50, 100, 0.07, 3.7195)]
)
def test_a_control_measurement_gives_the_closed_form_with_its_uncertainty(signal, background, uncertainty, expected):
    experiment = Experiment(signal, background, uncertainty)
    specification = likelihood.workspace(plain([signal], [background]), experiment, signal_uncertainty=0.0)
    value = likelihood.discovery_significance(specification)
    assert value == pytest.approx(asimov_with_uncertainty(signal, background, uncertainty), abs=1e-6)
    assert value == pytest.approx(expected, abs=1e-3)


def test_the_error_of_finite_simulation_is_that_of_the_background():
    """Without signal the best background of one bin solves a quadratic equation."""
    signal, background, error = 200.0, 100.0, 10.0
    templates = Templates(*(np.array([value]) for value in (signal, background, 2.0, error)), {})
    value = likelihood.discovery_significance(likelihood.workspace(templates, KNOWN, signal_uncertainty=0.0))
    n, variance = signal + background, (error / background) ** 2
    factor = (1 - variance * background + np.sqrt((1 - variance * background) ** 2 + 4 * variance * n)) / 2
    expected = background * factor
    q = 2 * (expected - n - n * np.log(expected / n)) + (factor - 1) ** 2 / variance
    assert value == pytest.approx(np.sqrt(q), rel=1e-4)


def test_what_changes_all_background_alike_is_known_from_the_control_measurement():
    """An effect without a shape costs nothing: the control measurement sees it as well."""
    plain_one = plain([5, 15, 20], [300, 100, 30])
    flat = Effect(plain_one.signal, plain_one.signal, plain_one.background * 1.1, plain_one.background * 0.9)
    values = [
        likelihood.discovery_significance(likelihood.workspace(templates, Experiment(), signal_uncertainty=0.0))
        for templates in (plain_one, plain_one._replace(effects={"flat": flat}))
    ]
    assert values[1] == pytest.approx(values[0], rel=0.01)


def test_the_uncertainty_of_the_signal_does_not_change_a_discovery(templates):
    values = [
        likelihood.discovery_significance(likelihood.workspace(templates, Experiment(), signal_uncertainty=size))
        for size in (0.0, 0.1)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-3)


def test_every_uncertainty_lowers_the_significance(templates):
    kept = {"effects": {}, "signal_error": np.zeros(6), "background_error": np.zeros(6)}
    steps = [
        (templates._replace(**kept), KNOWN),
        (templates._replace(**kept), Experiment()),
        (templates._replace(effects={}), Experiment()),
        (templates, Experiment()),
    ]
    values = [likelihood.discovery_significance(likelihood.workspace(*step)) for step in steps]
    assert all(one > other + 1e-3 for one, other in pairwise(values))
    assert values[0] == pytest.approx(likelihood.binned_significance(templates.signal, templates.background), abs=1e-6)


def test_q0_is_that_of_pyhf_with_its_own_optimizer(templates):
    specification = likelihood.workspace(templates, Experiment())
    model, data = likelihood._model(specification)
    settings = model.config.suggested_init(), model.config.suggested_bounds(), model.config.suggested_fixed()
    assert likelihood.discovery_significance(specification) ** 2 == pytest.approx(
        float(q0(0.0, data, model, *settings)), abs=1e-3
    )


def test_the_users_own_choice_of_backend_returns(templates):
    before = pyhf.get_backend()
    likelihood.discovery_significance(likelihood.workspace(templates, Experiment()))
    assert pyhf.get_backend() == before


def test_the_fit_finds_what_was_put_in(templates):
    """With 10,000 times the events the parameters are measured: a shifted one is found, and the signal stays."""
    many = Templates(
        *(1e4 * array for array in templates[:2]),
        np.zeros(6),
        np.zeros(6),
        {name: Effect(*(1e4 * array for array in effect)) for name, effect in templates.effects.items()},
    )
    specification = likelihood.workspace(many, Experiment(), signal_uncertainty=0.0)
    counts = many.signal + many.effects["tilt"].background_up
    fitted = likelihood.fit(likelihood.with_data(specification, counts))
    pulls = fitted.pulls
    assert pulls["tilt"].value == pytest.approx(1.0, abs=0.05)
    assert pulls["tilt"].high - pulls["tilt"].value < 0.1
    assert fitted.strength.value == pytest.approx(1.0, abs=0.02)


def test_impacts_are_ranked_and_the_signals_normalisation_has_its_own_size(templates):
    specification = likelihood.workspace(templates, Experiment(), signal_uncertainty=0.1)
    fitted, impacts = likelihood.fit(specification), likelihood.impacts(specification)
    sizes = [max(abs(impact.up), abs(impact.down)) for impact in impacts]
    assert sizes == sorted(sizes, reverse=True)
    by_name = {impact.name: impact for impact in impacts}
    single = {"tilt", "scale", "signal_normalisation", "background_normalisation"}
    assert set(fitted.pulls) == single
    assert set(by_name) == single | {"simulation_statistics"}
    assert by_name["signal_normalisation"].up == pytest.approx(1 / 1.1 - 1, abs=0.005)
    assert 0 < by_name["simulation_statistics"].up < fitted.strength.high - fitted.strength.value
    assert fitted.pulls["background_normalisation"].value == pytest.approx(0.0, abs=1e-3)
    assert fitted.strength.value == pytest.approx(1.0, abs=1e-3)


def test_experiments_follow_the_asymptotic_formulae(templates):
    drawn = likelihood.toys(likelihood.workspace(templates, Experiment()), 40, seed=2, workers=2)
    coverage = drawn.coverage()
    assert coverage.low < 0.6827 < coverage.high
    assert drawn.tail(1.0).low < stats.norm.sf(1.0) < drawn.tail(1.0).high
    assert drawn.tail(0.0).value == 1.0
    assert drawn.q0.shape == drawn.t_expected.shape == (40,)


def test_pyhfs_command_line_reads_a_workspace(templates, tmp_path):
    path = tmp_path / "workspace.json"
    specification = likelihood.workspace(templates, Experiment())
    path.write_text(json.dumps(specification))
    command = [Path(sys.executable).with_name("pyhf"), "inspect", path]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    for name in likelihood.nuisance_parameters(specification):
        assert name in answer.stdout


def test_a_bin_without_background_is_refused():
    with pytest.raises(ValueError, match="without expected background has no likelihood: choose wider bins"):
        likelihood.workspace(plain([1, 1], [10, 0]), Experiment())


@pytest.mark.parametrize("part", ["signal", "background", "signal_error", "background_error"])
@pytest.mark.parametrize("number", [-1.0, np.nan, np.inf])
def test_expected_numbers_and_errors_are_finite_and_not_negative(part, number):
    templates = plain([1, 1], [10, 10])._replace(**{part: np.array([1.0, number])})
    with pytest.raises(ValueError, match=f"the templates' {part.replace('_', ' ')} must be finite"):
        likelihood.workspace(templates, Experiment())


@pytest.mark.parametrize("size", [-0.1, np.nan, 1.0])
def test_the_cross_section_is_known_to_a_part_of_itself(size):
    with pytest.raises(ValueError, match="the signal's relative uncertainty must be"):
        likelihood.workspace(plain([1, 1], [10, 10]), Experiment(), signal_uncertainty=size)


def test_bins_are_those_of_the_workspace_and_add_in_quadrature():
    specification = likelihood.workspace(plain([1, 1], [10, 10]), Experiment())
    for counts in ([1, 2, 3], [1], [1, -1], [np.nan, 1], 3):
        with pytest.raises(ValueError, match="observed events"):
            likelihood.with_data(specification, counts)
    changed = likelihood.with_data(specification, [7, 8])
    assert [channel["data"] for channel in changed["observations"]] == [
        [7, 8],
        specification["observations"][1]["data"],
    ]
    signal, background = np.array([3.0, 4.0]), np.array([10.0, 1000.0])
    q0 = sum(2 * ((s + b) * np.log(1 + s / b) - s) for s, b in zip(signal, background, strict=True))
    assert likelihood.binned_significance(signal, background) == pytest.approx(np.sqrt(q0))
    assert likelihood.binned_significance(signal.astype(np.float32), background) == pytest.approx(np.sqrt(q0))
    with pytest.raises(ValueError, match="expected signal must be finite and at least 0, not -4"):
        likelihood.binned_significance(-signal[1:], background[1:])


def test_toys_are_counted_against_the_asymptotic_formulae():
    drawn = likelihood.Toys(np.array([0.0, 1.0, 3.9, 4.0, 9.0]), np.array([0.0, 0.9, 1.1, 3.9, 4.1]))
    assert [drawn.tail(z).value for z in (0, 1, 2, 3)] == [1.0, 0.8, 0.4, 0.2]
    assert [drawn.coverage(level).value for level in (0.6827, 0.9545)] == [0.4, 0.8]
    assert (drawn.tail(2).low, drawn.tail(2).high) == pytest.approx(stats.beta.ppf([0.025, 0.975], 2.5, 3.5))
    for wrong in (lambda: drawn.tail(-1), lambda: drawn.tail(np.nan), lambda: drawn.coverage(1)):
        with pytest.raises(ValueError, match=r"a significance must be|a confidence level is"):
            wrong()
    for sizes in ((0, 1), (5, 0), (2.5, 1)):
        with pytest.raises(
            ValueError, match=r"n_toys must be a whole number of at least 1|cannot work with 0 processes"
        ):
            likelihood.toys({}, sizes[0], seed=1, workers=sizes[1])


def test_the_uncertainty_of_the_expected_events_adds_in_quadrature():
    effects = {
        "one": Effect(*np.array([[13.0, 21.0], [9.0, 20.0], [105.0, 190.0], [97.0, 206.0]])),
        "two": Effect(*np.array([[10.0, 20.0], [10.0, 20.0], [101.0, 203.0], [99.0, 201.0]])),
    }
    errors = np.array([1.5, 2.5]), np.array([3.0, 0.5])
    templates = Templates(np.array([10.0, 20.0]), np.array([100.0, 200.0]), *errors, effects)
    by_hand = [6**2 + 1**2 + 5**2 + 1.5**2 + 3**2, 7.5**2 + 1**2 + 10**2 + 2.5**2 + 0.5**2]
    assert templates.uncertainty(Experiment(background_uncertainty=0.05)) == pytest.approx(np.sqrt(by_hand))


def test_fewer_events_than_expected_are_no_discovery():
    specification = likelihood.workspace(plain([5, 5], [100, 100]), KNOWN)
    for counts in ([100, 100], [60, 70]):
        assert likelihood.discovery_significance(likelihood.with_data(specification, counts)) == pytest.approx(
            0, abs=1e-3
        )

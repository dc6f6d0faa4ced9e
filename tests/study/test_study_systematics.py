import numpy as np
import pytest

from higgs_lib.data import COMPLETE, Sample
from higgs_lib.metrics import CUTS, Experiment, efficiencies, significance_interval
from higgs_lib.metrics import best_cut as choose_cut
from higgs_lib.simulation import VARIATIONS, SimulationParameters
from higgs_lib.study import Scores, systematics
from higgs_lib.study.likelihood import binned_significance

NOMINAL = SimulationParameters()
RULES = {"n_bins": 8, "expected_background": 1000.0, "min_expected": 5.0, "min_generated": 50}
M_WWBB = COMPLETE.index("m_wwbb")


def made_up(n, seed):
    """Scores of two overlapping classes in [0, 1]."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], n // 2)
    return Scores(labels, 1 / (1 + np.exp(-rng.normal(1.6 * labels - 0.8, 1.0))))


def score(features):
    """A classifier: the nearness of m_wwbb to its peak."""
    return np.exp(-np.square((features[:, M_WWBB].astype(float) - 0.85) / 0.25))


@pytest.fixture(scope="module")
def events():
    chosen = [v for v in VARIATIONS if v.name in ("jet_scale_light", "tag_b")]
    return systematics.simulate_shifts(NOMINAL, chosen, n_signal=3000, n_background=6000, seed=5)


@pytest.fixture(scope="module")
def scored(events):
    parts = [np.concatenate([events.nominal[label].features for label in (1, 0)])]
    labels = np.repeat([1, 0], [len(events.nominal[label].features) for label in (1, 0)])
    scores = Scores(labels, score(parts[0]))
    edges = systematics.score_bins(scores, **RULES)
    return scores, systematics.BinnedClassifier.from_scores(edges, scores, events, score)


def test_bins_hold_what_the_rules_ask_for():
    scores = made_up(20_000, 1)
    edges = systematics.score_bins(scores, **RULES)
    signal, background = (np.histogram(scores.scores[scores.labels == c], edges)[0] for c in (1, 0))
    assert signal.sum() == background.sum() == 10_000
    assert 4 <= len(edges) - 1 <= 8
    assert background.min() >= 50
    assert background.min() / 10_000 * 1000 >= 5
    # transformation D: all bins but the first hold equal sums of both fractions, unless the background sets the limit
    sums = (signal + background) / 10_000
    assert (sums[1:] > 2 / 8 - 1e-3).all()


def test_more_background_asked_for_gives_fewer_bins():
    scores = made_up(20_000, 1)
    wide = systematics.score_bins(scores, **RULES | {"min_expected": 150.0})
    assert len(wide) < len(systematics.score_bins(scores, **RULES))
    with pytest.raises(ValueError, match="too few for two bins"):
        systematics.score_bins(scores, **RULES | {"min_generated": 9_000})


def test_equal_scores_stay_in_one_bin():
    scores = made_up(20_000, 1)
    rounded = Scores(scores.labels, np.round(scores.scores, 1))
    edges = systematics.score_bins(rounded, **RULES)
    assert set(edges[1:-1]) <= set(np.unique(rounded.scores))


def test_templates_are_the_test_events_scaled_to_the_expected_ones(scored):
    """With the nominal simulated ones, which here are the test events once more."""
    scores, binned = scored
    templates = binned.templates(Experiment())
    counts = 2 * np.histogram(scores.scores[scores.labels == 0], binned.edges)[0]
    assert templates.background == pytest.approx(counts / counts.sum() * 1000)
    assert templates.background_error == pytest.approx(np.sqrt(counts) / counts.sum() * 1000)
    assert templates.signal.sum() == pytest.approx(100)


def test_effects_are_those_of_the_shifted_events(events, scored):
    """Half of the difference between both sides, by hand; tags change all bins, a scale moves events between them."""
    _, binned = scored
    for name in binned.names:
        up, down = (np.histogram(score(events.shifted[name, side][0].features), binned.edges)[0] for side in (1, -1))
        nominal = np.histogram(score(events.nominal[0].features), binned.edges)[0]
        by_hand = (up - down) / (2 * systematics.SHIFT * nominal)
        assert binned.measured_effect(name, 0) == pytest.approx(by_hand)
    assert binned.effect("tag_b", 0) == pytest.approx(0.044, abs=0.015)
    assert events.acceptance("tag_b", 1, 0) == pytest.approx(0.045, abs=0.01)


def test_the_parabola_keeps_parabolas(scored):
    _, binned = scored
    n_bins = len(binned.edges) - 1
    shape = 0.01 + 0.02 * np.linspace(-1, 1, n_bins) ** 2
    exact = {("tag_b", side): {0: binned.nominal[0] * (1 + 2 * side * shape)} for side in (1, -1)}
    changed = systematics.BinnedClassifier(binned.edges, binned.test, binned.nominal, exact, True)
    assert changed.effect("tag_b", 0) == pytest.approx(shape, abs=1e-12)


def test_counting_agrees_with_the_page_on_counting(scored, events):
    """The cut of validation events and its value on test events, as `05_significance` computes them."""
    scores, binned = scored
    resampling = systematics.Resampling.draw(len(scores.labels), events, 100, seed=3)
    significance = systematics.expected_significance(binned, scores, scores, Experiment(), resampling)
    on_validation = efficiencies(*scores, CUTS)
    for definition in Experiment().definitions():
        cut = choose_cut(on_validation, Experiment(), definition)
        alone = significance_interval(efficiencies(*scores, np.array([cut])), Experiment(), definition, seed=1)
        assert significance.values[definition] == pytest.approx(alone.value)
        half = significance.interval(definition).high - significance.values[definition]
        assert half == pytest.approx((alone.high - alone.low) / 2, rel=0.35, abs=0.002)


def test_worth_of_a_fit_and_its_order(scored, events):
    scores, binned = scored
    resampling = systematics.Resampling.draw(len(scores.labels), events, 50, seed=3)
    significance = systematics.expected_significance(binned, scores, scores, Experiment(), resampling)
    templates = binned.templates(Experiment())
    assert significance.values[systematics.BINNED] == binned_significance(templates.signal, templates.background)
    assert significance.values[systematics.BINNED] > significance.values["Asimov"]
    assert significance.values[systematics.WITH_SYSTEMATICS] < significance.values[systematics.BINNED]
    assert significance.over(significance, systematics.BINNED, 0.99) == (1.0, 1.0, 1.0)
    assert significance.over(significance, systematics.BINNED) == (1.0, 1.0, 1.0)


def test_the_gaussian_limit_is_the_profile_likelihood_of_many_events(scored):
    """A thousand times the events and a weak signal: the likelihood is Gaussian then."""
    _, binned = scored
    experiment = Experiment(signal=1000.0, background=1e6, background_uncertainty=0.002)
    templates = binned.templates(experiment)
    no_error = np.zeros(len(templates.signal))
    small = {
        name: type(effect)(
            *(
                v + (e - v) * 0.01
                for e, v in zip(effect, [templates.signal] * 2 + [templates.background] * 2, strict=True)
            )
        )
        for name, effect in templates.effects.items()
    }
    templates = templates._replace(signal_error=no_error, background_error=no_error, effects=small)
    full = systematics.discovery_significance(systematics.workspace(templates, experiment))
    assert systematics.gaussian_significance(templates, experiment) == pytest.approx(full, rel=0.02)


def test_stored_events_are_shifted_by_class(events):
    features = np.concatenate([events.nominal[label].features[:500] for label in (1, 0)])
    shifted = systematics.shift_stored(Sample(features, np.repeat(np.float32([1, 0]), 500)), seed=1, n_blocks=5)
    assert len(shifted.nominal[1].features) == len(shifted.nominal[0].features) == 500
    assert set(shifted.nominal[0].block) == set(range(5))
    assert shifted.acceptance("tag_b", 1, 1) > 0.04
    assert {name for name, _ in shifted.shifted} == set(systematics.stored_shifts.STORED)
    assert shifted.acceptance("jet_resolution", -1, 0) == -shifted.acceptance("jet_resolution", 1, 0)


def test_alternative_data_are_the_templates_where_nothing_is_wrong(scored):
    _, binned = scored
    templates = binned.templates(Experiment())
    numbers = {"n_signal": 1000, "n_background": 2000, "seed": 9}
    same = systematics.alternative_data(templates, binned.edges, score, (NOMINAL, NOMINAL), **numbers)
    assert same == pytest.approx(templates.signal + templates.background)
    more = next(v for v in VARIATIONS if v.name == "tag_b").apply(NOMINAL, 2)
    changed = systematics.alternative_data(templates, binned.edges, score, (NOMINAL, more), **numbers)
    assert changed.sum() / same.sum() == pytest.approx(1.09, abs=0.02)

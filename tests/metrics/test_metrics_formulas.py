"""Each formula by hand or by its definition, and at its limits: what a changed sign or constant alters."""

import numpy as np
import pytest
from scipy import stats

from higgs_lib import metrics
from higgs_lib.metrics import AucTest, Efficiencies, Experiment, Interval, Ranking
from higgs_lib.metrics.histograms import _vertex

LABELS, SCORES = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
RNG = np.random.default_rng(3)
MANY = (RNG.random(500) < 0.5).astype(float)
OF_MANY = 1 / (1 + np.exp(-RNG.normal(MANY - 0.5)))


def test_a_reliability_curve_by_hand():
    curve = metrics.reliability(LABELS, SCORES, n_bins=2)
    assert curve.score == pytest.approx([0.25, 0.75])
    assert curve.fraction.tolist() == [0.5, 0.5]
    assert curve.n_events.tolist() == [2, 2]
    limits = stats.beta.ppf([0.025, 0.975], 1.5, 1.5)
    assert curve.fractions() == pytest.approx(np.array([[0.5, *limits]] * 2))
    assert curve.deviations() == pytest.approx(np.array([0.5, *limits]) - np.array([[0.25], [0.75]]))
    assert curve.error() == pytest.approx(0.25)
    narrow = metrics.reliability(LABELS, SCORES, n_bins=2, level=0.5)
    assert narrow.low == pytest.approx(stats.beta.ppf(0.25, 1.5, 1.5))


def test_the_calibration_error_weights_bins_with_their_events():
    curve = metrics.Reliability(*np.array([[0.2, 0.6], [0.3, 0.9], [0, 0], [1, 1], [30, 10]]))
    assert curve.error() == pytest.approx((0.1 * 30 + 0.3 * 10) / 40)


def test_defaults_are_those_that_are_documented():
    assert len(metrics.reliability(MANY, OF_MANY).score) == 20
    same = metrics.reliability(MANY, OF_MANY, n_bins=20, level=0.95)
    assert np.array_equal(metrics.reliability(MANY, OF_MANY), same)
    for function in (metrics.brier_score, metrics.auc_interval):
        assert function(MANY, OF_MANY) == function(MANY, OF_MANY, 0.95)
    others = OF_MANY[::-1]
    assert metrics.auc_difference(MANY, OF_MANY, others) == metrics.auc_difference(MANY, OF_MANY, others, 0.95)
    assert np.array_equal(metrics.jeffreys_interval(3, 9), metrics.jeffreys_interval(3, 9, 0.95))
    assert Interval.from_draws(0, OF_MANY) == Interval.from_draws(0, OF_MANY, 0.95)
    band, same = metrics.roc_band(MANY, OF_MANY), metrics.roc_band(MANY, OF_MANY, n_points=201, level=0.95)
    assert np.array_equal(band, same)
    curve = metrics.roc(np.tile([0, 1], 2000), np.arange(4000))
    assert len(curve.thinned().cut) == len(curve.thinned(400).cut) == 400
    draws = {
        "calibration_error": ((MANY, OF_MANY), {"n_bins": 20, "n_draws": 1000}),
        "peak": ((OF_MANY,), {"n_draws": 200, "level": 0.95}),
        "significance_interval": ((COUNTS, Experiment(), "Asimov"), {"n_draws": 10_000, "level": 0.95}),
        "equivalent_luminosity": ((*SELECTED, Experiment(), "Asimov"), {"n_draws": 10_000, "level": 0.95}),
    }
    for name, (arguments, defaults) in draws.items():
        function = getattr(metrics, name)
        assert function(*arguments, seed=1) == function(*arguments, seed=1, **defaults)
        assert function(*arguments, seed=1) != function(*arguments, seed=2)
        assert function(*arguments, seed=1, n_draws=1)


COUNTS = metrics.efficiencies(MANY, OF_MANY, [0.6])
SELECTED = MANY, OF_MANY > 0.6, OF_MANY > 0.5


def test_the_brier_score_has_the_standard_error_of_a_mean():
    brier = metrics.brier_score(LABELS, SCORES, 0.9)
    squares = np.array([0.01, 0.36, 0.36, 0.01])
    half = stats.norm.ppf(0.95) * squares.std(ddof=1) / 2
    assert brier == pytest.approx((0.185, 0.185 - half, 0.185 + half))


def test_probabilities_may_be_0_and_1_and_no_more():
    assert metrics.brier_score([0, 1, 0], [0.0, 1.0, 0.0]).value == 0
    for scores, text in (([0.0, -1e-3], "-0.001 to 0"), ([1.001, 0.5], "0.5 to 1.001")):
        with pytest.raises(ValueError, match=f"^scores from {text} are no probabilities: use a sigmoid output$"):
            metrics.brier_score([0, 1], scores)


def calibration_error_by_definition(labels, scores, seed, n_bins, n_draws):
    """The inverted tests, a true error at a time."""
    curve, rng = metrics.reliability(labels, scores, n_bins=n_bins), np.random.default_rng(seed)
    weights, deviation = curve.n_events / len(labels), curve.fraction - curve.score
    uncorrected = np.sum(weights * abs(deviation))
    quantiles = []

    def add(true_error):
        signal = np.clip(curve.score + true_error * deviation / uncorrected, 0, 1)
        drawn = rng.binomial(curve.n_events, signal, (n_draws, len(weights))) / curve.n_events
        quantiles.append(np.quantile((weights * abs(drawn - curve.score)).sum(1), [0.025, 0.5, 0.975]))

    add(0)
    expected, upper = quantiles[0][1:]
    grid = np.linspace(0, max(uncorrected, expected) + 2 * upper, 30)
    for true_error in grid[1:]:
        add(true_error)
    quantiles[0][0] = 0
    low, median, high = np.maximum.accumulate(quantiles).T
    value = np.interp(uncorrected, median, grid)
    limits = np.interp(uncorrected, high, grid), np.interp(max(uncorrected, expected), low, grid)
    return (value, *limits), uncorrected, upper


@pytest.mark.parametrize("factor", [0.3, 0.7, 1.0])  # far too uncertain, somewhat, and about exact
def test_the_calibration_error_is_that_of_its_definition(factor):
    scores = 0.5 + factor * (OF_MANY - 0.5)
    ours = metrics.calibration_error(MANY, scores, seed=4, n_bins=10, n_draws=200)
    error, uncorrected, upper = calibration_error_by_definition(MANY, scores, 4, 10, 200)
    assert ours.error == pytest.approx(error, abs=1e-9)
    assert (ours.uncorrected, ours.if_calibrated) == pytest.approx((uncorrected, upper), abs=1e-9)


def parabola(centre, n=9, width=0.5):
    edges = np.arange(n + 1) * width
    return edges, 1000 - 10 * ((edges[:-1] + edges[1:]) / 2 - centre) ** 2


@pytest.mark.parametrize("centre", [1.25, 1.3, 2.0, 2.4, 3.2, 3.25])
def test_the_vertex_of_a_parabola_is_exact(centre):
    assert _vertex(*parabola(centre)) == pytest.approx(centre, abs=1e-9)


def test_a_peak_at_an_end_is_fitted_to_the_five_bins_there():
    edges, counts = parabola(0.9)
    assert _vertex(edges, counts) == pytest.approx(0.9)
    assert _vertex(edges, counts[::-1]) == pytest.approx(edges[-1] - 0.9)
    assert _vertex(*parabola(-1.0)) == 0.25  # never beyond the centres of these bins
    assert _vertex(*parabola(5.5)) == 4.25
    bent_up = 1000 - parabola(2.0)[1]
    assert _vertex(edges, bent_up) == 3.25  # no vertex: the middle of the five bins at the highest, the last one
    assert _vertex(edges, bent_up / 1e4) == 3.25
    edges, counts = np.arange(10.0), np.array([0, 3, 9, 12, 11, 9, 5, 5, 0])
    a, b, _ = np.polyfit([-2, -1, 0, 1, 2], counts[1:6], 2)
    assert _vertex(edges, counts) == pytest.approx(3.5 - b / (2 * a))


def test_the_peak_is_the_vertex_of_bins_of_a_tenth_of_the_interquartile_range():
    values = np.random.default_rng(2).normal(10, 2, 5000)
    low, first, third, high = np.quantile(values, [0.001, 0.25, 0.75, 0.98])
    edges = np.arange(low, high, (third - first) / 10)
    counts = np.histogram(values, edges)[0]
    draws = [_vertex(edges, row) for row in np.random.default_rng(5).poisson(counts, (50, len(counts)))]
    peak = metrics.peak(values, seed=5, n_draws=50, level=0.5)
    assert peak == (_vertex(edges, counts), *np.quantile(draws, [0.25, 0.75]))
    assert metrics.peak(values.reshape(50, 100), seed=5, n_draws=50, level=0.5) == peak


def test_a_histogram_keeps_its_edges_and_leaves_out_what_is_outside():
    histogram = metrics.histogram([0, 0, 1, 1, 1], [-1, 0.2, 0.2, 0.6, 3], [0, 0.5, 1])
    assert histogram.edges.tolist() == [0, 0.5, 1]
    assert (histogram.signal.tolist(), histogram.background.tolist()) == ([1, 1], [1, 0])
    assert metrics.histogram(LABELS, SCORES, [0, 0.5]).signal.tolist() == [1]


def test_intervals_are_combined():
    assert Interval(0.7, 0.6, 0.9).complement() == pytest.approx((0.3, 0.1, 0.4))
    assert Interval(5, 2, 8).minus(Interval(1, -3, 5)) == pytest.approx((4, 4 - 5, 4 + 5))
    assert f"{Interval(0.12345, 0.1, 0.2)}" == "0.123 [0.100, 0.200]"
    assert f"{Interval(0.12345, -0.1, 0.2):+.1f}" == "+0.1 [-0.1, +0.2]"
    assert Interval.from_draws(7.0, np.arange(11.0), 0.8) == pytest.approx((7, 1, 9))
    assert metrics.mean_interval([Interval(0.5, 0.4, 0.8)]) == pytest.approx((0.5, 0.3, 0.7))


def test_an_interval_is_wider_at_a_higher_level():
    for level in (0.5, 0.6827, 0.99):
        z = stats.norm.ppf(0.5 + level / 2)
        for function in (metrics.auc_interval, lambda *a: metrics.auc_difference(a[0], a[1], -(a[1] ** 3), a[2])):
            value, low, high = function(MANY, OF_MANY, level)
            assert high - value == pytest.approx(value - low)
            _, _, wide = function(MANY, OF_MANY, 0.95)
            assert (high - value) / (wide - value) == pytest.approx(z / stats.norm.ppf(0.975))


def test_the_covariance_is_that_of_delongs_placements():
    scores = np.array([OF_MANY, OF_MANY**2 + RNG.normal(0, 0.1, 500), RNG.normal(MANY)])
    wins = [np.subtract.outer(one[MANY == 1], one[MANY == 0]) > 0 for one in scores]
    by_signal, by_background = (np.cov([of.mean(axis) for of in wins]) for axis in (1, 0))
    expected = by_signal / (MANY == 1).sum() + by_background / (MANY == 0).sum()
    assert metrics.auc_covariance(MANY, scores) == pytest.approx(expected, rel=1e-9)
    assert metrics.auc_covariance(MANY, scores[:1]) == pytest.approx(expected[:1, :1], rel=1e-9)
    assert metrics.auc_interval(MANY, OF_MANY, 0.6).high - metrics.auc(MANY, OF_MANY) == pytest.approx(
        stats.norm.ppf(0.8) * np.sqrt(expected[0, 0])
    )


@pytest.mark.parametrize("z", [0.5, 2.0, 8.0, 30.0])
def test_the_p_value_of_one_seed_is_that_of_the_normal_distribution(z):
    for sign in (1, -1):
        width = stats.norm.ppf(0.975) / z
        test = AucTest.from_seeds([Interval(sign, sign - width, sign + width)])
        assert test.p_value == pytest.approx(2 * stats.norm.sf(z), rel=1e-6)
        assert test.difference == pytest.approx((sign, sign - width, sign + width))


def test_p_values_end_at_1_and_at_0():
    assert AucTest.from_seeds([Interval(0.0, -0.1, 0.1)]).p_value == 1
    assert AucTest.from_seeds([Interval(0.3, 0.3, 0.3)]).p_value == 0
    assert AucTest.from_seeds([Interval(1.0, 0.9, 1.1)]).p_value == pytest.approx(
        2 * stats.norm.sf(19.599639845), rel=1e-5
    )
    assert AucTest.from_seeds([Interval(1.0, 0.95, 1.05)]).p_value == 0  # below the smallest that is told from 0


def test_an_iterator_of_seeds_is_enough():
    assert AucTest.from_seeds(iter([Interval(0.1, 0.0, 0.2)])).difference == pytest.approx((0.1, 0, 0.2))


def test_a_ranking_by_hand():
    ranking = Ranking.from_scores([1, 0, 1, 0, 0], [0.9, 0.7, 0.7, 0.2, 0.1])
    assert ranking.cut.tolist() == [np.inf, 0.9, 0.7, 0.2, 0.1]
    assert (ranking.signal.tolist(), ranking.background.tolist()) == ([0, 1, 2, 2, 2], [0, 0, 1, 2, 3])
    assert ranking.auc() == pytest.approx((3 + 2.5) / 6)
    assert ranking.drop_collinear().cut.tolist() == [np.inf, 0.9, 0.7, 0.1]
    signal, background = ranking.placements()
    assert signal == pytest.approx([1, 5 / 6, 3 / 6, 1 / 6])
    assert background == pytest.approx([1 / 4, 3 / 4, 1, 1])
    assert ranking.auc_variance() == pytest.approx(np.var([1, 5 / 6], ddof=1) / 2 + np.var([3 / 4, 1, 1], ddof=1) / 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zeros_of_both_signs_are_one_cut(dtype):
    ranking = Ranking.from_scores([0, 1, 1, 0], np.array([0.0, -0.0, 1.0, -1.0], dtype))
    assert ranking.cut.tolist() == [np.inf, 1, 0, -1]
    assert ranking.auc() == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert metrics.auc_difference([0, 1, 1, 0], np.array([0.0, -0.0, 1.0, -1.0], dtype), [0, 0, 1, -1]).value == 0


@pytest.mark.parametrize("n_points", [2, 3, 7, 400])
def test_a_thinned_curve_has_both_ends_and_points_of_the_curve(n_points):
    curve = metrics.roc(MANY, OF_MANY)
    thin = curve.thinned(n_points)
    kept = np.searchsorted(-curve.cut, -thin.cut)
    assert all(np.array_equal(part, whole[kept]) for part, whole in zip(thin, curve, strict=True))
    assert thin.cut[0] == np.inf
    assert thin.signal_efficiency[-1] == 1
    expected = [np.argmax(curve.signal_efficiency >= at) for at in np.linspace(0, 1, n_points)]
    assert kept.tolist() == sorted(set(expected))


def test_an_event_at_one_half_counts_as_background():
    assert metrics.accuracy([0, 1], [0.5, 0.5]) == 0.5
    assert metrics.accuracy([0, 1, 1, 1], [0.5, np.nextafter(0.5, 1), 0.4, 0.6]) == 0.75


def band_by_definition(labels, scores, n_points, level):
    """The band, a signal efficiency at a time."""
    curve = metrics.roc(labels, scores)
    n_signal, n_background = (labels == 1).sum(), (labels == 0).sum()

    def limits(fraction, n):
        low, high = stats.beta.ppf([0.5 - level / 2, 0.5 + level / 2], fraction * n + 0.5, (1 - fraction) * n + 0.5)
        return (low if fraction > 0 else 0.0), (high if fraction < 1 else 1.0)

    def rejection(efficiency):
        return np.interp(efficiency, curve.signal_efficiency, curve.background_rejection)

    for efficiency in np.linspace(0, 1, n_points):
        middle = rejection(efficiency)
        fewer, more = limits(efficiency, n_signal)
        low, high = limits(middle, n_background)
        down, up = np.hypot(middle - rejection(more), middle - low), np.hypot(rejection(fewer) - middle, high - middle)
        yield efficiency, max(middle - down, 0), min(middle + up, 1)


def test_the_band_is_that_of_its_definition():
    expected = np.array(list(band_by_definition(MANY, OF_MANY, 13, 0.8))).T
    assert np.array(metrics.roc_band(MANY, OF_MANY, n_points=13, level=0.8)) == pytest.approx(expected, abs=1e-9)


def test_cuts_are_0_to_1_in_steps_of_one_five_hundredth():
    assert pytest.approx(np.arange(501) / 500) == metrics.CUTS


def test_figure_of_merit_and_best_cut_by_hand():
    counts = Efficiencies(np.arange(5.0), np.array([9, 8, 6, 4, 2]), np.array([100, 25, 24, 1, 0]), 10, 200)
    assert metrics.figure_of_merit(counts) == pytest.approx([0.9, 1.6, 6 / 24**0.5, 4, 0])
    assert metrics.best_figure_of_merit(counts) == 1  # 25 background events are enough, 24 are not
    assert metrics.best_working_point(counts, ["5", "4", "6", "7", "8"]) == 0
    assert counts.signal.tolist() == [0.9, 0.8, 0.6, 0.4, 0.2]
    assert counts.background.tolist() == [0.5, 0.125, 0.12, 0.005, 0]
    few = counts._replace(n_background_passed=np.full(5, 24))
    with pytest.raises(ValueError, match=r"^no cut leaves 25 of 200 background events: use more validation events$"):
        metrics.best_figure_of_merit(few)
    with pytest.raises(ValueError, match=r"^values \(2,\) must be one number for each of the cuts \(5,\)$"):
        metrics.best_working_point(counts, [1, 2])
    experiment = Experiment(background_uncertainty=0)
    chosen = [metrics.best_cut(counts, experiment, name) for name in ("S/√B", "Asimov, σ_B")]
    assert chosen == [1.0, 1.0]
    assert isinstance(chosen[0], float)


def test_the_published_significance_of_baldi_et_al_without_a_cut():
    """100 signal events over 1000 +- 50: the experiment of the paper."""
    experiment = Experiment()
    assert (experiment.signal, experiment.background, experiment.background_uncertainty) == (100, 1000, 0.05)
    by_hand = {
        "S/√B": 100 / 1000**0.5,
        "S/√(S+B)": 100 / 1100**0.5,
        "S/√(S+B+σ_B²)": 100 / (1100 + 50**2) ** 0.5,
        "Asimov": (2 * (1100 * np.log(1.1) - 100)) ** 0.5,
    }
    for name, value in by_hand.items():
        assert experiment.significance(name, 1, 1) == pytest.approx(value, rel=1e-12)


def test_fewer_than_one_event_may_be_expected():
    experiment = Experiment(0.5, 0.25, 0)
    for name in ("S/√B", "S/√(S+B)", "Asimov"):
        expected = experiment.definitions()[name](0.25, 0.125)
        assert experiment.significance(name, 0.5, 0.5) == expected > 0


def test_what_is_beyond_float64_is_a_limit_and_no_warning():
    assert metrics.asimov_with_uncertainty(1.0, 100.0, 1e200) == 0
    assert metrics.signal_over_root_background(1e300, 1e-300) == np.inf
    assert metrics.asimov(1e300, 1e300) == pytest.approx(np.sqrt(4 * np.log(2) - 2) * 1e150)


@pytest.mark.parametrize("ratio", [1e-12, 0.5, 0.999999, 1.0, 1.000001, 3.0, 1e9])
def test_the_asimov_significance_is_smooth_between_small_and_large_signals(ratio):
    background = 1e3
    signal = ratio * background
    if ratio < 0.6:
        series = 2 * sum((-ratio) ** k / ((k + 1) * (k + 2)) for k in range(60))
        expected = signal / background**0.5 * series**0.5
    else:
        expected = (2 * ((signal + background) * np.log1p(ratio) - signal)) ** 0.5
    assert metrics.asimov(signal, background) == pytest.approx(expected, rel=1e-12)
    assert metrics.asimov_with_uncertainty(signal, background, 0) == metrics.asimov(signal, background)


def test_the_interval_of_a_significance_is_drawn_from_jeffreys_posteriors():
    experiment, counts = Experiment(50, 400, 0.1), Efficiencies(np.array([0.5]), np.array([3]), np.array([7]), 9, 20)
    rng = np.random.default_rng(8)
    signal, background = rng.beta(3.5, 6.5, 400), rng.beta(7.5, 13.5, 400)
    draws = experiment.significance("Asimov, σ_B", signal, background)
    value = experiment.significance("Asimov, σ_B", 3 / 9, 7 / 20)
    interval = metrics.significance_interval(counts, experiment, "Asimov, σ_B", seed=8, level=0.7, n_draws=400)
    assert interval == pytest.approx((float(value), *np.quantile(draws, [0.15, 0.85])), rel=1e-12)


@pytest.mark.parametrize("passed", [(OF_MANY > 0.6, OF_MANY > 0.5), (OF_MANY > 0.6, OF_MANY <= 0.6)])
def test_the_equivalent_luminosity_is_drawn_from_jeffreys_posterior(passed):
    """In the second case no event passes both selections."""
    one, other = passed
    experiment, rng = Experiment(50, 400, 0.1), np.random.default_rng(8)
    counts = [[np.sum((c == MANY) & (one == i) & (other == j)) for i in (0, 1) for j in (0, 1)] for c in (1, 0)]
    signal, background = (rng.dirichlet(np.array(of_class) + 0.5, 400).T for of_class in counts)

    def significance(rows):
        return experiment.significance("S/√B", *(part[rows].sum(0) for part in (signal, background)))

    draws = (significance([2, 3]) / significance([1, 3])) ** 2
    exact = [[MANY[selection] == c for selection in (one, other)] for c in (1, 0)]
    (s_one, s_other), (b_one, b_other) = [[of.sum() for of in of_class] for of_class in exact]
    value = (s_one / s_other) ** 2 * b_other / b_one
    ours = metrics.equivalent_luminosity(MANY, one, other, experiment, "S/√B", seed=8, level=0.7, n_draws=400)
    assert ours == pytest.approx((value, *np.quantile(draws, [0.15, 0.85])), rel=1e-9)

"""Properties of the functions of `metrics` for any input, and independent libraries beside them."""

from contextlib import suppress
from decimal import Decimal, localcontext

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn import metrics as sk

from higgs_lib import metrics
from higgs_lib.metrics import Experiment, Interval

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
WITH_TIES = st.integers(-3, 3).map(float)
EXPECTED = st.floats(0, 1e12) | st.floats(1e-30, 1e-3)
POSITIVE = st.floats(1e-30, 1e12)


@st.composite
def events(draw, scores=FLOAT32 | WITH_TIES, n_of_each=1):
    """Labels and scores of both classes, in any type that holds them."""
    labels = [0] * n_of_each + [1] * n_of_each + draw(st.lists(st.integers(0, 1), max_size=30))
    labels = np.array(draw(st.permutations(labels)), draw(st.sampled_from([bool, np.int8, np.float32, float])))
    values = draw(hnp.arrays(float, len(labels), elements=scores))
    return labels, values.astype(draw(st.sampled_from([np.float32, float])))


@examples
@given(events())
def test_the_auc_is_scikit_learns_and_that_of_all_pairs(sample):
    labels, scores = sample
    auc = metrics.auc(labels, scores)
    signal, background = scores[labels == 1][:, None], scores[labels == 0]
    assert auc == pytest.approx(np.mean((signal > background) + 0.5 * (signal == background)), abs=1e-12)
    assert auc == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)


@examples
@given(events(), st.randoms(use_true_random=False))
def test_the_auc_knows_only_the_order(sample, random):
    labels, scores = sample
    auc = metrics.auc(labels, scores)
    ranks = np.unique(scores, return_inverse=True)[1]
    for transformed in (ranks, np.exp(ranks / 2.0), np.arctan(ranks), ranks.astype(np.float32) - 7):
        assert metrics.auc(labels, transformed) == auc
    order = random.sample(range(len(labels)), len(labels))
    assert metrics.auc(labels[order], scores[order]) == auc
    assert metrics.auc(np.tile(labels, 3), np.tile(scores, 3)) == auc
    assert metrics.auc(labels, -scores) == pytest.approx(1 - auc, abs=1e-15)
    assert metrics.auc(labels != 1, scores) == pytest.approx(1 - auc, abs=1e-15)


@examples
@given(events())
def test_the_roc_curve_is_scikit_learns(sample):
    labels, scores = sample
    curve = metrics.roc(labels, scores)
    background, signal, cuts = sk.roc_curve(labels, scores)
    assert curve.signal_efficiency == pytest.approx(signal)
    assert 1 - curve.background_rejection == pytest.approx(background)
    assert curve.cut[1:].tolist() == cuts[1:].tolist()
    assert np.trapezoid(curve.signal_efficiency, 1 - curve.background_rejection) == pytest.approx(
        metrics.auc(labels, scores)
    )


@examples
@given(events(), st.lists(FLOAT32, min_size=1, max_size=5))
def test_efficiencies_count_events(sample, cuts):
    labels, scores = sample
    counts = metrics.efficiencies(labels, scores, cuts)
    passed = scores >= np.array(cuts, scores.dtype)[:, None]
    assert counts.n_signal_passed.tolist() == (passed & (labels == 1)).sum(1).tolist()
    assert counts.n_background_passed.tolist() == (passed & (labels == 0)).sum(1).tolist()
    assert metrics.accuracy(labels, scores) == sk.accuracy_score(labels == 1, scores > 0.5)


@examples
@given(events(n_of_each=2), st.floats(0.01, 0.99))
def test_the_interval_of_an_auc_is_delongs_by_all_pairs(sample, level):
    labels, scores = sample
    wins = np.heaviside(np.subtract.outer(*(scores[labels == c].astype(float) for c in (1, 0))), 0.5)
    variance = sum(wins.mean(axis).var(ddof=1) / wins.shape[1 - axis] for axis in (0, 1))
    interval = metrics.auc_interval(labels, scores, level)
    half = stats.norm.isf((1 - level) / 2) * np.sqrt(variance)
    assert interval == pytest.approx((wins.mean(), wins.mean() - half, wins.mean() + half), abs=1e-9)
    covariance = metrics.auc_covariance(labels, [scores, -scores, scores])
    assert covariance == pytest.approx(variance * np.outer([1, -1, 1], [1, -1, 1]), abs=1e-9)
    assert metrics.auc_difference(labels, scores, scores) == (0, 0, 0)


@examples
@given(events(scores=st.floats(0, 1, width=32), n_of_each=2), st.integers(1, 12))
def test_calibration_is_scikit_learns(sample, n_bins):
    labels, scores = sample
    assert metrics.brier_score(labels, scores).value == pytest.approx(sk.brier_score_loss(labels, scores), abs=1e-6)
    curve = metrics.reliability(labels, scores, n_bins=n_bins)
    assert curve.n_events.sum() == len(labels)
    assert curve.n_events @ curve.fraction == pytest.approx(np.count_nonzero(labels == 1))
    assert curve.n_events @ curve.score == pytest.approx(scores.sum(dtype=float), rel=1e-6, abs=1e-30)
    assert ((curve.low <= curve.fraction) & (curve.fraction <= curve.high)).all()


def exactly(signal, background, relative=0.0):
    """The Asimov significance to 60 digits: equations 97 and 20 as they are printed."""
    with localcontext() as context:
        context.prec = 60 + 2 * 45
        s, b, r = (Decimal(float(number)) for number in (signal, background, relative))
        n, variance = s + b, (r * b) ** 2
        if not variance:
            half = n * (1 + s / b).ln() - s
        else:
            count = n * (n * (b + variance) / (b**2 + n * variance)).ln()
            half = count - b**2 / variance * (1 + variance * s / (b * (b + variance))).ln()
        return float((2 * half).sqrt())


@examples
@given(POSITIVE, st.floats(1e-9, 1e12), st.just(0.0) | st.floats(1e-6, 10))
def test_the_asimov_significances_are_exact(signal, background, relative):
    value = metrics.asimov_with_uncertainty(signal, background, relative)
    lost = 1 + relative**2 * background  # digits by the difference of two squares
    assert value**2 == pytest.approx(exactly(signal, background, relative) ** 2, rel=1e-14 * lost, abs=0)
    assert metrics.asimov(signal, background) == pytest.approx(exactly(signal, background), rel=1e-14)


@examples
@given(EXPECTED, POSITIVE, st.floats(1e-6, 1))
def test_significances_are_in_order(signal, background, relative):
    definitions = Experiment(background_uncertainty=relative).definitions()
    values = {name: float(definition(signal, background)) for name, definition in definitions.items()}
    slack = 1 + 1e-6
    assert values["S/√(S+B+σ_B²)"] <= values["S/√(S+B)"] <= values["Asimov"] * slack
    assert values["Asimov, σ_B"] <= values["Asimov"] * slack
    assert values["Asimov"] <= values["S/√B"] * slack
    assert values["Asimov"] ** 2 == pytest.approx(values["S/√B"] ** 2, rel=max(signal / background, 1e-9))


@examples
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0.01, 0.99))
def test_jeffreys_interval_is_that_of_the_beta_distribution(one, other, level):
    n_passed, n_total = min(one, other), max(one, other)
    low, high = metrics.jeffreys_interval(n_passed, n_total, level)
    assert 0 <= low < high <= 1
    assert low <= n_passed / max(n_total, 1) <= high
    posterior = stats.beta(n_passed + 0.5, n_total - n_passed + 0.5)
    if n_passed:
        assert posterior.cdf(low) == pytest.approx((1 - level) / 2, abs=1e-6)
    if n_passed < n_total:
        assert posterior.sf(high) == pytest.approx((1 - level) / 2, abs=1e-6)
    others = metrics.jeffreys_interval(n_total - n_passed, n_total, level)
    assert (1 - others[1], 1 - others[0]) == pytest.approx((float(low), float(high)), abs=1e-9)


@examples
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holms_correction_is_the_step_down_definition(p_values):
    corrected = metrics.holm(p_values)
    for p, given_back in zip(p_values, corrected, strict=True):  # the largest of the stages up to this p-value
        stages = [sum(other >= earlier for other in p_values) * earlier for earlier in p_values if earlier <= p]
        assert given_back == pytest.approx(min(max(stages), 1))


@examples
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.floats(0, 1))
def test_the_mean_over_seeds_is_students(values, width):
    mean = metrics.mean_interval([Interval(value, value - width, value + width) for value in values])
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    assert mean.value == pytest.approx(np.mean(values), abs=1e-12)
    assert mean.high - mean.value == pytest.approx(np.hypot(half, width), abs=1e-9)
    assert mean.value - mean.low == pytest.approx(np.hypot(half, width), abs=1e-9)


ANYTHING = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.floats(),
    st.integers(),
    hnp.arrays(
        st.sampled_from([bool, np.int8, np.uint64, np.float16, np.float32, float, complex, object, "U2", "M8[s]"]),
        hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4),
    ),
    st.lists(st.floats(), max_size=4),
)


@examples
@given(ANYTHING, ANYTHING)
def test_whatever_is_given_is_measured_or_refused(one, other):
    functions = (
        *(metrics.accuracy, metrics.auc, metrics.auc_interval, metrics.brier_score, metrics.roc),
        *(
            metrics.asimov,
            metrics.jeffreys_interval,
            metrics.signal_over_root_total,
            metrics.signal_over_root_background,
        ),
        lambda one, other: metrics.asimov_with_uncertainty(one, 100, other),
        lambda one, other: metrics.efficiencies(one, other, [0.5]),
        lambda one, other: metrics.efficiencies([0, 1], [0.2, 0.5], one),
        lambda one, other: metrics.histogram(one, other, [0, 1]),
        lambda one, other: metrics.histogram([0, 1], [0.2, 0.5], one),
        lambda one, other: metrics.holm(one),
        lambda one, other: metrics.effect_size(one),
        lambda one, other: Experiment().significance("Asimov", one, other),
        lambda one, other: Experiment(one, other, 0.1),
    )
    for function in functions:
        with suppress(ValueError):
            value = function(one, other)
            assert not (isinstance(value, float) and np.isnan(value))

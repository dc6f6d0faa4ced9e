import json
import re

import numpy as np
import pytest
from repository import ROOT
from scipy import optimize, stats

from higgs_lib import metrics, simulation
from higgs_lib.data import LABEL, LOW, SIGNAL_MASSES
from higgs_lib.metrics import Experiment
from higgs_lib.simulation import MassPlane
from higgs_lib.study import Scores, parametrised
from higgs_lib.study.parametrised import Hypothesis, Request


def test_events_are_those_of_the_simulation():
    physics, plane = Hypothesis(600, 400).parameters(signal_share=0.5), MassPlane()
    samples = parametrised.simulate([Request(300, 1, physics), Request(200, 2, masses=plane)], workers=1)
    tables = simulation.generate(300, 1, physics=physics), simulation.generate(200, 2, masses=plane)
    for sample, table, columns in zip(samples, tables, (LOW, (*LOW, *SIGNAL_MASSES)), strict=True):
        assert np.array_equal(sample.labels, table[LABEL])
        assert np.array_equal(sample.features, np.stack([table[name].to_numpy() for name in columns], 1))


def test_a_hypothesis_becomes_the_last_columns_in_the_order_of_their_names():
    hypothesis, features = Hypothesis(600, 400), np.ones((3, 2), np.float32)
    extended = parametrised.with_masses(features, hypothesis)
    assert extended.tolist() == [[1, 1, 600, 400]] * 3
    assert extended.dtype == np.float32
    assert hypothesis._fields == SIGNAL_MASSES


def gaussian_scores(rng, n, separation):
    """Returns scores of n events of each class, normally distributed and mapped into [0, 1]."""
    labels = np.repeat([1.0, 0.0], n)
    return Scores(labels, stats.norm.cdf(rng.normal(separation * labels)).astype(np.float32))


def test_the_significance_at_the_best_cut_is_that_of_normal_distributions():
    rng, experiment, separation = np.random.default_rng(1), Experiment(100, 1000), 2.0

    def loss(cut):
        return -metrics.asimov(100 * stats.norm.sf(cut - separation), 1000 * stats.norm.sf(cut))

    expected = -optimize.minimize_scalar(loss, bounds=(0, 4), method="bounded").fun
    validation, test = (gaussian_scores(rng, 50_000, separation) for _ in range(2))
    found = parametrised.sensitivity(validation, test, experiment, seed=1)
    assert found.significance.value == pytest.approx(expected, rel=0.03)
    assert found.significance.low < expected < found.significance.high + 0.02 * expected
    assert found.n_background_passed == round(50_000 * found.background_efficiency)


def test_two_networks_are_compared_on_the_same_events():
    rng = np.random.default_rng(2)
    labels, scores = gaussian_scores(rng, 2_000, 1.0)
    other = scores + rng.normal(0, 0.1, len(scores))
    compared = parametrised.compare(labels, scores, other)
    assert compared.difference.value == pytest.approx(compared.parametrised.value - compared.dedicated.value)
    assert compared.difference == metrics.auc_difference(labels, scores, other)


STORED = {
    "points": [
        {
            "m_heavy_higgs": 600,
            "m_charged_higgs": 375,
            "parametrised": [0.95, 0.94, 0.96],
            "dedicated": [0.949, 0.939, 0.959],
            "difference": [0.001, -0.0005, 0.0025],
        }
    ],
    "reference": {
        "m_heavy_higgs": 425,
        "m_charged_higgs": 325,
        "parametrised": [0.86, 0.85, 0.87],
        "dedicated": [0.87, 0.86, 0.88],
        "difference": [-0.01, -0.0115, -0.0085],
    },
}


def test_rows_of_the_comparison_end_with_the_reference():
    assert parametrised.comparison_rows(STORED) == [
        ("600 / 375", "0.9500", "0.9490", "+0.0010 [-0.0005, +0.0025]"),
        ("425 / 325", "0.8600", "0.8700", "-0.0100 [-0.0115, -0.0085]"),
    ]


def test_the_documentation_quotes_the_stored_comparison_and_no_other():
    text = (ROOT / "docs" / "signal_mass.md").read_text()
    quoted = re.findall(r"^\| (\d+ / \d+) \| ([\d.]+) \| ([\d.]+) \| ([^|]+) \|$", text, re.MULTILINE)
    stored = ROOT / "benchmarks" / "results" / "signal_masses.json"
    assert quoted == (parametrised.comparison_rows(json.loads(stored.read_text())) if stored.exists() else [])

"""The examples in the docstrings of `metrics` run as they stand."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name", ["calibration", "checks", "histograms", "hypotheses", "intervals", "ranking", "roc_curve", "significance"]
)
def test_examples_in_docstrings_run(name):
    assert doctest.testmod(import_module(f"higgs_lib.metrics.{name}")).failed == 0


def test_there_are_examples():
    assert doctest.testmod(import_module("higgs_lib.metrics.significance")).attempted > 3
    assert doctest.testmod(import_module("higgs_lib.metrics.roc_curve")).attempted > 3

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from bs4 import BeautifulSoup

from higgs_lib import explore, metrics, plots
from higgs_lib.metrics import Experiment

EXPERIMENT = Experiment(signal=50.0, background=400.0, background_uncertainty=0.1)


@pytest.fixture(scope="module")
def samples():
    """Labels and scores of validation and test events, for two feature sets."""
    rng = np.random.default_rng(5)
    labels = rng.random(4000) < 0.5
    made = {}
    for features, shift in (("low", 0.6), ("complete", 1.4)):
        scores = 1 / (1 + np.exp(-rng.normal(np.where(labels, shift, -shift), 1.0)))
        made[features] = {"validation": (labels[:2000], scores[:2000]), "test": (labels[2000:], scores[2000:])}
    return made


@pytest.fixture(scope="module")
def slider(samples):
    counts = [
        {features: metrics.efficiencies(*parts[part], metrics.CUTS) for features, parts in samples.items()}
        for part in ("validation", "test")
    ]
    return explore.cut_slider(*counts, EXPERIMENT, name="deep network", colours=plots.FEATURE_COLOURS, label="toys")


def stored(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_the_stored_numbers_are_those_of_the_events_that_pass(slider, samples):
    numbers = stored(slider._repr_html_())
    for row, parts in enumerate(samples.values()):
        labels, scores = parts["test"]
        for at in (0, 100, 321, 480):
            passed = scores >= numbers["cuts"][at]
            n_background = np.sum(passed & ~labels)
            shown = [column[at] for column in numbers["values"][row]]
            if n_background < 25:
                assert shown == [None] * 5
                continue
            signal, background = 50 * np.sum(passed & labels) / labels.sum(), 400 * n_background / np.sum(~labels)
            expected = [signal, background, signal / background**0.5, metrics.asimov(signal, background)]
            expected.append(metrics.asimov_with_uncertainty(signal, background, 0.1))
            assert shown == pytest.approx(expected, abs=1e-4)
    assert None in numbers["values"][1][0]


def test_the_best_cut_is_chosen_on_validation_events(slider, samples):
    for features, cut in slider.best.items():
        labels, scores = samples[features]["validation"]
        values = {}
        for other in metrics.CUTS:
            passed = scores >= other
            if np.sum(passed & ~labels) >= 25:
                pair = 50 * np.mean(passed[labels]), 400 * np.mean(passed[~labels])
                values[other] = metrics.asimov(*pair)
        assert cut == pytest.approx(max(values, key=values.get))
    start = slider.stored["cuts"][slider.start]
    assert start == pytest.approx(slider.best["complete"])
    assert f"At its best cut, {start:.3f}, the deep network on complete features reaches " in slider.caption


class Elements(HTMLParser):
    """Names and attributes of all elements, checked to be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.found, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_the_page_is_whole_labelled_and_of_use_without_a_script(slider):
    html = slider._repr_html_()
    elements = Elements(html)
    assert elements.open == []
    (label,), (field,), (output,) = (elements.all(tag) for tag in ("label", "input", "output"))
    assert label["for"] == field["id"] == output["for"]
    assert int(field["value"]) == slider.start
    assert field["aria-valuetext"] == f"cut {slider.best['complete']:.3f}"
    at = [[column[slider.start] for column in row] for row in slider.stored["values"]]
    expected = [f"{v:.{d}f}" for row in at for v, d in zip(row, (1, 1, 2, 2, 2), strict=True)]
    assert [text for number, text in enumerate(elements.texts) if number % 6] == expected
    assert not re.search(r'(src|href)="(?!data:)', html)
    ids = {re.search(r'id="([^"]+)"', slider._repr_html_())[1] for _ in range(5)}
    assert len(ids) == 5


def test_a_name_of_features_does_not_end_the_script(samples):
    name = "</script><img src=x onerror=alert(1)>"
    counts = [{name: metrics.efficiencies(*samples["low"][part], metrics.CUTS)} for part in ("validation", "test")]
    slider = explore.cut_slider(*counts, EXPERIMENT, name=name, colours={name: "black"}, label="toys")
    slider.stored["names"] = [name]
    soup = BeautifulSoup(slider._repr_html_(), "html.parser")
    assert json.loads(soup.find("script", type="application/json").string)["names"] == [name]
    assert len(soup.find_all("script")) == 2
    assert [image["src"][:5] for image in soup.find_all("img")] == ["data:"]


def test_the_line_moves_over_the_axes_of_the_figure(slider):
    """The spines of the panels, as the figure was saved, in parts of its width."""
    width = float(re.search(rb'viewBox="0 0 ([\d.]+) ', slider.figure.svg)[1])
    patches = re.findall(rb'<g id="patch_\d+">\s*<path d="M ([\d.]+) [\d.]+ \s*L ([\d.]+) ', slider.figure.svg)
    panels = {(round(float(a) / width, 3), round((float(b) - float(a)) / width, 3)) for a, b in patches}
    for left, span in slider.stored["panels"]:
        assert any(abs(left - a) < 2e-3 and abs(span - b) < 2e-3 for a, b in panels)

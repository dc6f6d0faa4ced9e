"""Captioned figures, against what matplotlib says of them."""

import base64
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup

from higgs_lib import plots
from higgs_lib.plots.captions import plain


def test_a_captioned_figure_is_closed_and_holds_its_drawing():
    figure, ax = plt.subplots(figsize=(4, 3))
    ax.set_xlabel("score", fontsize=8.4)
    ax.tick_params(labelsize=9)
    captioned = plots.caption("Signal lies above background.", "Simulation")
    assert not plt.fignum_exists(figure.number)
    image = BeautifulSoup(captioned._repr_html_(), "html.parser").img
    drawing = ET.fromstring(base64.b64decode(image["src"].partition("base64,")[2]))
    assert drawing.tag.endswith("svg")
    assert float(drawing.get("width").removesuffix("pt")) == pytest.approx(4 * 72)
    assert int(image["width"]) == 4 * 96
    assert float(image["data-smallest-text"]) == pytest.approx(8.4 * 96 / 72, abs=0.05)
    assert figure.get_suptitle() == "Simulation"
    assert repr(captioned) == "Figure: Signal lies above background."


def test_the_same_figure_gives_the_same_file():
    plots.use_style()
    drawings = []
    for _ in range(2):
        plt.plot([1, 3, 2])
        drawings.append(plots.caption("A line.").svg)
    assert drawings[0] == drawings[1]


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (r"$m_{\ell\nu}$", "m_ℓν"),
        (r"$\sqrt{s}$ = 8 TeV", "√s = 8 TeV"),
        (r"$S/\sqrt{B}$ and $\sigma_B$", "S/√B and σ_B"),
        ("5 % of 3 $", "5 % of 3 $"),
    ],
)
def test_formulas_become_plain_letters(formula, text):
    assert plain(formula) == text

"""Captioned figures, against what matplotlib says of them."""

import base64
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup

from higgs_lib import data, plots, study
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


HOSTILE = (
    "<img src=x onerror=alert(1)>.csv",
    "my_$x$_events.csv",
    "a$\\frac{.csv",
    "\"quoted\" & 'so'.csv",
    "`code` {math}`x` | ::: {include} x.csv",
    "new\nline\n# Title.csv",
    "</script><script>alert(1)</script>.csv",
    "[link](javascript:alert(1)) ![x](y).csv",
)
"""Names of a user's file that HTML, Markdown, MyST or matplotlib would read as code."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_file_can_be_drawn_and_shown(tmp_path, name):
    """The label goes through matplotlib's formulas, the caption through HTML."""
    name = name.replace("/", "%")
    (tmp_path / name).write_text("1," + ",".join(["0.5"] * 28) + "\n0," + ",".join(["0.5"] * 28) + "\n")
    data.ingest(tmp_path / name, tmp_path / "events.parquet")
    origin = data.origin(tmp_path / "events.parquet")
    plt.plot([1, 2])
    html = plots.caption(f"Shown: {origin.name}.", study.event_label(tmp_path / "events.parquet"))._repr_html_()
    soup = BeautifulSoup(html, "html.parser")
    assert [tag.name for tag in soup.find_all(True)] == ["figure", "img", "figcaption"]
    assert soup.figcaption.get_text() == f"Shown: {origin.name}."
    assert soup.img["alt"] == f"Shown: {origin.name}."
    for text in (origin.name, origin.description, study.header(tmp_path / "events.parquet").data.partition("\n")[0]):
        assert not set('<>$`{}[]|\n\\"') & set(text)
    assert origin.name.endswith(".csv")


def test_a_usual_name_of_a_file_is_shown_as_it_is(tmp_path):
    name = "B. Müller's 10% (v2) & more_events+cuts, 8-TeV.csv"
    (tmp_path / name).write_text("1," + ",".join(["0.5"] * 28) + "\n")
    data.ingest(tmp_path / name, tmp_path / "events.parquet")
    assert data.origin(tmp_path / "events.parquet").name == f"events of {name}"

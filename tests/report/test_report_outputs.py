"""What the report makes of HTML outputs, against pandas' own CSV and the tables it came from."""

import base64
import io

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from higgs_lib import plots
from higgs_lib.report.mathml import formulas
from higgs_lib.report.outputs import Outputs

TABLE = pd.DataFrame(
    {"AUC, 95 %": ["0.81 [0.80, 0.82]", "0.75, about"], "mass": ["$m_{bb}$", "none"]}, index=["deep", "shallow"]
)


@pytest.fixture
def table():
    return BeautifulSoup(Outputs("04_performance", 4).rewrite(TABLE.to_html()), "html.parser")


def test_a_table_can_be_downloaded_as_csv(table):
    link = table.select_one("a.download-csv")
    assert link["download"] == "04_performance-table-1.csv"
    text = base64.b64decode(link["href"].partition("base64,")[2]).decode()
    expected = TABLE.replace({"$m_{bb}$": "m_bb"})
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text), index_col=0), expected, check_names=False)


def test_each_cell_names_its_column_and_its_role(table):
    cells = table.select("tbody td")
    assert [cell["data-label"] for cell in cells] == list(TABLE.columns) * len(TABLE)
    assert {cell["role"] for cell in cells} == {"cell"}
    assert [cell["role"] for cell in table.select("thead th")] == ["columnheader"] * 2
    assert not [cell for cell in table.find_all("th") if not cell.get_text(strip=True)]


def test_tables_with_two_rows_of_names_use_the_lower_ones():
    columns = pd.MultiIndex.from_product([["signal", "background"], ["up", "down"]])
    html = pd.DataFrame([[1, 2, 3, 4]], columns=columns, index=["isr"]).to_html()
    soup = BeautifulSoup(Outputs("07_systematics", 7).rewrite(html), "html.parser")
    assert [cell["data-label"] for cell in soup.select("tbody td")] == ["up", "down", "up", "down"]


def test_figures_are_numbered_by_page_and_keep_their_caption():
    plt.plot([1, 2])
    captioned = plots.caption(r"The peak of $m_{bb}$ is at 125 & not below.")
    outputs = Outputs("05_significance", 5)
    soups = [BeautifulSoup(outputs.rewrite(captioned._repr_html_()), "html.parser") for _ in range(2)]
    names = [soup.figcaption.strong.get_text() for soup in soups]
    assert names == ["Figure 5.1. ", "Figure 5.2. "]
    assert soups[0].img["alt"] == "The peak of m_bb is at 125 & not below."
    assert soups[0].figcaption.math is not None
    assert "at 125 & not below." in soups[0].figcaption.get_text()
    assert soups[0].find("button", class_="enlarge").img is not None


def test_formulas_have_a_label_for_those_who_do_not_see_them():
    math = BeautifulSoup(formulas(r"at $\sqrt{s} = 8$ TeV"), "html.parser").math
    assert math["aria-label"] == "√s = 8"
    assert math.find("msqrt") is not None
